"""Changing JSON without changing it: copies along the way to what changes, everything beside it shared."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from atoll.api.objects import Json, Manifest

Path = tuple[str, ...]


def found(body: Mapping[str, Any], path: Path) -> Any:
    """What is at `path`, through maps only; None when anything on the way is missing."""
    value: Any = body
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def changed(body: Json, path: Path, value: Any) -> Json:
    """`body` with `value` at `path`; maps that are missing on the way are made."""
    key, rest = path[0], path[1:]
    if not rest:
        return {**body, key: value}
    inner = body.get(key)
    return {**body, key: changed(inner if isinstance(inner, dict) else {}, rest, value)}


def without(body: Json, path: Path) -> Json:
    """`body` without what is at `path`: the very same `body` when there is nothing."""
    key, rest = path[0], path[1:]
    if key not in body:
        return body
    if not rest:
        return {k: v for k, v in body.items() if k != key}
    inner = body[key]
    if not isinstance(inner, dict):
        return body
    shorter = without(inner, rest)
    return body if shorter is inner else {**body, key: shorter}


def merged(base: Any, change: Any) -> Any:
    """A JSON merge patch (RFC 7396): maps merge, null removes, everything else replaces."""
    if not isinstance(change, dict):
        return change
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def same(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether both hold the very same things: nothing was changed."""
    return len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))


def with_body(manifest: Manifest, body: Json) -> Manifest:
    """The manifest with another body; the very same one when the body is the same."""
    return manifest if body is manifest.body else msgspec.structs.replace(manifest, content=body)
