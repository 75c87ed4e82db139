"""Late patches: changes of a live object's successor, by rules that are close to RFC 6902 and not the same.

`replace` of a key that is missing in an object acts as `add`. In arrays `-` is the end for `add`, and negative indices
count from the end. What must be there and isn't, a parent above all, is an error, and then nothing is done at all.
"""

import re
from collections.abc import Sequence
from typing import Any

from atoll.api.manner import LatePatch
from atoll.api.objects import Json, split_api_version
from atoll.deliver.retain import split

_INDEX = re.compile(r"[+-]?[0-9]+")


class LatePatchError(Exception):
    """A patch doesn't apply; which, and why."""

    def __init__(self, patch: LatePatch, why: str) -> None:
        where = f"{patch.field}: " if patch.field else ""
        super().__init__(f"{where}{patch.op} {patch.path or 'of the whole object'}: {why}")
        self.patch = patch


def patched(body: Json, patches: Sequence[LatePatch]) -> Json:
    """`body` with all of `patches`, one after the other. Shares what they leave alone. Raises LatePatchError."""
    result: Any = body
    for patch in patches:
        try:
            result = _patched(result, patch)
        except _NoWayError as error:
            raise LatePatchError(patch, str(error)) from None
    if not isinstance(result, dict):
        raise LatePatchError(patches[-1], "what is left is no object")
    return result


def version_after(api_version: str, patches: Sequence[LatePatch]) -> str:
    """The apiVersion in which an object is written that gets `patches`: they may change it within its group."""
    group, _ = split_api_version(api_version)
    named = [p.value for p in patches if p.path == "/apiVersion" and p.op != "remove" and isinstance(p.value, str)]
    return next((value for value in reversed(named) if split_api_version(value)[0] == group), api_version)


class _NoWayError(Exception):
    """Why a patch doesn't apply."""


def _patched(body: Any, patch: LatePatch) -> Any:
    if not patch.path:
        if patch.op != "replace" or not isinstance(patch.value, dict):
            raise _NoWayError("the whole object can only be replaced, and by an object")
        return patch.value
    if not patch.path.startswith("/"):
        raise _NoWayError("a path begins with /")
    return _within(body, split(patch.path), patch)


def _within(node: Any, parts: tuple[str, ...], patch: LatePatch) -> Any:
    """`node` with the patch made at `parts` below it."""
    head, rest = parts[0], parts[1:]
    if isinstance(node, dict):
        if not rest:
            return _in_object(node, head, patch)
        if head not in node:
            raise _NoWayError(f"there is no {head!r} to change something in")
        return {**node, head: _within(node[head], rest, patch)}
    if isinstance(node, list):
        if not rest:
            return _in_array(node, head, patch)
        index = _index(head, len(node))
        return [*node[:index], _within(node[index], rest, patch), *node[index + 1 :]]
    raise _NoWayError(f"{head!r} would be in something that is neither object nor array")


def _in_object(node: Json, key: str, patch: LatePatch) -> Json:
    if patch.op != "remove":
        return {**node, key: patch.value}
    if key not in node:
        raise _NoWayError("there is nothing to remove")
    return {name: value for name, value in node.items() if name != key}


def _in_array(node: list[Any], key: str, patch: LatePatch) -> list[Any]:
    if patch.op == "add":
        index = len(node) if key == "-" else _index(key, len(node) + 1)
        return [*node[:index], patch.value, *node[index:]]
    index = _index(key, len(node))
    kept = [] if patch.op == "remove" else [patch.value]
    return [*node[:index], *kept, *node[index + 1 :]]


def _index(text: str, length: int) -> int:
    """The place that `text` means in an array of so many places."""
    if not _INDEX.fullmatch(text):
        raise _NoWayError(f"{text!r} is no index")
    index = int(text)
    if not -length <= index < length:
        raise _NoWayError(f"there is no index {text}")
    return index + length if index < 0 else index
