"""From KubeFed's overrides to differences: images, variables, commands and replicas by name, the rest as patches."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from atoll.api.kubefed.federated import ClusterOverrides
from atoll.api.objects import Json, identify
from atoll.intake.kubefed.pointers import END, Operation, OverrideError, plain

_TEMPLATE = ("spec", "template", "spec")
_REPLICAS = ("spec", "replicas")
SCALABLE = frozenset({("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet")})
MOST_REPLICAS = 1_000_000
PATCHES = 64
"""As many as one difference may have."""
DIFFERENCES = 100
"""As many as an Application may have."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def differences(body: Json, overrides: Sequence[ClusterOverrides], *, by_name: bool = True) -> list[Json]:
    """`overrides` of `body` as an Application's differences: clusters with the same ones share theirs.

    Without `by_name` all are patches, which is less to read and never says anything else. Raises OverrideError, which
    names the cluster, when one can't be made, or there are too many.
    """
    groups: dict[bytes, tuple[list[str], Json]] = {}
    for one in overrides:
        if not one.cluster_overrides:
            continue
        try:
            _, operations = plain(body, one.cluster_overrides)
        except OverrideError as error:
            raise OverrideError(f"cluster {one.cluster_name}: {error}") from error
        said = difference(body, operations, by_name=by_name)
        clusters, _ = groups.setdefault(_encode(said), ([], said))
        clusters.append(one.cluster_name)
    found = [{"clusters": clusters, **part} for clusters, said in groups.values() for part in _within_bounds(said)]
    if len(found) > DIFFERENCES:
        raise OverrideError(f"it differs in {len(found)} ways; an Application has at most {DIFFERENCES} differences")
    return found


def difference(body: Json, operations: Sequence[Operation], *, by_name: bool = True) -> Json:
    """One difference that does what `operations` do to `body`, without its clusters."""
    named = [_named(body, operation) if by_name else None for operation in operations]
    _in_order(operations, named)
    while True:  # what has a name is made first, so it must have nothing to do with what is patched
        patched = [o for o, wish in zip(operations, named, strict=True) if wish is None]
        entangled = [
            i
            for i, (o, wish) in enumerate(zip(operations, named, strict=True))
            if wish is not None and any(_related(o, other) for other in patched)
        ]
        if not entangled:
            break
        for index in entangled:
            named[index] = None
    said: Json = {}
    for wish in named:
        if wish is not None:
            _add(said, *wish)
    target = _target(body)
    patches = [_patch(target, o) for o, wish in zip(operations, named, strict=True) if wish is None]
    return said | ({"patches": patches} if patches else {})


def _in_order(operations: Sequence[Operation], named: list["_Wish | None"]) -> None:
    """Variables that are new come in the order of their names: those that were added in another one stay patches."""
    added: dict[str, list[tuple[str, int]]] = {}
    for index, (operation, wish) in enumerate(zip(operations, named, strict=True)):
        if wish is not None and operation.parts[-1] == END:
            for container, variable in wish[1].items():
                added.setdefault(container, []).append((next(iter(variable)), index))
    for found in added.values():
        if [name for name, _ in found] != sorted(name for name, _ in found):
            for _, index in found:
                named[index] = None


def _within_bounds(said: Json) -> Iterable[Json]:
    patches = said.get("patches", [])
    if len(patches) <= PATCHES:
        return [said]
    rest = [patches[i : i + PATCHES] for i in range(PATCHES, len(patches), PATCHES)]
    return [said | {"patches": patches[:PATCHES]}, *({"patches": part} for part in rest)]


def _target(body: Json) -> Json:
    identity = identify(body)
    return {"kind": identity.kind, "name": identity.name}


def _patch(target: Json, operation: Operation) -> Json:
    patch = {"target": target, "op": operation.op, "path": operation.path}
    return patch if operation.value is None else patch | {"value": operation.value}  # left out, it is null


# What has a name: (field, entry) of a difference, in `body` as it was before any override.

