"""Identities of Kubernetes objects, and manifests."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]
NOTHING: Json = {}
"""Shared by frozen values that have nothing to say: each dict that Python makes takes 64 bytes. Nobody changes it."""


class GroupKind(NamedTuple):
    """A kind without its version; `group` is "" for the core group."""

    group: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


group_kind = lru_cache(maxsize=1024)(GroupKind)
"""The same, made once: a delivery asks for it twenty times."""


class ObjectId(NamedTuple):
    """One object in one cluster, whatever version serves it; `namespace` is "" for cluster-scoped kinds."""

    group: str
    kind: str
    namespace: str
    name: str

    @property
    def group_kind(self) -> GroupKind:
        return group_kind(self.group, self.kind)

    def __str__(self) -> str:
        """As users name it: `Deployment/web`; `Certificate.cert-manager.io/shop` where the group is another's."""
        group = "" if not self.group or "." not in self.group or self.group.endswith(".k8s.io") else f".{self.group}"
        return f"{self.kind}{group}/{self.name}"


class Key(NamedTuple):
    """A namespaced name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def parse(cls, text: str) -> "Key":
        """The opposite of `str`. A front end's name has its kind before it, which no namespace looks like."""
        namespace, _, name = text.partition("/")
        return cls(namespace, name) if name and not namespace[:1].isupper() else cls("", text)


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class Manifest(msgspec.Struct, frozen=True, weakref=True):
    """One object as it is to be sent: `body` is complete JSON, never changed in place.

    `content` is that, or at rest its text, which takes less than half as much. Encoded, both are the same.
    """

    id: ObjectId
    version: str
    content: Any = msgspec.field(name="body")

    @property
    def body(self) -> Json:
        """At rest, it is made anew for each who asks."""
        body: Json = _decode(self.content) if type(self.content) is msgspec.Raw else self.content
        return body

    def rest(self) -> None:
        """Nobody is expected to ask for the body soon."""
        if type(self.content) is not msgspec.Raw:
            msgspec.structs.force_setattr(self, "content", msgspec.Raw(_encode(self.content)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Manifest):
            return NotImplemented
        return self is other or (self.id, self.version, self.body) == (other.id, other.version, other.body)

    __hash__ = None  # type: ignore[assignment]

    @property
    def api_version(self) -> str:
        return f"{self.id.group}/{self.version}" if self.id.group else self.version

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.body.get("metadata", {}).get("annotations") or {}


def split_api_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` → ("apps", "v1"); `v1` → ("", "v1")."""
    group, _, version = api_version.rpartition("/")
    return group, version


def identify(body: Mapping[str, Any]) -> ObjectId:
    """The identity of a manifest or a live object. Missing parts are ""; `validate()` names them."""
    group, _ = split_api_version(str(body.get("apiVersion", "")))
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        metadata = NOTHING
    return ObjectId(
        group, str(body.get("kind", "")), str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
    )


def manifest(body: Json) -> Manifest:
    return Manifest(identify(body), split_api_version(str(body.get("apiVersion", "")))[1], body)
