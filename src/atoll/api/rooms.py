"""Room on nodes: what Pods want and what nodes have free, counted in whole units."""

from typing import NamedTuple

import msgspec

Amounts = tuple[tuple[str, int], ...]
"""By resource, sorted: `cpu` in thousandths of a core, `memory` and `ephemeral-storage` in bytes, others as counted."""


class NodeTaint(NamedTuple):
    """A node's taint that keeps Pods away."""

    key: str
    value: str
    effect: str


class Room(msgspec.Struct, frozen=True):
    """What one node has free, or each of `nodes` nodes that are alike. `pods`: how many more Pods it takes."""

    free: dict[str, int]
    pods: int
    nodes: int = 1
    labels: dict[str, str] = {}
    taints: tuple[NodeTaint, ...] = ()


Rooms = tuple[Room, ...]
