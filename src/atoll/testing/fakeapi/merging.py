"""Merging an applied configuration into a live object, and taking fields out of it."""

from collections.abc import Collection
from typing import Any

from atoll.api.objects import Json
from atoll.testing.fakeapi.fieldsets import SETS, Path, is_atomic, item_path, keys_of, member_path


def merge(live: Any, applied: Any, field: str = "") -> Any:
    """`live` with everything that `applied` says; neither is changed."""
    if isinstance(live, dict) and isinstance(applied, dict) and not is_atomic(field):
        return live | {name: merge(live.get(name), value, name) for name, value in applied.items()}
    if isinstance(live, list) and isinstance(applied, list) and live:
        if field in SETS:
            return live + [value for value in applied if value not in live]
        if keys := keys_of(field, [*live, *applied]):
            return _merge_items(live, applied, keys)
    return applied


def _merge_items(live: list[Json], applied: list[Json], keys: tuple[str, ...]) -> list[Json]:
    """What is in both comes in the order of `applied`; what only `live` has keeps its place before what follows it."""
    ours = [(item_path(keys, item), item) for item in live]
    theirs = [(item_path(keys, item), item) for item in applied]
    wanted, there = {word for word, _ in theirs}, dict(ours)
    merged: dict[str, Json] = {}
    while ours or theirs:
        if ours and (ours[0][0] in merged or ours[0][0] not in wanted):
            word, item = ours.pop(0)
            merged.setdefault(word, item)
        else:
            word, item = theirs.pop(0)
            merged[word] = merge(there[word], item) if word in there else item
    return list(merged.values())


def remove(value: Any, paths: Collection[Path], field: str = "") -> Any:
    """`value` without `paths`; containers that become empty by it go, too. None when nothing is left."""
    if not paths:
        return value
    if () in paths:
        return None
    if isinstance(value, dict):
        return _remove_fields(value, paths)
    if isinstance(value, list):
        return _remove_items(value, paths, field)
    return value


def _remove_fields(value: Json, paths: Collection[Path]) -> Json | None:
    left: Json = {}
    for name, inner in value.items():
        below = _below(paths, f"f:{name}")
        kept = remove(inner, below, name) if below else inner
        if kept is not None or inner is None:
            left[name] = kept
    return left or None


def _remove_items(value: list[Any], paths: Collection[Path], field: str) -> list[Any] | None:
    keys = None if field in SETS else keys_of(field, value)
    left = []
    for item in value:
        word = item_path(keys, item) if keys else member_path(item)
        below = _below(paths, word)
        kept = remove(item, below) if below else item
        if kept is not None:
            left.append(kept)
    return left or None


def _below(paths: Collection[Path], word: str) -> list[Path]:
    return [path[1:] for path in paths if path and path[0] == word]
