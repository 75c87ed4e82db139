"""What of KubeFed is on the hub: its types and objects, and what was migrated before."""

import msgspec

from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.federated import Federated
from atoll.api.kubefed.names import CONFIG, NAMESPACES_CONFIG, NEVER_FEDERATED
from atoll.api.kubefed.preference import ReplicaSchedulingPreference
from atoll.api.kubefed.typeconfig import FederatedTypeConfig, with_defaults
from atoll.api.names import LABEL_REACH
from atoll.cli.exits import CommandError
from atoll.cli.migration.originals import Original, Type, kept, unmarked
from atoll.hub.kubefed.settings import Settings, settings
from atoll.intake.kubefed.migration import Control, Finding, about
from atoll.kube.client import Client
from atoll.kube.errors import KindNotServed, NotFound
from atoll.kube.kubefed_resources import (
    FEDERATEDTYPECONFIGS,
    KUBEFEDCLUSTERS,
    KUBEFEDCONFIGS,
    REPLICASCHEDULINGPREFERENCES,
    resource_of,
)
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import NAMESPACES


class Found(msgspec.Struct, frozen=True):
    """One federated object, with what divides it.

    `original` is what is kept of one that is gone, `live` being None, or on its way out.
    """

    config: FederatedTypeConfig
    resource: Resource
    federated: Federated
    live: Object | None = None
    preference: Object | None = None
    original: Original | None = None

    @property
    def about(self) -> str:
        return about(self.federated)

    @property
    def of_namespace(self) -> bool:
        return self.config.of_namespaces


class State(msgspec.Struct, frozen=True):
    """All that there is. `clusters` are the registered ones, by name; `originals` come with where they are kept."""

    control: Control
    objects: tuple[Found, ...]
    clusters: dict[str, Object]
    originals: tuple[tuple[str, Original], ...]
    findings: tuple[Finding, ...]
    preferences: tuple[ReplicaSchedulingPreference, ...]
    settings: Settings


async def read_state(hub: Client, control_namespace: str, home: str) -> State:
    """Raises CommandError when there is no KubeFed, KubeError."""
    try:
        registered = {c.name: c for c in (await hub.list(KUBEFEDCLUSTERS, control_namespace)).items}
        configs = (await hub.list(FEDERATEDTYPECONFIGS, control_namespace)).items
    except (KindNotServed, NotFound) as error:
        raise CommandError("this hub doesn't know KubeFed's kinds", "choose KubeFed's host with --context") from error
    if not configs:
        raise CommandError(
            f"there is no FederatedTypeConfig in namespace {control_namespace}",
            "say where KubeFed's control plane is: --kubefed-namespace",
        )
    found_settings = await _settings(hub, control_namespace)
    namespaced = found_settings.limited
    preferences = await _preferences(hub)
    read = [_typed(config) for config in configs]
    objects: list[Found] = []
    findings: list[Finding] = []
    for config in read:
        if namespaced and not config.spec.target_type.namespaced:
            continue  # such a control plane propagates nothing of this type
        found, odd = await _objects(hub, config, control_namespace, preferences, only_own=namespaced)
        objects += found
        findings += odd
    reaching = [n.name for n in (await hub.list(NAMESPACES)).items if n.labels.get(LABEL_REACH) == "cluster"]
    types = {Type.of(resource_of(c.spec.federated_type, namespaced=c.federated_namespaced)) for c in read}
    originals = tuple((w, o) for w, o in await kept(hub) if o.type in types and o.keeps_to(w, w in reaching))
    cut_off = {(o.kind, o.namespace, o.name): o for _, o in originals if not o.done}
    objects = [_begun(found, cut_off) for found in objects]
    objects += _gone(originals, objects, read)
    placements = {
        f.federated.metadata.namespace: f.federated.spec.placement if f.federated.spec else None
        for f in objects
        if f.of_namespace
    }
    control = Control(
        clusters={name: item.labels for name, item in registered.items()},
        namespaces=None if namespaced else placements,
        adopt=found_settings.adopt,
        home=home,
        reaching=frozenset(reaching),
    )
    rsps = tuple(p.read(ReplicaSchedulingPreference) for p in preferences.values())
    return State(control, tuple(objects), registered, originals, tuple(findings), rsps, found_settings)


