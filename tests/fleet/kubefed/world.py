"""What tests of the KubeFed front end do: join clusters as KubeFed does, federate objects, look at the members."""

import base64
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from atoll.api.crds import crds
from atoll.api.kubefed.manifests import definitions
from atoll.api.kubefed.names import CONDITION_PROPAGATION, CONFIG, LABEL_MANAGED, NAMESPACE
from atoll.api.kubefed.types import ENABLED, TargetType, body_of, federated_type, type_config
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import (
    CLUSTERPROPAGATEDVERSIONS,
    FEDERATEDTYPECONFIGS,
    KUBEFEDCLUSTERS,
    KUBEFEDCONFIGS,
    PROPAGATEDVERSIONS,
)
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import (
    CLUSTERROLEBINDINGS,
    CRDS,
    EVENTS,
    MUTATINGWEBHOOKS,
    NAMESPACES,
    SECRETS,
    SERVICEACCOUNTS,
    VALIDATINGWEBHOOKS,
)
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess

Json = dict[str, Any]

CONTROL_PLANE = NAMESPACE
MANAGER = "test"
HOST, MEMBER = "hub", "member1"
"""The host is joined under the name of its context."""
BOTH = (HOST, MEMBER)
SPARE = "member2"
"""Not joined, but by tests of joining."""
WEBHOOKS = ((VALIDATINGWEBHOOKS, "validations.core.kubefed.io"), (MUTATINGWEBHOOKS, "mutation.core.kubefed.io"))
GATHERED = frozenset({"Deployment"})
"""Kinds whose members' statuses are gathered."""


async def furnish(fleet: Fleet) -> None:
    """KubeFed's definitions and types on the host, and both clusters joined."""
    async with fleet.client(HOST) as host:
        for kind, name in WEBHOOKS:
            with contextlib.suppress(NotFound):  # of a hub before, which answers no longer
                await host.delete(kind, name)
        for crd in (*crds(), *definitions()):
            await host.apply(CRDS, crd, name=crd["metadata"]["name"], manager=MANAGER, force=True)
        await apply(host, NAMESPACES, CONTROL_PLANE, "")
        await eventually(lambda: host.list(FEDERATEDTYPECONFIGS), 10)
        gates = [{"name": "RawResourceStatusCollection", "configuration": "Enabled"}]
        await apply(host, KUBEFEDCONFIGS, CONFIG, CONTROL_PLANE, spec={"scope": "Cluster", "featureGates": gates})
        for target in ENABLED:
            await eventually(lambda target=target: enable(host, target), 10)  # type: ignore[misc]
        for name in BOTH:
            async with fleet.client(name) as member:
                await join(host, member, name)


async def apply(client: Client, resource: Resource, name: str, namespace: str, **fields: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **fields}
    return await client.apply(resource, body, name=name, namespace=namespace, manager=MANAGER, force=True)


async def enable(host: Client, target: TargetType) -> Object:
    config = body_of(type_config(target, namespace=CONTROL_PLANE))
    if target.kind in GATHERED:
        config["spec"]["statusCollection"] = "Enabled"
    return await host.apply(
        FEDERATEDTYPECONFIGS, config, name=target.qualified, namespace=CONTROL_PLANE, manager=MANAGER, force=True
    )


async def join(host: Client, member: Client, name: str, **labels: str) -> None:
    """An account in the member with all rights, its token in a Secret of the host, and a KubeFedCluster."""
    account = f"{name}-host"
    await apply(member, NAMESPACES, CONTROL_PLANE, "")
    await apply(member, SERVICEACCOUNTS, account, CONTROL_PLANE)
    await apply(
        member,
        CLUSTERROLEBINDINGS,
        account,
        "",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        subjects=[{"kind": "ServiceAccount", "name": account, "namespace": CONTROL_PLANE}],
    )
    note = {"annotations": {"kubernetes.io/service-account.name": account}}
    await apply(
        member, SECRETS, f"{account}-token", CONTROL_PLANE, type="kubernetes.io/service-account-token", metadata=note
    )

    async def token() -> str:
        data = (await member.get(SECRETS, f"{account}-token", CONTROL_PLANE)).body().get("data") or {}
        return str(data.get("token") or "")

    await apply(host, SECRETS, f"{name}-token", CONTROL_PLANE, data={"token": await eventually(token, 10)})
    await apply(
        host,
        KUBEFEDCLUSTERS,
        name,
        CONTROL_PLANE,
        metadata={"labels": {"name": name, **labels}},
        spec={
            "apiEndpoint": member.config.server,
            "caBundle": base64.b64encode(member.config.ca).decode(),
            "secretRef": {"name": f"{name}-token"},
        },
    )


def federated_resource(target: TargetType) -> Resource:
    made = federated_type(target)
    return Resource(made.group, made.version, made.kind, made.plural, namespaced=made.namespaced)


def target_resource(target: TargetType) -> Resource:
    return Resource(target.group, target.version, target.kind, target.plural, namespaced=target.namespaced)