_Wish = tuple[str, Any]


def _named(body: Json, operation: Operation) -> _Wish | None:
    identity = identify(body)
    if operation.parts == _REPLICAS and (identity.group, identity.kind) in SCALABLE:
        number = operation.value
        whole = isinstance(number, int) and not isinstance(number, bool)
        return ("replicas", {identity.name: number}) if whole and 0 <= number <= MOST_REPLICAS else None
    if operation.op == "remove" or operation.parts[:3] != _TEMPLATE or len(operation.parts) < 6:
        return None
    lists, index, field, *rest = operation.parts[3:]
    container = _container(body, lists, index)
    if container is None:
        return None
    workload = f"{identity.name}/{container['name']}"
    match field, rest:
        case "image", []:
            return _image(container, operation.value)
        case (("command" | "args"), []) if _strings(operation.value):
            return field, {workload: operation.value}
        case "env", [which, *deeper] if len(deeper) <= 1:
            variable = _variable(container, which, deeper, operation)
            return ("env", {workload: variable}) if variable else None
    return None


def _container(body: Json, lists: str, index: str) -> Json | None:
    """The container at that place, if its name means no other one."""
    spec = body
    for part in _TEMPLATE:
        spec = spec.get(part) if isinstance(spec, dict) else None  # type: ignore[assignment]
    if not isinstance(spec, dict) or lists not in {"containers", "initContainers"} or not index.isdigit():
        return None
    every = [c for name in ("containers", "initContainers") for c in spec.get(name) or () if isinstance(c, dict)]
    here = spec.get(lists)
    found = here[int(index)] if isinstance(here, list) and int(index) < len(here) else None
    name = found.get("name") if isinstance(found, dict) else None
    return found if name and [c.get("name") for c in every].count(name) == 1 else None


def _image(container: Json, value: Any) -> _Wish | None:
    before = container.get("image")
    if not isinstance(before, str) or not before or not isinstance(value, str) or not value:
        return None
    return "images", [{"from": before, "to": value, "container": container["name"]}]


def _strings(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _variable(container: Json, which: str, deeper: Sequence[str], operation: Operation) -> dict[str, str]:
    """The variable that is set to a text; none when it is anything else."""
    env = [entry for entry in container.get("env") or () if isinstance(entry, dict)]
    names = [entry.get("name") for entry in env]
    value = operation.value
    if which == END and operation.op == "add" and not deeper:
        new = _pair(value)
        return new if new and next(iter(new)) not in names else {}
    if not which.isdigit() or int(which) >= len(env):
        return {}
    entry = env[int(which)]
    if names.count(entry.get("name")) != 1:
        return {}
    if list(deeper) == ["value"] and isinstance(value, str) and "valueFrom" not in entry:
        return {str(entry["name"]): value}
    if not deeper and operation.op == "replace" and entry.get("name") in (new := _pair(value)):
        return new
    return {}


def _pair(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or set(value) != {"name", "value"}:
        return {}
    name, text = value["name"], value["value"]
    return {name: text} if isinstance(name, str) and name and isinstance(text, str) else {}


def _add(said: Json, field: str, entry: Any) -> None:
    if field == "images":
        said.setdefault("images", []).extend(entry)
        return
    for key, value in entry.items():
        known = said.setdefault(field, {})
        if isinstance(value, Mapping):
            known.setdefault(key, {}).update(value)
        else:
            known[key] = value


def _related(one: Operation, other: Operation) -> bool:
    """Whether it matters which of the two is made first: one is above the other, or moves it in a list."""
    mine, others = one.parts, other.parts
    if mine[: len(others)] == others or others[: len(mine)] == mine:
        return True
    moves = other.op != "replace" and (others[-1] == END or others[-1].isdigit())
    moved = one.op != "replace" and (mine[-1] == END or mine[-1].isdigit())
    return (moves and mine[: len(others) - 1] == others[:-1]) or (moved and others[: len(mine) - 1] == mine[:-1])
