"""The objects: that each is one, that Atoll may deliver it, and that no two are the same."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from atoll.api.checks.case import Case, Placed
from atoll.api.issues import Issue, warning
from atoll.api.manifests import is_list
from atoll.api.names import (
    ANNOTATION_PRUNE,
    ANNOTATION_WAVE,
    GROUP,
    SYSTEM_NAMESPACE,
)
from atoll.api.objects import GroupKind, Json, split_api_version

MAX_INLINE_BYTES = 1024 * 1024
MAX_OBJECT_BYTES = 1536 * 1024
"""etcd's limit on a request."""
RESERVED = (f"{GROUP}/", "applyset.kubernetes.io/")
OURS_TO_SET = frozenset((ANNOTATION_PRUNE, ANNOTATION_WAVE))
SERVER_FIELDS = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
)
"""Of metadata: they mean one object in one cluster."""
NAMESPACE = GroupKind("", "Namespace")
_API_VERSION = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?v[a-z0-9]+")


def objects(case: Case) -> Iterator[Issue]:
    for placed in case.objects:
        if isinstance(placed.body.get("metadata", {}), dict):
            yield from _identity(placed)
            yield from _metadata(placed)
            yield from _reach(case, placed)
            yield from _content(placed)
        else:
            yield Issue(f"{placed.path}.metadata", "is no object: it takes name, namespace, labels and annotations")
    yield from _selects(case)
    yield from _twice(case)
    yield from _size(case)


def _identity(placed: Placed) -> Iterator[Issue]:
    body, path = placed.body, placed.path
    api_version, kind = body.get("apiVersion"), body.get("kind")
    if not api_version:
        yield Issue(f"{path}.apiVersion", "is missing: such as v1 or apps/v1")
    elif not isinstance(api_version, str) or not _API_VERSION.fullmatch(api_version):
        yield Issue(f"{path}.apiVersion", f"{api_version} is no version: such as v1 or apps/v1")
    if is_list(body):
        yield Issue(path, f"a {kind} is several objects: write each of its items as a manifest of its own")
        return
    if not kind or not isinstance(kind, str):
        yield Issue(f"{path}.kind", "is missing: such as Deployment")
    yield from _name(body.get("metadata") or {}, path)


def _name(metadata: Json, path: str) -> Iterator[Issue]:
    name = metadata.get("name")
    if "generateName" in metadata and not name:
        yield Issue(
            f"{path}.metadata.generateName",
            "would make another object on each apply: give metadata.name instead",
        )
    elif not name:
        yield Issue(f"{path}.metadata.name", "is missing")
    elif not isinstance(name, str) or name in (".", "..") or any(c in name for c in "/%") or len(name) > 253:
        yield Issue(
            f"{path}.metadata.name", f"{name} can't be a name: a string of at most 253 characters without / and %"
        )


def _metadata(placed: Placed) -> Iterator[Issue]:
    metadata, path = placed.body.get("metadata") or {}, placed.path
    for field in ("labels", "annotations"):
        yield from _strings(metadata.get(field), f"{path}.metadata.{field}")
    for field in ("labels", "annotations") if path.startswith("spec.manifests[") else ():
        yield from reserved(metadata.get(field), f"{path}.metadata.{field}")
    yield from _directions(metadata.get("annotations"), f"{path}.metadata.annotations")
    if path.startswith("spec.manifests["):
        for field in SERVER_FIELDS:
            if metadata.get(field):
                yield warning(f"{path}.metadata.{field}", f"is left out: it belongs to {placed.id} in one cluster only")


def _strings(values: Any, path: str) -> Iterator[Issue]:
    if values is not None and not isinstance(values, dict):
        yield Issue(path, "is no map of strings")
        return
    for key, value in (values or {}).items():
        if not isinstance(value, str):
            yield Issue(f"{path}[{key}]", f"{msgspec.json.encode(value).decode()} is no string: put it in quotes")