async def _settings(hub: Client, namespace: str) -> Settings:
    try:
        config = (await hub.get(KUBEFEDCONFIGS, CONFIG, namespace)).read(KubeFedConfig)
        return settings(namespace, config.spec)
    except NotFound:
        return Settings(namespace)
    except ValueError as error:  # one that can't be read is one, too
        raise CommandError(f"KubeFedConfig {CONFIG} in namespace {namespace}: {error}") from error


async def _preferences(hub: Client) -> dict[tuple[str, str, str], Object]:
    """By namespace, kind and name of what they divide."""
    try:
        items = (await hub.list(REPLICASCHEDULINGPREFERENCES)).items
    except (KindNotServed, NotFound):
        return {}
    found = {}
    for item in items:
        kind = str((item.body().get("spec") or {}).get("targetKind", ""))
        found[item.namespace, kind, item.name] = item
    return found


def _typed(item: Object) -> FederatedTypeConfig:
    try:
        return with_defaults(msgspec.convert(item.body(), FederatedTypeConfig))
    except msgspec.ValidationError as error:
        raise CommandError(f"FederatedTypeConfig {item.name} can't be read: {error}") from error


async def _objects(
    hub: Client,
    config: FederatedTypeConfig,
    control_namespace: str,
    preferences: dict[tuple[str, str, str], Object],
    *,
    only_own: bool,
) -> tuple[list[Found], list[Finding]]:
    resource = resource_of(config.spec.federated_type, namespaced=config.federated_namespaced)
    try:
        items = (await hub.list(resource, control_namespace if only_own else "")).items
    except (KindNotServed, NotFound):
        return [], []
    found: list[Found] = []
    findings: list[Finding] = []
    never = NEVER_FEDERATED | {control_namespace}
    for item in items:
        name = f"{item.kind} {item.namespace + '/' if item.namespace else ''}{item.name}"
        if config.metadata.name == NAMESPACES_CONFIG and (item.name != item.namespace or item.name in never):
            findings.append(Finding(name, "metadata.name", "KubeFed propagates no such namespace", "delete it"))
            continue
        try:
            federated = msgspec.convert(unmarked(item.body()), Federated)
        except msgspec.ValidationError as error:
            findings.append(Finding(name, "spec", f"it can't be read: {error}", "mend it", refuses=True))
            continue
        preference = preferences.get((item.namespace, item.kind, item.name))
        found.append(Found(config, resource, federated, item, preference))
    return found, findings


def _begun(found: Found, originals: dict[tuple[str, str, str], Original]) -> Found:
    """One that is on its way out is what it was before: its preference may be gone, and it is marked as an orphan."""
    if found.live is None or not found.live.deleting:
        return found
    metadata = found.federated.metadata
    key = (found.federated.kind, metadata.namespace, metadata.name)
    return msgspec.structs.replace(found, original=originals.get(key))


def _gone(
    originals: tuple[tuple[str, Original], ...], objects: list[Found], configs: list[FederatedTypeConfig]
) -> list[Found]:
    """Those that are kept only: they are migrated, or were being when that was cut off."""
    there = {(f.federated.kind, f.federated.metadata.namespace, f.federated.metadata.name) for f in objects}
    by_kind = {c.spec.federated_type.kind: c for c in configs}
    return [
        Found(by_kind[o.kind], o.type.resource, msgspec.convert(o.federated, Federated), original=o)
        for _, o in originals
        if (o.kind, o.namespace, o.name) not in there and o.kind in by_kind
    ]
