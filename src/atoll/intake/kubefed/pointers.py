"""KubeFed's overrides made plain: each as the one operation of RFC 6902 that does what KubeFed would have done.

KubeFed's `replace` of a missing key sets it; `-1` and other negative indices count from an array's end, and `-` is
behind it. What these mean depends on the object as the overrides before have left it, so they are made one by one.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, NamedTuple

from atoll.api.kubefed.federated import Override
from atoll.api.kubefed.names import FORBIDDEN_PATHS
from atoll.api.objects import Json

END = "-"


class OverrideError(Exception):
    """An override can't be made; the text says why."""


class Operation(NamedTuple):
    """One operation of RFC 6902, with its pointer in parts; `value` is None for remove."""

    op: str
    parts: tuple[str, ...]
    value: Any = None

    @property
    def path(self) -> str:
        return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in self.parts)


def plain(body: Json, overrides: Iterable[Override]) -> tuple[Json, tuple[Operation, ...]]:
    """`body` after all of `overrides`, and the operations that made it so. Raises OverrideError."""
    result, made = deepcopy(body), list[Operation]()
    seen: set[str] = set()
    for override in overrides:
        if override.path in seen:
            raise OverrideError(f"{override.path} is changed twice")
        seen.add(override.path)
        made.append(_make(result, override))
    return result, tuple(made)


def _make(body: Json, override: Override) -> Operation:
    """Change `body`, as `override` says."""
    op, path = override.op or "replace", override.path
    if op not in {"add", "remove", "replace"}:
        raise OverrideError(f"op {op} of {path} is none of add, remove and replace")
    if path in FORBIDDEN_PATHS:
        raise OverrideError(f"{path} may not be changed")
    if not path.startswith("/"):
        raise OverrideError(f"path {path!r} doesn't begin with /")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    parent: Any = body
    for depth, part in enumerate(parts[:-1]):
        parent, parts[depth] = _step(parent, part, path)
    last = parts[-1]
    done: str
    key: str | int
    if isinstance(parent, dict):
        done, key = _in_map(parent, last, op, path)
    elif isinstance(parent, list):
        done, key = _in_list(parent, last, op, path)
    else:
        raise OverrideError(f"{path}: there is nothing to change it in")
    _carry_out(parent, done, key, override.value)
    return Operation(done, (*parts[:-1], str(key)), None if done == "remove" else override.value)


def _step(parent: Any, part: str, path: str) -> tuple[Any, str]:
    """What is at `part`, and its plain name."""
    if isinstance(parent, dict) and part in parent:
        return parent[part], part
    if isinstance(parent, list):
        index = _index(part, len(parent), path)
        if index < len(parent):
            return parent[index], str(index)
    raise OverrideError(f"{path}: there is no {part} on the way")


def _in_map(parent: Json, key: str, op: str, path: str) -> tuple[str, str]:
    if key in parent:
        return op, key
    if op == "remove":
        raise OverrideError(f"{path} is not there to be removed")
    return "add", key


def _in_list(parent: list[Any], key: str, op: str, path: str) -> tuple[str, str | int]:
    if op == "add":
        index = len(parent) if key == END else _index(key, len(parent) + 1, path)
        if index > len(parent):
            raise OverrideError(f"{path} is beyond the end")
        return "add", END if index == len(parent) else index
    index = _index(key, len(parent), path)
    if index >= len(parent):
        raise OverrideError(f"{path} is beyond the end")
    return op, index


def _index(text: str, size: int, path: str) -> int:
    """Negative ones count from the end of `size` elements."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise OverrideError(f"{path}: {text} is no index")
    index = int(text)
    index = index + size if index < 0 else index
    if index < 0:
        raise OverrideError(f"{path} is before the beginning")
    return index


def _carry_out(parent: Any, op: str, key: str | int, value: Any) -> None:
    value = deepcopy(value)
    if op == "remove":
        del parent[key]
    elif key == END and isinstance(parent, list):
        parent.append(value)
    elif op == "add" and isinstance(parent, list):
        parent.insert(int(key), value)
    else:
        parent[key] = value