def reserved(keys: Any, path: str) -> Iterator[Issue]:
    """Labels and annotations by which Atoll knows its objects."""
    for key in keys if isinstance(keys, dict) else ():
        if str(key).startswith(RESERVED) and key not in OURS_TO_SET:
            yield Issue(f"{path}[{key}]", "is Atoll's own: take it away")


def _directions(annotations: Any, path: str) -> Iterator[Issue]:
    """The annotations by which a user tells Atoll what to do with one object."""
    if not isinstance(annotations, dict):
        return
    wave, prune = annotations.get(ANNOTATION_WAVE, "0"), annotations.get(ANNOTATION_PRUNE, "true")
    if not re.fullmatch(r"[-+]?[0-9]{1,6}", str(wave)):
        yield Issue(f"{path}[{ANNOTATION_WAVE}]", f'{wave} is no whole number: such as "1"; lower waves go first')
    if prune not in ("true", "false"):
        yield Issue(f"{path}[{ANNOTATION_PRUNE}]", f'{prune} is neither "true" nor "false"')


def _reach(case: Case, placed: Placed) -> Iterator[Issue]:
    """An Application reaches as far as its namespace, and Atoll's own namespace is nobody's."""
    this, path = placed.id, placed.path
    if SYSTEM_NAMESPACE in (this.namespace, this.name if this.group_kind == NAMESPACE else ""):
        yield Issue(path, f"{this} is in {SYSTEM_NAMESPACE}, which is Atoll's own: choose another one")
    elif not case.reach and case.scopes(this.group_kind) is False:
        yield Issue(path, f"{this} is cluster-scoped: {_leave(case)}")
    elif not case.reach and this.namespace not in ("", case.namespace):
        yield Issue(
            f"{path}.metadata.namespace",
            f"{this} would go to namespace {this.namespace}, outside the Application's own: take that away, or "
            + _leave(case),
        )
    if this.group == GROUP:
        yield warning(path, f"{this} is of Atoll's own kinds: it is delivered to the members, and does nothing here")


def _selects(case: Case) -> Iterator[Issue]:
    for index, select in enumerate(case.app.spec.select):
        kind = GroupKind(split_api_version(select.api_version)[0], select.kind)
        if not case.reach and case.scopes(kind) is False:
            yield Issue(f"spec.select[{index}]", f"{kind} is cluster-scoped: {_leave(case)}")


def _leave(case: Case) -> str:
    return (
        f"an administrator allows that with `kubectl label namespace {case.namespace} {GROUP}/reach=cluster` on the hub"
    )


def _content(placed: Placed) -> Iterator[Issue]:
    if placed.body.get("status") and placed.path.startswith("spec.manifests["):
        yield warning(f"{placed.path}.status", f"is left out: the member's controllers write the status of {placed.id}")
    if (size := len(msgspec.json.encode(placed.body))) > MAX_OBJECT_BYTES:
        yield Issue(
            placed.path, f"{placed.id} has {_mib(size)}: no API server takes more than {_mib(MAX_OBJECT_BYTES)}"
        )


def _twice(case: Case) -> Iterator[Issue]:
    first: dict[object, str] = {}
    for placed in case.objects:
        if not placed.id.kind or not placed.id.name:
            continue
        earlier = first.setdefault(placed.id, placed.path)
        if earlier is not placed.path:
            where = f" in namespace {placed.id.namespace}" if placed.id.namespace else ""
            yield Issue(
                placed.path, f"{placed.id}{where} is here for the second time, after {earlier}: keep one of them"
            )


def _size(case: Case) -> Iterator[Issue]:
    sizes = [len(msgspec.json.encode(placed.body)) for placed in case.inline()]
    size = sum(sizes)
    if size > MAX_INLINE_BYTES and max(sizes) <= MAX_OBJECT_BYTES:
        yield Issue(
            "spec.manifests",
            f"the objects have {_mib(size)}, and {_mib(MAX_INLINE_BYTES)} fit inline: apply them to the hub in "
            f"namespace {case.namespace}, and name them with select (by labels)",
        )


def _mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"
