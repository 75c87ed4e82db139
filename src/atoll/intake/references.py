"""What a workload names of its own namespace: what it would lack on a cluster where it is alone. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from atoll.api.editing import found
from atoll.api.objects import GroupKind, Json
from atoll.api.podspec import items, pod_spec

CONFIGMAP, SECRET = GroupKind("", "ConfigMap"), GroupKind("", "Secret")
SERVICE_ACCOUNT, SERVICE = GroupKind("", "ServiceAccount"), GroupKind("", "Service")
CLAIM = GroupKind("", "PersistentVolumeClaim")
_SECRET_REFS = frozenset({"secretRef", "nodePublishSecretRef"})
"""In volumes of drivers: cephfs, csi, flexVolume, iscsi, rbd, scaleIO, storageos."""


class Reference(NamedTuple):
    """An object in the workload's namespace. `optional`: the workload starts without it, too."""

    kind: GroupKind
    name: str
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.kind.kind}/{self.name}"


def references(body: Json) -> tuple[Reference, ...]:
    """What `body` names, each once, in the order of its fields. Needed by one container is needed."""
    merged: dict[tuple[GroupKind, str], bool] = {}
    for reference in _all(body):
        if reference.name:
            key = reference.kind, reference.name
            merged[key] = merged.get(key, True) and reference.optional
    return tuple(Reference(kind, name, optional) for (kind, name), optional in merged.items())


def of_service_account(body: Json) -> Iterator[Reference]:
    """The Secrets that a ServiceAccount pulls images with."""
    return (Reference(SECRET, str(s.get("name", ""))) for s in items(body, "imagePullSecrets"))


def _all(body: Json) -> Iterator[Reference]:
    if body.get("kind") == "StatefulSet" and body.get("apiVersion") == "apps/v1":
        yield Reference(SERVICE, str(found(body, ("spec", "serviceName")) or ""))
    spec = pod_spec(body)
    if spec is None:
        return
    account = spec.body.get("serviceAccountName") or spec.body.get("serviceAccount")
    yield Reference(SERVICE_ACCOUNT, str(account or ""))
    yield from of_service_account(dict(spec.body))
    for _, container in spec.containers():
        yield from _container(container)
    for volume in items(spec.body, "volumes"):
        yield from _volume(volume)


def _container(container: Mapping[str, Any]) -> Iterator[Reference]:
    for source in items(container, "envFrom"):
        yield from _named(source, (("configMapRef", CONFIGMAP), ("secretRef", SECRET)))
    for variable in items(container, "env"):
        yield from _named(variable.get("valueFrom"), (("configMapKeyRef", CONFIGMAP), ("secretKeyRef", SECRET)))


def _volume(volume: Mapping[str, Any]) -> Iterator[Reference]:
    yield from _named(volume, (("configMap", CONFIGMAP),))
    yield from _named(volume, (("secret", SECRET), ("azureFile", SECRET)), "secretName")
    yield from _named(volume, (("persistentVolumeClaim", CLAIM),), "claimName")
    projected = volume.get("projected")
    for source in items(projected, "sources") if isinstance(projected, Mapping) else ():
        yield from _named(source, (("configMap", CONFIGMAP), ("secret", SECRET)))
    for driver in volume.values():
        if isinstance(driver, Mapping):
            yield from _named(driver, tuple((field, SECRET) for field in sorted(_SECRET_REFS)))


def _named(body: Any, fields: Iterable[tuple[str, GroupKind]], key: str = "name") -> Iterator[Reference]:
    """A reference for each of `fields` in `body` that holds a name at `key`."""
    if not isinstance(body, Mapping):
        return
    for field, kind in fields:
        part = body.get(field)
        if isinstance(part, Mapping):
            yield Reference(kind, str(part.get(key) or ""), part.get("optional") is True)
