"""A KubeFed that has worked before a test: its kinds and objects on the hub, and what it made in the members."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from atoll.api.kubefed.definitions import crds, federated_crd
from atoll.api.kubefed.federated import Override
from atoll.api.kubefed.names import ANNOTATION_ORPHAN, FINALIZER_SYNC, LABEL_MANAGED, MANAGED
from atoll.api.kubefed.types import ENABLED, body_of, federated_type, type_config
from atoll.intake.kubefed.pointers import plain
from atoll.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS, resource_of
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES
from tests.delivering import eventually
from tests.fleet.hub.world import World

Json = dict[str, Any]
MANAGER = "controller-manager"
KINDS = ("Namespace", "Deployment", "ConfigMap")
CONFIGS = {t.kind: type_config(t) for t in ENABLED if t.kind in KINDS}
TARGETS: dict[str, Resource] = {"Deployment": DEPLOYMENTS, "ConfigMap": CONFIGMAPS, "Namespace": NAMESPACES}
RESOURCES = {
    kind: resource_of(config.spec.federated_type, namespaced=config.federated_namespaced)
    for kind, config in CONFIGS.items()
}


class KubeFed:
    """One control plane, in a namespace of its own; it looks after the namespace of `world`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.namespace = f"{world.namespace}-kubefed"

    async def install(self) -> None:
        hub = self.world.hub
        definitions = [*crds(), *(federated_crd(federated_type(t)) for t in ENABLED if t.kind in KINDS)]
        for crd in definitions:
            await hub.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await hub.apply(NAMESPACES, body, name=self.namespace, manager="test", force=True)
        for resource in (FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS, *RESOURCES.values()):
            await eventually(lambda resource=resource: _served(hub, resource))  # type: ignore[misc]
        for target in ENABLED:
            if target.kind in KINDS:
                await hub.create(FEDERATEDTYPECONFIGS, body_of(type_config(target, namespace=self.namespace)))
        for name in self.world.members:
            await hub.create(
                KUBEFEDCLUSTERS,
                {
                    "apiVersion": "core.kubefed.io/v1beta1",
                    "kind": "KubeFedCluster",
                    "metadata": {"name": name, "namespace": self.namespace},
                    "spec": {"apiEndpoint": "https://127.0.0.1:1", "secretRef": {"name": name}},
                },
            )

    async def federate(
        self,
        kind: str,
        name: str,
        template: Json,
        overrides: dict[str, list[Json]] | None = None,
        *,
        clusters: tuple[str, ...] = (),
        **spec: Any,
    ) -> None:
        """Make a federated object, and in `clusters`, else in all members, what KubeFed makes of it."""
        world = self.world
        chosen: Json = {"clusters": [{"name": name} for name in clusters]}
        body: Json = {
            "apiVersion": "types.kubefed.io/v1beta1",
            "kind": f"Federated{kind}",
            "metadata": {"name": name, "namespace": world.namespace, "finalizers": [FINALIZER_SYNC]},
            "spec": {
                "template": template,
                "placement": chosen if clusters else {"clusterSelector": {"matchLabels": {}}},
                "overrides": [{"clusterName": c, "clusterOverrides": o} for c, o in (overrides or {}).items()],
                **spec,
            },
        }
        await world.hub.create(RESOURCES[kind], body)
        for cluster in clusters or world.members:
            await self._propagate(cluster, kind, body)

    async def _propagate(self, cluster: str, kind: str, federated: Json) -> None:
        """Create it, as KubeFed does, or replace what is there."""
        config, client = CONFIGS[kind].spec.target_type, self.world.clients[cluster]
        metadata = federated["metadata"]
        labels = federated["spec"]["template"].get("metadata", {}).get("labels", {})
        body = federated["spec"]["template"] | {
            "apiVersion": config.api_version,
            "kind": config.kind,
            "metadata": {"name": metadata["name"], "labels": labels}
            | ({"namespace": metadata["namespace"]} if config.namespaced else {}),
        }
        for one in federated["spec"].get("overrides", ()):
            if one["clusterName"] == cluster:
                body, _ = plain(body, msgspec.convert(one["clusterOverrides"], list[Override]))
        body["metadata"]["labels"] = body["metadata"].get("labels", {}) | {LABEL_MANAGED: MANAGED}
        try:
            await client.create(TARGETS[kind], body, manager=MANAGER)
        except AlreadyExists:
            live = await client.get(TARGETS[kind], metadata["name"], metadata["namespace"] if config.namespaced else "")
            kept = {"resourceVersion": live.resource_version, "annotations": dict(live.annotations)}
            await client.replace(TARGETS[kind], body | {"metadata": body["metadata"] | kept}, manager=MANAGER)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """It propagates what there is, and lets go of orphans, until the context ends."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._work())
            try:
                yield
            finally:
                task.cancel()

    async def _work(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        while True:
            for kind, resource in RESOURCES.items():
                for item in (await self.world.hub.list(resource, self.world.namespace)).items:
                    if item.deleting and FINALIZER_SYNC in item.finalizers:
                        await self._let_go(kind, item.body())
                    elif not item.deleting and seen.get((kind, item.name)) != item.uid:
                        seen[kind, item.name] = item.uid
                        note = {"metadata": {"finalizers": [FINALIZER_SYNC]}}
                        await self.world.hub.patch(resource, item.name, item.namespace, note)
                        for cluster in self.world.members:
                            await self._propagate(cluster, kind, item.body())
            await asyncio.sleep(0.05)

    async def _let_go(self, kind: str, federated: Json) -> None:
        """Take the label off in all members, then the finalizer. What is no orphan is deleted: a test fails then."""
        metadata = federated["metadata"]
        name, namespace = metadata["name"], metadata["namespace"] if kind != "Namespace" else ""
        for client in self.world.clients.values():
            with suppress(NotFound, Conflict):
                live = await client.get(TARGETS[kind], name, namespace)
                if live.labels.get(LABEL_MANAGED) != MANAGED:
                    continue
                if metadata.get("annotations", {}).get(ANNOTATION_ORPHAN) != "true":
                    await client.delete(TARGETS[kind], name, namespace)
                    continue
                patch = {"metadata": {"labels": {LABEL_MANAGED: None}, "resourceVersion": live.resource_version}}
                await client.patch(TARGETS[kind], name, namespace, patch, manager=MANAGER)
        with suppress(NotFound):
            patch = {"metadata": {"finalizers": []}}
            await self.world.hub.patch(RESOURCES[kind], name, metadata["namespace"], patch)

    async def close(self) -> None:
        """Nothing of it is left but its kinds."""
        for resource in RESOURCES.values():
            for item in (await self.world.hub.list(resource, self.world.namespace)).items:
                with suppress(NotFound):
                    await self.world.hub.patch(resource, item.name, item.namespace, {"metadata": {"finalizers": []}})
                    await self.world.hub.delete(resource, item.name, item.namespace)
        with suppress(KubeError):
            await self.world.hub.delete(NAMESPACES, self.namespace)


async def _served(hub: Any, resource: Resource) -> bool:
    await hub.list(resource)
    return True
