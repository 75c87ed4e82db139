"""One object of a cluster: typed metadata, and the rest as bytes until somebody asks.

Decoding costs a few microseconds and the memory of the bytes, because spec and status stay raw (a cache of dicts takes
seven to nine times as much). `metadata.managedFields`, often half of an object, is cut out of the bytes. What many
objects have in common is kept once: an application's objects have the same labels on a thousand clusters.
"""

from functools import lru_cache
from sys import intern
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from atoll.api.objects import GroupKind, Json, ObjectId, split_api_version
from atoll.kube.errors import BadRequest

T = TypeVar("T")


class Resource(msgspec.Struct, frozen=True):
    """A kind as one server serves it: `plural` is its name in paths, `verbs` what it allows."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    verbs: frozenset[str] = frozenset()

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL's path, percent-encoded: of one object, or of the collection when `name` is "".

        An empty namespace means all of them. Raises BadRequest for names that would lead to another path.
        """
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if self.namespaced and namespace:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name:
            parts.append(_segment(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def _segment(name: str) -> str:
    """The rules of apimachinery's IsValidPathSegmentName: the server would split or reject such a path."""
    if name in {".", ".."} or "/" in name or "%" in name:
        raise BadRequest(400, "BadRequest", f"{name!r} cannot be the name of an object: it is not one part of a path")
    return quote(name, safe="!$&'()*+,;=:@")


class OwnerRef(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """An entry of metadata.ownerReferences."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None
    api_version: str = ""


class Object(msgspec.Struct, frozen=True, gc=False):
    """A live object. `raw` is all of it as JSON, without managedFields unless they were asked for: kept in two parts,
    since what comes after the metadata is often the same on every cluster.

    `created` is RFC 3339; `deleting` says that metadata.deletionTimestamp is set. `labels` and `annotations` may be
    other objects', too: nobody changes them.
    """

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    labels: dict[str, str]
    annotations: dict[str, str]
    finalizers: tuple[str, ...]
    owners: tuple[OwnerRef, ...]
    created: str
    deleting: bool
    head: bytes
    rest: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.rest

    def __repr__(self) -> str:
        """Short, and without `raw`: a Secret may find its way into a log."""
        return f"Object({self.id}, namespace={self.namespace!r}, resource_version={self.resource_version!r})"

    @property
    def id(self) -> ObjectId:
        return ObjectId(self.group, self.kind, self.namespace, self.name)

    @property
    def group_kind(self) -> GroupKind:
        return GroupKind(self.group, self.kind)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def controller(self) -> OwnerRef | None:
        """The owner that manages this object."""
        return next((owner for owner in self.owners if owner.controller), None)

    def body(self) -> Json:
        """The whole object, decoded anew at each call: the caller may change it."""
        body: Json = _decode_any(self.raw)
        return body

    def read(self, kind: type[T]) -> T:
        """The whole object as `kind`, a struct that names only what the reader needs."""
        return msgspec.json.decode(self.raw, type=kind, strict=False)


_decode_any = msgspec.json.Decoder().decode


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    labels: msgspec.Raw = msgspec.Raw(b"")
    annotations: msgspec.Raw = msgspec.Raw(b"")
    finalizers: tuple[str, ...] | None = None
    owner_references: tuple[OwnerRef, ...] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    managed_fields: msgspec.Raw = msgspec.Raw(b"")


class _Wire(msgspec.Struct, rename="camel", gc=False):
    kind: str = ""
    api_version: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_texts = msgspec.json.Decoder(dict[str, str] | None).decode
_LONG = 2048
"""Bytes of labels, annotations or content that are too many to be remembered."""
_NONE: dict[str, str] = {}


def _texts(raw: msgspec.Raw) -> dict[str, str]:
    size = len(memoryview(raw))
    if size <= _LONG:
        return _shared_texts(bytes(raw)) if size else _NONE
    return _decode_texts(raw) or _NONE


@lru_cache(maxsize=8192)
def _shared_texts(raw: bytes) -> dict[str, str]:
    return _decode_texts(raw) or _NONE


@lru_cache(maxsize=8192)
def _shared(content: bytes) -> bytes:
    return content


def _parts(raw: bytes, rest: int) -> tuple[bytes, bytes]:
    """`raw` without its last `rest` bytes, and those. Statuses aren't shared: they differ, and change all the time."""
    if not 0 < rest <= _LONG:
        return raw, b""
    content = raw[-rest:]
    return (raw, b"") if b'"status":' in content else (raw[:-rest], _shared(content))


_moment = lru_cache(maxsize=256)(str)
"""Much is created in the same second."""
_MANAGED = b'"managedFields":'


def decode_object(
    buffer: bytes | msgspec.Raw, resource: Resource | None = None, *, managed_fields: bool = False
) -> Object:
    """Read one object from JSON. List items lack apiVersion and kind: they are taken from `resource`.

    The result does not refer to `buffer`. Raises msgspec.DecodeError when it isn't an object.
    """
    wire = _decode_wire(buffer)
    raw = bytes(buffer).strip()
    metadata = bytes(wire.metadata)
    meta = _decode_metadata(metadata)
    rest = len(raw) - raw.find(metadata) - len(metadata)
    if not managed_fields and memoryview(meta.managed_fields):
        raw = _without_managed_fields(raw, bytes(meta.managed_fields))
    if resource is not None and wire.kind in {"", resource.kind}:  # its strings are shared by all objects
        if not wire.kind:
            raw = _with_type(raw, resource.kind, resource.api_version)
        kind, group, version = resource.kind, resource.group, resource.version
    else:
        kind = wire.kind
        group, version = split_api_version(wire.api_version)
    return Object(
        group,
        version,
        kind,
        intern(meta.namespace or ""),
        meta.name,
        meta.uid,
        meta.resource_version,
        meta.generation or 0,
        _texts(meta.labels),
        _texts(meta.annotations),
        meta.finalizers or (),
        meta.owner_references or (),
        _moment(meta.creation_timestamp or ""),
        meta.deletion_timestamp is not None,
        *_parts(raw, rest),
    )


def of_body(body: Json) -> Object:
    """An Object of a dict, as tests and front ends have it."""
    return decode_object(msgspec.json.encode(body))


def _without_managed_fields(raw: bytes, value: bytes) -> bytes:
    """Cut the one member out of the text; where its place isn't certain, decode and encode instead."""
    start = raw.find(_MANAGED)
    end = start + len(_MANAGED)
    if start < 0 or not raw.startswith(value, end) or raw.find(_MANAGED, end + len(value)) >= 0:
        body: dict[str, Any] = _decode_any(raw)
        del body["metadata"]["managedFields"]
        return msgspec.json.encode(body)
    end += len(value)
    if raw[end : end + 1] == b",":
        return raw[:start] + raw[end + 1 :]
    return raw[: start - 1] + raw[end:] if raw[start - 1 : start] == b"," else raw[:start] + raw[end:]


def _with_type(raw: bytes, kind: str, api_version: str) -> bytes:
    rest = raw.lstrip()[1:].lstrip()
    comma = b"" if rest.startswith(b"}") else b","
    return b'{"kind":"%s","apiVersion":"%s"%s' % (kind.encode(), api_version.encode(), comma) + rest
