"""A total divided as KubeFed's ReplicaSchedulingPreference divides it, for those who come from there.

Clusters are served by weight, equal ones in the order of a hash (FNV-1, 32 bits) of the cluster's name and the object's
key. First each gets its least; then, unless all is to be rebalanced, what it runs already; then rounds in which each
gets its part of what is left by weight, rounded up. What a cluster has no capacity for overflows: it is wanted there
all the same, on top of what the others carry; without `rebalance` only as far as nobody else could take it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Preference(NamedTuple):
    """What is wanted of one cluster."""

    weight: int = 0
    least: int = 0
    most: int | None = None


class _Line(NamedTuple):
    name: str
    weight: int
    least: int
    most: int | None
    capacity: int | None

    def capped(self, number: int) -> int:
        return min(number, *(bound for bound in (self.most, self.capacity, number) if bound is not None))


def fnv32(text: str) -> int:
    """FNV-1, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv/), of the UTF-8 bytes."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = value * 0x01000193 & 0xFFFFFFFF ^ byte
    return value


def kubefed(
    total: int,
    wanted: Mapping[str, Preference],
    *,
    key: str,
    current: Mapping[str, int],
    capacity: Mapping[str, int],
    rebalance: bool,
) -> dict[str, int]:
    """The share of each cluster of `wanted`, overflow included. Their sum may be less than `total`, where all are full,
    or more, where replicas that found no place are still waited for.

    key: `namespace/name` of the object. current: replicas that run. capacity: at most so many found a place.
    """
    lines = [_Line(n, p.weight, p.least, p.most, capacity.get(n)) for n, p in wanted.items()]
    lines.sort(key=lambda line: (-line.weight, fnv32(line.name + key)))
    shares: dict[str, int] = {}
    left = total
    for line in lines:
        bound = line.least if line.capacity is None else min(line.least, line.capacity)
        shares[line.name] = min(bound, left)
        left -= shares[line.name]
    kept = dict.fromkeys(shares, 0)
    for line in lines if not rebalance else ():
        running = line.capped(current.get(line.name, 0))
        kept[line.name] = max(0, min(running - shares[line.name], left))
        shares[line.name] += kept[line.name]
        left -= kept[line.name]
    left, overflow = _rounds(lines, shares, kept, left)
    for name, number in overflow.items():
        shares[name] += number if rebalance else min(number, left)
    return {name: shares[name] for name in wanted}


def _rounds(
    lines: Sequence[_Line], shares: dict[str, int], kept: dict[str, int], left: int
) -> tuple[int, dict[str, int]]:
    """Hand out `left` into `shares`, round by round. What a cluster keeps counts for its part of a round.

    Returns what nobody took, and by cluster what it would have got beyond its capacity.
    """
    overflow: dict[str, int] = {}
    moved = True
    while moved and left > 0 and (whole := sum(line.weight for line in lines)) > 0:
        moved, this_round, next_lines = False, left, list[_Line]()
        for line in lines:
            part = min(-(-this_round * line.weight // whole), left)
            counted = min(part, kept[line.name])
            kept[line.name] -= counted
            wanted = shares[line.name] + part - counted
            limited = wanted if line.most is None else min(wanted, line.most)
            if line.capacity is not None and limited > line.capacity:
                overflow[line.name] = limited - line.capacity
            given = line.capped(wanted)
            if given == wanted:
                next_lines.append(line)
            moved = moved or counted > 0 or given > shares[line.name]
            left -= given - shares[line.name]
            shares[line.name] = given
        lines = next_lines
    return left, overflow
