"""One object of a cluster: typed metadata, and the rest as bytes until somebody asks.

Decoding costs a few microseconds and the memory of the bytes, because spec and status stay raw (a cache of dicts takes
seven to nine times as much). `metadata.managedFields`, often half of an object, is cut out of the bytes. What many
objects have in common is kept once: an application's objects have the same labels on a thousand clusters.
"""

import re
from functools import lru_cache
from sys import intern
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

from atoll.api.objects import GroupKind, Json, ObjectId, group_kind, split_api_version
from atoll.kube.errors import BadRequest
from atoll.kube.pool import Pool

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
        return group_kind(self.group, self.kind)

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


_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*").fullmatch
"""Names that are one part of a path as they are: nearly all."""


def _segment(name: str) -> str:
    """The rules of apimachinery's IsValidPathSegmentName: the server would split or reject such a path."""
    if _PLAIN(name):
        return name
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
    since what comes after the metadata is often the same on every cluster, and what comes before can most often be
    made from the other fields: then `head` is empty.

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
        return (self.head or self._head()) + self.rest

    def _head(self) -> bytes:
        metadata = _Told(
            self.name,
            self.namespace,
            self.uid,
            self.resource_version,
            self.generation,
            self.created,
            self.labels,
            self.annotations,
            self.finalizers,
        )
        return _beginnings(self.kind, self.api_version)[0] + msgspec.json.encode(metadata)

    def mentions(self, text: bytes) -> bool:
        """Whether `text` is in what the other fields don't tell."""
        return text in self.head or text in self.rest

    def __repr__(self) -> str:
        """Short, and without `raw`: a Secret may find its way into a log."""
        return f"Object({self.id}, namespace={self.namespace!r}, resource_version={self.resource_version!r})"

    @property
    def id(self) -> ObjectId:
        return ObjectId(self.group, self.kind, self.namespace, self.name)

    @property
    def group_kind(self) -> GroupKind:
        return group_kind(self.group, self.kind)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def controller(self) -> OwnerRef | None:
        """The owner that manages this object."""
        return next((owner for owner in self.owners if owner.controller), None)

    def body(self) -> Json:
        """The whole object, decoded anew at each call: the caller may change it."""
        if self.head:
            body: Json = _decode_any(self.raw)
            return body
        told = {
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
            "generation": self.generation,
            "creationTimestamp": self.created,
            "labels": self.labels.copy(),
            "annotations": self.annotations.copy(),
            "finalizers": list(self.finalizers),
        }
        metadata = {name: value for name, value in told.items() if value}
        others = _decode_any(b'{"metadata":0' + self.rest)
        return {"kind": self.kind, "apiVersion": self.api_version, **others, "metadata": metadata}

    def read(self, kind: type[T]) -> T:
        """The whole object as `kind`, a struct that names only what the reader needs."""
        return msgspec.json.decode(self.raw, type=kind, strict=False)


_decode_any = msgspec.json.Decoder().decode


