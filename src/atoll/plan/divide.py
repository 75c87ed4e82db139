"""How many replicas each cluster gets: the same on each, or its part of a total, by the division that was chosen."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.api.objects import Manifest
from atoll.api.replicas import ReplicaLimits, Replicas, Share
from atoll.plan import kubefed
from atoll.plan.apportion import apportion_within
from atoll.plan.byroom import by_room, packed
from atoll.plan.fit import shape_of
from atoll.plan.ground import Ground
from atoll.plan.model import Numbers, RefusedError
from atoll.plan.scalable import completions, own_replicas

EVERY_OTHER = "*"
COMMON = "spec.replicas"
BY_ROOM = frozenset({"capacity", "packed"})
"""Divisions that leave a cluster out when no replica comes to it."""


class Part(NamedTuple):
    """What one cluster gets of the replicas, and why so many. `most`: more were found not to fit."""

    numbers: Numbers
    why: str
    most: int | None = None


class Division(NamedTuple):
    """The part of each cluster; clusters that no replica comes to; what could not be placed, in words."""

    parts: dict[str, Part]
    spared: frozenset[str] = frozenset()
    short: str = ""


class Column(NamedTuple):
    """One share, divided: a number (None: the manifest's own) and words for each cluster."""

    numbers: dict[str, int | None]
    words: dict[str, str]
    short: str = ""
    most: dict[str, int] = {}


class Workloads(NamedTuple):
    """What one share rules: its path in the Application, and the manifests, which are divided together."""

    path: str
    share: Share
    manifests: tuple[Manifest, ...]

    @property
    def names(self) -> list[str]:
        return [m.id.name for m in self.manifests]


def divide(
    replicas: Replicas | None, manifests: Sequence[Manifest], clusters: Sequence[str], ground: Ground
) -> Division:
    """The part of each of `clusters`: a number for each manifest, None where its own number holds.

    Raises `RefusedError` when there is a total and nobody to carry it.
    """
    if replicas is None:
        return Division(dict.fromkeys(clusters, Part((None,) * len(manifests), "")))
    paths = [_path_of(m, replicas) for m in manifests]
    ruled = [_workloads(path, replicas, manifests, paths) for path in sorted({path for path in paths if path})]
    columns = {one.path: _divide(one, clusters, ground) for one in ruled}
    made: dict[tuple[object, ...], Part] = {}  # few are different: they are made once

    def part(name: str) -> Part:
        numbers = tuple([columns[path].numbers[name] if path else None for path in paths])
        words = tuple([column.words[name] for column in columns.values()])
        most = min((column.most[name] for column in columns.values() if name in column.most), default=None)
        row = (numbers, words, most)
        if row not in made:
            made[row] = Part(numbers, _in_words(columns, name), most)
        return made[row]

    if len(columns) == 1:
        numbers, words, _, most = next(iter(columns.values()))
        parts: dict[str, Part] = {}
        alike: dict[tuple[object, ...], Part] = {}
        for name in clusters:
            row = (numbers[name], words[name], most.get(name))
            found = alike.get(row)
            if found is None:
                found = alike[row] = part(name)
            parts[name] = found
    else:
        parts = {name: part(name) for name in clusters}
    short = "; ".join(column.short for column in columns.values() if column.short)
    return Division(parts, _spared(ruled, manifests, paths, columns, clusters, ground), short)


def weights_of(share: Share, clusters: Sequence[str]) -> dict[str, int]:
    """The weight of each cluster: its own, else that of "*", else 0; all equal when none is given at all."""
    if not share.weights:
        return dict.fromkeys(clusters, 1)
    every_other = share.weights.get(EVERY_OTHER, 0)
    return {name: share.weights.get(name, every_other) for name in clusters}


def share_of(manifest: Manifest, replicas: Replicas) -> Share | None:
    """The share that rules the object; None when none does."""
    path = _path_of(manifest, replicas)
    if not path:
        return None
    return replicas.workloads[manifest.id.name] if path != COMMON else replicas


def _path_of(manifest: Manifest, replicas: Replicas) -> str:
    """The path of the share that rules the object; "" when none does. A Job is ruled by a share of its own only."""
    name = manifest.id.name
    if name in replicas.workloads and (own_replicas(manifest) is not None or completions(manifest) is not None):
        return f"spec.replicas.workloads[{name}]"
    return COMMON if own_replicas(manifest) is not None else ""


def _workloads(path: str, replicas: Replicas, manifests: Sequence[Manifest], paths: Sequence[str]) -> Workloads:
    mine = tuple(m for m, ruled_by in zip(manifests, paths, strict=True) if ruled_by == path)
    own = replicas.workloads.get(mine[0].id.name) if path != COMMON else None
    return Workloads(path, replicas if own is None else own, mine)


def _divide(one: Workloads, clusters: Sequence[str], ground: Ground) -> Column:
    share = one.share
    if share.each is not None:
        return _same(clusters, share.each, f"{share.each} on each")
    if share.total is None:
        return _same(clusters, None, "")
    match share.divide:
        case "weighted":
            return _weighted(one, share.total, clusters, ground)
        case "kubefed":
            return _as_kubefed(one, share.total, clusters, ground)
        case "capacity" | "packed":
            return _by_room(one, share.total, clusters, ground)


def _same(clusters: Sequence[str], number: int | None, words: str) -> Column:
    return Column(dict.fromkeys(clusters, number), dict.fromkeys(clusters, words))


def _weighted(one: Workloads, total: int, clusters: Sequence[str], ground: Ground) -> Column:
    share, at = one.share, one.path
    weights = weights_of(share, clusters)
    whole = sum(weights.values())
    if whole == 0:
        if total == 0:
            return _same(clusters, 0, "0 in all")
        raise RefusedError(f"{at}.weights", f"the chosen clusters' weights sum to 0: none carries the {total} replicas")
    before = ground.previous(one.names, clusters)
    least, most = _bounds(share, clusters)
    found = _found_most(share, clusters, before, ground)
    for name, bound in found.items():
        most[name] = min(most.get(name, bound), bound)
        if name in least:
            least[name] = min(least[name], most[name])
    numbers = apportion_within(total, weights, least, most, before)
    words = {name: f"weight {weights[name]} of {whole}" for name in clusters}
    for name, number in numbers.items():
        if name in found and number == found[name]:
            words[name] += ", as far as Pods could be scheduled"
        elif name in most and number == most[name] and number * whole < total * weights[name]:
            words[name] += f", at most {number}"
        elif name in least and number == least[name] and number * whole > total * weights[name]:
            words[name] += f", at least {number}"
    return _column(at, total, numbers, words, "each at its most", found)


def _by_room(one: Workloads, total: int, clusters: Sequence[str], ground: Ground) -> Column:
    share = one.share
    before = ground.previous(one.names, clusters)
    least, most = _bounds(share, clusters)
    found = _found_most(share, clusters, before, ground)
    shapes = [shape for m in one.manifests if (shape := shape_of(m)) is not None]
    has = {name: number or 0 for name, number in before.items()}
    if share.rebalance:
        has = {name: max(0, number - ground.stuck(name)) for name, number in has.items()}
    room = ground.rooms(clusters, shapes)
    room |= {name: room[name] + number for name, number in has.items()}
    for name, bound in (*most.items(), *found.items()):
        room[name] = min(room[name], bound)
    least = {name: min(bound, room[name]) for name, bound in least.items()}
    if share.divide == "packed":
        numbers, words = packed(total, has, least, room, list(clusters)), "packed"
    else:
        numbers, words = by_room(total, has, least, room), "by free capacity"
    return _column(one.path, total, numbers, dict.fromkeys(clusters, words), "there is no room for more", found)


def _as_kubefed(one: Workloads, total: int, clusters: Sequence[str], ground: Ground) -> Column:
    share = one.share
    weights = weights_of(share, clusters)
    limits = {name: _limits(share, name) for name in clusters}
    wanted = {n: kubefed.Preference(weights[n], limits[n].min, limits[n].max) for n in clusters}
    before = ground.previous(one.names, clusters)
    known = {name: ready for name in clusters if (ready := ground.ready(name)) is not None}
    current = {n: known.get(n, number) for n, number in before.items() if number is not None}
    stuck = {n: max(0, (before.get(n) or 0) - ground.stuck(n)) for n in clusters if ground.stuck(n)}
    about = one.manifests[0].id  # KubeFed's order of equal weights is each object's own
    key = f"{about.namespace}/{about.name}"
    numbers = kubefed.kubefed(total, wanted, key=key, current=current, capacity=stuck, rebalance=share.rebalance)
    whole = sum(weights.values())
    words = {name: f"weight {weights[name]} of {whole}, as KubeFed divides" for name in clusters}
    return _column(one.path, total, numbers, words, "each at its most", {})


def _column(
    path: str, total: int, numbers: Mapping[str, int], words: dict[str, str], why: str, most: dict[str, int]
) -> Column:
    placed = sum(numbers.values())
    workload = path.partition("[")[2].rstrip("]")
    short = f"{placed} of {total} replicas are placed: {why}" if placed < total else ""
    return Column(dict(numbers), words, f"{workload}: {short}" if short and workload else short, most)


def _bounds(share: Share, clusters: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    if not share.limits:
        return {}, {}
    limits = {name: _limits(share, name) for name in clusters}
    least = {name: bounds.min for name, bounds in limits.items() if bounds.min}
    return least, {name: bounds.max for name, bounds in limits.items() if bounds.max is not None}


_UNLIMITED = ReplicaLimits()


def _limits(share: Share, name: str) -> ReplicaLimits:
    return share.limits.get(name, share.limits.get(EVERY_OTHER, _UNLIMITED))


def _found_most(
    share: Share, clusters: Iterable[str], before: Mapping[str, int | None], ground: Ground
) -> dict[str, int]:
    """Where replicas were found not to fit, and stay out for a while: what fits."""
    if not share.rebalance:
        return {}
    found: dict[str, int] = {}
    for name in clusters:
        stuck, known = ground.stuck(name), ground.found_most(name)
        bounds = [known] if known is not None else []
        if stuck:
            bounds.append(max(0, (before.get(name) or 0) - stuck))
        if bounds:
            found[name] = min(bounds)
    return found


def _spared(
    ruled: Sequence[Workloads],
    manifests: Sequence[Manifest],
    paths: Sequence[str],
    columns: Mapping[str, Column],
    clusters: Sequence[str],
    ground: Ground,
) -> frozenset[str]:
    """Clusters that get nothing by any share, where all are divided by room; but never all of them."""
    if not ruled or any(one.share.total is None or one.share.divide not in BY_ROOM for one in ruled):
        return frozenset()
    if any(not path and own_replicas(m) is not None for m, path in zip(manifests, paths, strict=True)):
        return frozenset()
    empty = list(clusters)
    for column in columns.values():
        empty = [name for name in empty if not column.numbers[name]]
    if any(one.share.total for one in ruled) or len(empty) < len(clusters):
        return frozenset(empty)
    there = {name for name in empty if ground.holds(name)} or set(empty[:1])  # none are wanted: they are somewhere
    return frozenset(empty) - there


def _in_words(columns: Mapping[str, Column], name: str) -> str:
    """The common share first; a workload's own with its name."""
    said = []
    for path, column in columns.items():
        _, _, workload = path.partition("[")
        if why := column.words[name]:
            said.append(f"{workload.rstrip(']')}: {why}" if workload else why)
    return "; ".join(said)