class FederatedWorld:
    """A namespace that is federated to both clusters; `name` is for a test's own objects."""

    def __init__(self, process: HubProcess, clients: dict[str, Client], name: str) -> None:
        self.process = process
        self.clients = clients
        self.host = clients[HOST]
        self.name = name
        self.namespace = "federated"
        self._made: list[tuple[Resource, str, str]] = []

    async def open(self) -> None:
        await apply(self.host, NAMESPACES, self.namespace, "")
        await self.federate(NAMESPACE_TYPE, self.namespace, placement=on(*BOTH))
        await self.propagated(NAMESPACE_TYPE, self.namespace)
        self._made.clear()  # it stays: namespaces take seconds to go

    async def close(self) -> None:
        for resource, name, namespace in reversed(self._made):
            with contextlib.suppress(NotFound):
                await self.host.delete(resource, name, namespace)
        for resource, name, namespace in reversed(self._made):
            await self.gone(self.host, resource, name, namespace)

    async def federate(self, target: TargetType, name: str, *, annotations: Json | None = None, **spec: Any) -> Object:
        """Have the federated object say this, and nothing else."""
        resource = federated_resource(target)
        namespace = self.namespace if resource.namespaced else ""
        self._made.append((resource, name, namespace))
        return await apply(self.host, resource, name, namespace, metadata={"annotations": annotations or {}}, spec=spec)

    def forget(self, target: TargetType) -> None:
        """Objects of this type stay when the test is over."""
        self._made = [made for made in self._made if made[0] != federated_resource(target)]

    async def delete(self, target: TargetType, name: str) -> None:
        resource = federated_resource(target)
        await self.host.delete(resource, name, self.namespace if resource.namespaced else "")

    async def live(self, target: TargetType, name: str) -> Json:
        resource = federated_resource(target)
        return (await self.host.get(resource, name, self.namespace if resource.namespaced else "")).body()

    async def member(self, cluster: str, target: TargetType, name: str) -> Json:
        resource = target_resource(target)
        return (await self.clients[cluster].get(resource, name, self.namespace if target.namespaced else "")).body()

    async def has(self, cluster: str, target: TargetType, name: str) -> bool:
        try:
            await self.member(cluster, target, name)
        except NotFound:
            return False
        return True

    async def propagated(self, target: TargetType, name: str, seconds: float = 10.0) -> Json:
        """Its status, once that says that all of its present generation is well."""

        async def well() -> Json | None:
            live = await self.live(target, name)
            status: Json = live.get("status") or {}
            if status.get("observedGeneration") != live["metadata"]["generation"]:
                return None
            return status if condition(status).get("status") == "True" else None

        found: Json = await self.eventually(well, seconds)
        return found

    async def troubled(self, target: TargetType, name: str, cluster: str, word: str, seconds: float = 10.0) -> Json:
        """Its status, once that has this word for `cluster`."""

        async def says() -> Json | None:
            status: Json = (await self.live(target, name)).get("status") or {}
            return status if words(status).get(cluster, "") == word and cluster in words(status) else None

        found: Json = await self.eventually(says, seconds)
        return found

    async def record(self, target: TargetType, name: str) -> Json:
        """Its version record's status, once there is one."""
        namespace = self.namespace if federated_resource(target).namespaced else ""
        resource = PROPAGATEDVERSIONS if namespace else CLUSTERPROPAGATEDVERSIONS

        async def found() -> Json:
            live = await self.host.get(resource, f"{target.kind.lower()}-{name}", namespace)
            return live.body().get("status") or {}

        record: Json = await self.eventually(found, 10)
        return record

    async def events(self, about: str, reason: str) -> list[str]:
        """The messages of Events with this reason about objects of this name, once there are any."""

        async def found() -> list[str]:
            listing = await self.host.list(EVENTS, self.namespace, fields=f"involvedObject.name={about}")
            return [str(e.body().get("message")) for e in listing.items if e.body().get("reason") == reason]

        messages: list[str] = await self.eventually(found, 10)
        return messages

    async def gone(self, client: Client, resource: Resource, name: str, namespace: str, seconds: float = 15.0) -> None:
        async def check() -> bool:
            try:
                await client.get(resource, name, namespace)
            except NotFound:
                return True
            return False

        await self.eventually(check, seconds)

    async def eventually(self, check: Callable[[], Awaitable[Any]], seconds: float = 10.0) -> Any:
        try:
            return await eventually(check, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.log.read_text()[-4000:]}") from error


NAMESPACE_TYPE = next(target for target in ENABLED if target.kind == "Namespace")


def target(kind: str) -> TargetType:
    return next(one for one in ENABLED if one.kind == kind)


def on(*clusters: str) -> Json:
    return {"clusters": [{"name": name} for name in clusters]}


def condition(status: Json) -> Json:
    return next((one for one in status.get("conditions") or () if one["type"] == CONDITION_PROPAGATION), {})


def words(status: Json) -> dict[str, str]:
    return {one["name"]: one.get("status", "") for one in status.get("clusters") or ()}


def managed(body: Json) -> bool:
    return (body["metadata"].get("labels") or {}).get(LABEL_MANAGED) == "true"