class _Told(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
    """The metadata that an Object tells."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    namespace: str | UnsetType | None = UNSET
    uid: str = ""
    resource_version: str = ""
    generation: int | UnsetType | None = UNSET
    labels: msgspec.Raw = msgspec.Raw(b"")
    annotations: msgspec.Raw = msgspec.Raw(b"")
    finalizers: tuple[str, ...] | UnsetType | None = UNSET
    owner_references: tuple[OwnerRef, ...] | UnsetType | None = UNSET
    creation_timestamp: str | UnsetType | None = UNSET
    deletion_timestamp: str | UnsetType | None = UNSET
    managed_fields: msgspec.Raw = msgspec.Raw(b"")


class _Strict(_Metadata, rename="camel", forbid_unknown_fields=True, gc=False):
    pass


class _Wire(msgspec.Struct, rename="camel", gc=False):
    kind: str = ""
    api_version: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_metadata = msgspec.json.Decoder(_Metadata).decode
_decode_strictly = msgspec.json.Decoder(_Strict).decode
_decode_texts = msgspec.json.Decoder(dict[str, str] | None).decode
_LONG = 1 << 14
"""Bytes of labels, annotations or content that are too many to be compared with what is known."""
_NONE: dict[str, str] = {}
_TEXTS: Pool[dict[str, str]] = Pool()
_CONTENTS: Pool[bytes] = Pool()


def _texts(raw: msgspec.Raw) -> dict[str, str] | None:
    """None where nothing is said; what is said may be that there are none."""
    text = bytes(raw)
    if not text:
        return None
    found = _decode_texts(raw) or _NONE
    return _TEXTS.one(found, hash(text)) if len(text) <= _LONG else found


def _content(raw: bytes, size: int) -> bytes:
    """The last `size` bytes of `raw`. Statuses aren't shared: they differ, and change all the time."""
    content = raw[-size:]
    return content if size > _LONG or b'"status":' in content else _CONTENTS.one(content, hash(content))


def _parts(raw: bytes, rest: int) -> tuple[bytes, bytes]:
    """`raw` without its last `rest` bytes, and those; the first part is never empty."""
    if not 0 < rest <= min(_LONG, len(raw) - 1):
        return raw, b""
    content = _content(raw, rest)
    return (raw, b"") if b'"status":' in content else (raw[:-rest], content)


def _typical(meta: _Metadata) -> bool:
    """Whether an Object tells all of it, managedFields apart. What is there and empty, it doesn't tell."""
    return bool(
        (meta.name and meta.uid and meta.resource_version and meta.creation_timestamp)
        and meta.owner_references is UNSET
        and meta.deletion_timestamp is UNSET
        and (meta.namespace or meta.namespace is UNSET)
        and (meta.generation or meta.generation is UNSET)
        and (meta.finalizers or meta.finalizers is UNSET)
    )


@lru_cache(maxsize=1024)
def _beginnings(kind: str, api_version: str, *, named: bool = True) -> tuple[bytes, ...]:
    """What stands before the metadata of most objects; those that a list holds aren't `named`."""
    parts = {"kind": kind, "apiVersion": api_version}
    orders = (parts, dict(reversed(parts.items()))) if named else ({},)
    return tuple(msgspec.json.encode({**order, "metadata": 0})[:-2] for order in orders)


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
    typical = not managed_fields
    try:
        meta: _Metadata = _decode_strictly(metadata)
    except msgspec.ValidationError:
        meta, typical = _decode_metadata(metadata), False
    start = raw.find(metadata)
    rest = len(raw) - start - len(metadata)
    if resource is not None and wire.kind in {"", resource.kind}:  # its strings are shared by all objects
        kind, group, version = resource.kind, resource.group, resource.version
        named = bool(wire.kind)
        api_version = resource.api_version
    else:
        kind, named, api_version = wire.kind, True, wire.api_version
        group, version = split_api_version(wire.api_version)
    labels, annotations = _texts(meta.labels), _texts(meta.annotations)
    typical = typical and labels is not _NONE and annotations is not _NONE and _typical(meta)
    if typical and raw[:start] in _beginnings(kind, api_version, named=named):
        parts = b"", _content(raw, rest)
    else:
        if not managed_fields and memoryview(meta.managed_fields):
            raw = _without_managed_fields(raw, bytes(meta.managed_fields))
        parts = _parts(raw if named else _with_type(raw, kind, api_version), rest)
    return Object(
        group,
        version,
        kind,
        intern(meta.namespace or ""),
        intern(meta.name),
        meta.uid,
        meta.resource_version,
        meta.generation or 0,
        labels or _NONE,
        annotations or _NONE,
        meta.finalizers or (),
        meta.owner_references or (),
        _moment(meta.creation_timestamp or ""),
        isinstance(meta.deletion_timestamp, str),
        *parts,
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
