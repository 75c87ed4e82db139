"""What is sent: objects as JSON, and the paths they go to. What is incomplete is refused here, not sent elsewhere."""

from collections.abc import Mapping
from typing import Any

import msgspec

from atoll.api.objects import Json
from atoll.kube.errors import BadRequest
from atoll.kube.objects import Resource

Body = Json | bytes
"""An object to send: a dict, or JSON that is already encoded."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _Named(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Target(msgspec.Struct):
    metadata: _Named = msgspec.field(default_factory=_Named)


def encode(body: Any) -> bytes:
    """JSON; bytes are taken as they are. Raises BadRequest for what JSON cannot say."""
    if isinstance(body, bytes):
        return body
    try:
        return _encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadRequest(400, "BadRequest", f"the object cannot be written as JSON: {error}") from error


def object_path(resource: Resource, name: str, namespace: str, subresource: str = "") -> str:
    """The path of one object. Without a name it would be the collection's, and a DELETE there deletes all of it."""
    if not name:
        raise BadRequest(400, "BadRequest", f"{resource.kind}: the object has no name")
    if resource.namespaced and not namespace:
        raise BadRequest(400, "BadRequest", f"{resource.kind} {name!r}: the object has no namespace")
    return resource.path(namespace, name, subresource)


def collection_path(resource: Resource, namespace: str) -> str:
    """Where an object is created."""
    if resource.namespaced and not namespace:
        raise BadRequest(400, "BadRequest", f"{resource.kind}: the object has no namespace")
    return resource.path(namespace)


def target(resource: Resource, body: Body) -> tuple[str, str]:
    """Name ("" with generateName) and namespace of an object to send."""
    try:
        if isinstance(body, bytes):
            found = msgspec.json.decode(body, type=_Target).metadata
        else:
            found = msgspec.convert(body.get("metadata") or {}, _Named)
    except msgspec.MsgspecError as error:
        raise BadRequest(400, "BadRequest", f"{resource.kind}: the object cannot be read: {error}") from error
    return found.name, found.namespace


def with_metadata(body: Body, extra: Mapping[str, str]) -> bytes:
    """The object as JSON, `extra` in its metadata; `body` itself stays as it is."""
    if not extra:
        return encode(body)
    try:
        document = _decode(body) if isinstance(body, bytes) else body
    except msgspec.DecodeError as error:
        raise BadRequest(400, "BadRequest", f"the object is not JSON: {error}") from error
    metadata = (document.get("metadata") or {}) if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        raise BadRequest(400, "BadRequest", "the object has no metadata")
    return encode({**document, "metadata": {**metadata, **extra}})
