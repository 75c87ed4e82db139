"""`federate`: an object that the host has, as a federated one; with a namespace, all that is in it.

The pure half, from object to federated object, is `federated`; it is what `-f` does without asking anybody.
"""

import asyncio
import re
import time
from collections.abc import Iterable
from typing import NamedTuple

from atoll.api.editing import without
from atoll.api.kubefed.names import NAMESPACE, NAMESPACES_CONFIG, TYPES_GROUP
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.kubefed.types import TargetType, type_config
from atoll.api.objects import Json, split_api_version
from atoll.install.kinds import InstallError
from atoll.install.kubefed import enabling
from atoll.install.kubefed.enabling import Directive
from atoll.install.kubefed.served import ServedType, chosen, served_types
from atoll.install.kubefed.voice import Voice
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, resource_of
from atoll.kube.objects import Object, Resource

SERVED_IN = 10.0
LOOK_EVERY = 0.2
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

MADE_BY_CONTROLLERS = (
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "pods.metrics.k8s.io",
    "propagatedversions.core.kubefed.io",
)
"""Never among the contents of a namespace: others make them, in every cluster anew."""


class Federating(NamedTuple):
    """Objects of one type. `served` is what to enable first where the type isn't."""

    config: FederatedTypeConfig
    bodies: tuple[Json, ...]
    served: ServedType
    enabled: bool


class Manner(NamedTuple):
    """How it is done. `only_shown`: nothing is created, so the type needn't be enabled."""

    namespace: str = NAMESPACE
    enable_type: bool = False
    only_shown: bool = False
    dry_run: bool = False


def federated(config: FederatedTypeConfig, live: Json) -> Json:
    """The federated object of `live`: placed on all clusters, labels kept, all else of its metadata dropped."""
    target, kind = config.spec.target_type, config.spec.federated_type
    metadata = live.get("metadata") or {}
    name, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    if target.kind == "Namespace":
        namespace = name
    template = {
        key: value
        for key, value in _without_allocated(target.kind, live).items()
        if key not in {"apiVersion", "kind", "status", "metadata"}
    }
    if labels := metadata.get("labels"):
        template["metadata"] = {"labels": labels}
    where = {"namespace": namespace} if config.federated_namespaced and namespace else {}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, **where},
        "spec": {"placement": {"clusterSelector": {"matchLabels": {}}}, "template": template},
    }


def _without_allocated(kind: str, live: Json) -> Json:
    """What a cluster gives an object for itself."""
    match kind:
        case "Namespace":
            return without(live, ("spec", "finalizers"))
        case "ServiceAccount":
            return without(live, ("secrets",))
        case "Service":
            spec = dict(live.get("spec") or {})
            if isinstance(spec.get("ports"), list):
                spec["ports"] = [without(port, ("nodePort",)) for port in spec["ports"]]
            return {**live, "spec": {k: v for k, v in spec.items() if k not in {"clusterIP", "clusterIPs"}}}
        case _:
            return live


def of_file(bodies: Iterable[Json]) -> list[Json]:
    """The federated objects of manifests; their types are known by kind alone. Raises InstallError."""
    result = []
    for body in bodies:
        group, version = split_api_version(str(body.get("apiVersion") or ""))
        kind = str(body.get("kind") or "")
        if not version or not kind:
            raise InstallError("a document has no apiVersion or no kind")
        namespaced = bool((body.get("metadata") or {}).get("namespace"))
        target = TargetType(group, version, kind, _plural(kind), namespaced)
        result.append(federated(type_config(target), body))
    return result


def _plural(kind: str) -> str:
    """As client libraries guess it."""
    lower = kind.lower()
    if lower == "endpoints":
        return lower
    if lower.endswith("s"):
        return f"{lower}es"
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"


async def prepared(client: Client, kind: str, name: str, namespace: str, manner: Manner, voice: Voice) -> Federating:
    """The federated object of one that the host has. Raises InstallError, NotFound."""
    served = chosen(await served_types(client), kind)
    config, enabled = await _config(client, served, manner)
    resource = resource_of(config.spec.target_type, namespaced=served.namespaced)
    live = await client.get(resource, name, namespace if served.namespaced else "")
    return Federating(config, (_told(config, live, voice),), served, enabled)


