"""Who owns which field: `metadata.managedFields`, read and rewritten.

`fieldsV1` is a tree: `f:name` is a field, `k:{…}` an element by its keys, `v:…` an element by its value, `.` the node
itself (KEP-555).
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from atoll.api.names import FIELD_MANAGER, HANDOVER_MANAGER
from atoll.api.objects import Json
from atoll.kube.objects import Object

APPLY, UPDATE = "Apply", "Update"
OURS = frozenset({FIELD_MANAGER, HANDOVER_MANAGER})
_CONTROLLERS = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"})


class Entry(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One entry of managedFields."""

    manager: str = ""
    operation: str = ""
    api_version: str = ""
    time: str | None = None
    fields_type: str = ""
    fields_v1: Json = msgspec.field(default_factory=dict, name="fieldsV1")
    subresource: str = ""

    @property
    def ours(self) -> bool:
        return self.operation == APPLY and self.manager in OURS


class _Metadata(msgspec.Struct, rename="camel"):
    managed_fields: tuple[Entry, ...] = ()


class _Managed(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def entries(live: Object) -> tuple[Entry, ...]:
    """The entries of `live`, which was read with its managedFields."""
    return live.read(_Managed).metadata.managed_fields


def managers(found: Iterable[Entry]) -> tuple[str, ...]:
    """Who else writes the object, each once: not status, not us."""
    return tuple(dict.fromkeys(e.manager for e in found if not e.ours and e.subresource != "status"))


def last_writer(found: Iterable[Entry]) -> str:
    """The other manager that wrote last; "" when there is none."""
    others = [e for e in found if e.manager not in OURS and e.subresource != "status"]
    return max(others, key=lambda e: e.time or "").manager if others else ""


def adopted(found: tuple[Entry, ...], desired: Json, api_version: str) -> list[Json] | None:
    """What managedFields become when we own what the object's former owner applied or created, as csaupgrade does.

    Taken over are entries of plain updates (kubectl apply on the client's side, create, edit, other tools) that own
    anything that we desire: what they own and we don't desire goes with our next apply. Controllers, status and scale
    keep theirs, and so do other appliers, whose shared fields our apply takes by force. None: nothing to rewrite.
    """
    taken = [e for e in found if _former(e) and _overlaps(e.fields_v1, desired)]
    if not taken:
        return None
    mine = next((e for e in found if e.manager == FIELD_MANAGER and e.operation == APPLY and not e.subresource), None)
    fields = mine.fields_v1 if mine else {}
    for entry in taken:
        fields = _union(fields, entry.fields_v1)
    stamp = mine.time if mine else taken[0].time
    ours = Entry(FIELD_MANAGER, APPLY, api_version, stamp, "FieldsV1", fields)
    rest = [e for e in found if e not in taken and e is not mine]
    return msgspec.to_builtins([ours, *rest])  # type: ignore[no-any-return]  # a list in, a list out


def replaced(found: tuple[Entry, ...], api_version: str) -> list[Json] | None:
    """What managedFields become when a whole object of ours replaces a former owner's: its plain updates are ours.

    So whoever applies on the server's side later, and takes our updates over, leaves none of it behind. None: nothing
    to rewrite.
    """
    taken = [e for e in found if _former(e) and e.manager not in OURS]
    if not taken:
        return None
    mine = [e for e in found if e.operation == UPDATE and e.manager == FIELD_MANAGER and not e.subresource]
    fields: Json = {}
    for entry in (*mine, *taken):
        fields = _union(fields, entry.fields_v1)
    ours = Entry(FIELD_MANAGER, UPDATE, api_version, (mine or taken)[0].time, "FieldsV1", fields)
    rest = [e for e in found if e not in taken and e not in mine]
    return msgspec.to_builtins([ours, *rest])  # type: ignore[no-any-return]  # a list in, a list out


def added(found: Iterable[Entry], desired: Json, live: Json) -> str:
    """Who else owns something that `live` has and `desired` doesn't; "" for nobody.

    Status, annotations, finalizers and owners don't count, nor do the controllers of Kubernetes itself.
    """
    for entry in found:
        if entry.manager in OURS or entry.manager in _CONTROLLERS or entry.subresource:
            continue
        metadata = entry.fields_v1.get("f:metadata") or {}
        fields = {name: below for name, below in entry.fields_v1.items() if name not in {"f:metadata", "f:status"}}
        if "f:labels" in metadata:
            fields["f:metadata"] = {"f:labels": metadata["f:labels"]}
        if _reaches_beyond(fields, desired, live):
            return entry.manager
    return ""


def _reaches_beyond(fields: Json, desired: Any, live: Any) -> bool:
    """Whether `fields` own a leaf that `live` has and `desired` hasn't."""
    for key, below in fields.items():
        theirs = _child(key, live) if key != "." else None
        if theirs is None:
            continue
        ours = _child(key, desired)
        leaf = not [name for name in below if name != "."] or not isinstance(theirs, (dict, list))
        if ours is None if leaf else _reaches_beyond(below, ours, theirs):
            return True
    return False


def released(found: tuple[Entry, ...]) -> list[Json]:
    """What managedFields become without us: `[{}]` is how the server is told "none"."""
    rest = [e for e in found if not e.ours]
    return msgspec.to_builtins(rest) if rest else [{}]


def _former(entry: Entry) -> bool:
    return entry.operation == UPDATE and not entry.subresource and entry.manager not in _CONTROLLERS


def _union(one: Json, other: Json) -> Json:
    merged = dict(one)
    for key, value in other.items():
        merged[key] = _union(merged[key], value) if key in merged else value
    return merged


def _overlaps(fields: Json, desired: Any) -> bool:
    """Whether `fields` own a leaf that `desired` has."""
    for key, below in fields.items():
        if key == ".":
            continue
        child = _child(key, desired)
        if child is None:
            continue
        if not [name for name in below if name != "."] or not isinstance(child, (dict, list)):
            return True
        if _overlaps(below, child):
            return True
    return False


def _child(key: str, desired: Any) -> Any:
    kind, name = key[:2], key[2:]
    if kind == "f:" and isinstance(desired, dict):
        return desired.get(name)
    if kind == "k:" and isinstance(desired, list):
        keys = msgspec.json.decode(name)
        return next((e for e in desired if isinstance(e, dict) and _has_keys(e, keys)), None)
    if kind == "v:" and isinstance(desired, list):
        value = msgspec.json.decode(name)
        return value if value in desired else None
    return None


def _has_keys(element: Json, keys: Json) -> bool:
    defaults = {"protocol": "TCP"}
    return all(element.get(key, defaults.get(key)) == value for key, value in keys.items())