async def contents(
    client: Client, namespace: str, skipped: Iterable[str], manner: Manner, voice: Voice
) -> list[Federating]:
    """All that is in `namespace` but what is skipped: types by any of their names, or whole groups.

    Raises InstallError when a type is found that isn't enabled, unless it is to be.
    """
    found: list[Federating] = []
    for served in await served_types(client):
        if not _belongs(served, tuple(name for name in skipped if name)):
            continue
        resource = Resource(served.group, served.version, served.kind, served.plural)
        try:
            lives = (await client.list(resource, namespace)).items
        except NotFound:
            continue
        if wanted := [live for live in lives if _is_wanted(live, voice)]:
            config, enabled = await _config(client, served, manner)
            found.append(Federating(config, tuple(_told(config, live, voice) for live in wanted), served, enabled))
    return found


def _belongs(served: ServedType, skipped: tuple[str, ...]) -> bool:
    federated_type = served.group == TYPES_GROUP and served.kind.startswith("Federated")
    return (
        served.preferred
        and served.namespaced
        and "list" in served.verbs
        and not federated_type
        and not (served.group and served.group in skipped)
        and not any(served.called(name) for name in (*MADE_BY_CONTROLLERS, *skipped))
    )


def _is_wanted(live: Object, voice: Voice) -> bool:
    if not _NAME.fullmatch(live.name):
        voice.warn(f"Skipping {live.kind} {live.name}: no federated object can have that name")
        return False
    if live.kind == "ConfigMap" and live.name == "kube-root-ca.crt":
        voice.warn("Skipping ConfigMap kube-root-ca.crt: every cluster has an authority of its own")
        return False
    if live.kind == "Secret" and live.body().get("type") == "kubernetes.io/service-account-token":
        voice.warn(f"Skipping Secret {live.name}: a token is of use in its own cluster only")
        return False
    return True


def _target(served: ServedType) -> TargetType:
    return TargetType(served.group, served.version, served.kind, served.plural, served.namespaced)


def _told(config: FederatedTypeConfig, live: Object, voice: Voice) -> Json:
    if live.annotations:
        where = f"{live.namespace}/{live.name}" if live.namespace else live.name
        names = ", ".join(sorted(live.annotations))
        voice.warn(
            f'Annotations of {live.kind} "{where}" will not appear in the template of the federated resource: {names}'
        )
    return federated(config, live.body())


async def _config(client: Client, served: ServedType, manner: Manner) -> tuple[FederatedTypeConfig, bool]:
    """Its FederatedTypeConfig, and whether that is there already."""
    try:
        live = await client.get(FEDERATEDTYPECONFIGS, served.qualified, manner.namespace)
    except NotFound as error:
        if not (manner.only_shown or manner.enable_type):
            raise InstallError(
                f'there is no FederatedTypeConfig "{manner.namespace}/{served.qualified}"',
                "--enable-type enables the type first",
            ) from error
        return type_config(_target(served), namespace=manner.namespace), False
    return live.read(FederatedTypeConfig), True


async def create(client: Client, wanted: Federating, manner: Manner, voice: Voice) -> None:
    """Enable the type where that is asked for, and create the federated objects."""
    config = wanted.config
    if manner.enable_type and not wanted.enabled:
        steps = await enabling.of_type(client, wanted.served, Directive(wanted.served.qualified), manner.namespace)
        await enabling.enable(client, steps, voice, dry_run=manner.dry_run)
    for body in wanted.bodies:
        if config.metadata.name == NAMESPACES_CONFIG:
            voice.info("the federated namespace is created in the namespace itself")
        if not manner.dry_run:
            await _create(client, config, body)
        metadata = body["metadata"]
        where = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
        voice.info(f'Successfully created {body["kind"]} "{where}" from {config.spec.target_type.kind}')


async def _create(client: Client, config: FederatedTypeConfig, body: Json) -> None:
    """A type that was enabled a moment ago may not be served yet."""
    resource = resource_of(config.spec.federated_type, namespaced=config.federated_namespaced)
    give_up_at = time.monotonic() + SERVED_IN
    while True:
        try:
            await client.create(resource, body)
        except NotFound as error:
            if not error.unknown_path or time.monotonic() > give_up_at:
                raise
        else:
            return
        await asyncio.sleep(LOOK_EVERY)
