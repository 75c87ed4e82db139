"""How many more Pods of a kind fit on a cluster's nodes: by requests, free Pod places, taints and the node selector.

Node affinity, topology spread, volumes and ports of Pods are not looked at: what they keep away stays unschedulable,
and `rebalance` gives it to others.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from atoll.api.objects import Manifest
from atoll.api.podspec import pod_spec
from atoll.api.rooms import Amounts, NodeTaint, Room, Rooms
from atoll.kube.podrequests import pod_requests

MOST_KINDS, MOST_ROOMS = 64, 5_000
MOST_PODS = 1_000_000


class Tolerated(NamedTuple):
    """One toleration of a Pod."""

    key: str
    exists: bool
    value: str
    effect: str


class PodShape(NamedTuple):
    """What a node must have for a Pod: requests, labels, and taints that it may have."""

    requests: Amounts
    selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Tolerated, ...] = ()


def shape_of(manifest: Manifest) -> PodShape | None:
    """The shape of the workload's Pods; None when it has none, or it is of a form that no API server takes."""
    found = pod_spec(manifest.body)
    try:
        return _shape(found.body) if found is not None else None
    except (ValueError, AttributeError, TypeError):
        return None


def _shape(spec: Mapping[str, Any]) -> PodShape:
    requests = pod_requests(spec)
    tolerations = [
        Tolerated(
            str(t.get("key") or ""),
            t.get("operator") == "Exists",
            str(t.get("value") or ""),
            str(t.get("effect") or ""),
        )
        for t in spec.get("tolerations") or ()
    ]
    selector = spec.get("nodeSelector") or {}
    return PodShape(
        tuple(sorted((name, value) for name, value in requests.items() if value)),
        tuple(sorted((str(key), str(value)) for key, value in selector.items())),
        tuple(sorted(tolerations)),
    )


def fits(rooms: Rooms, shapes: tuple[PodShape, ...]) -> int:
    """How many times one Pod of each of `shapes` fits at once.

    One shape is counted node by node. Several are packed, largest first, each on the node with the least room that
    suffices: a good guess at what a scheduler reaches, never more than fits.
    """
    if not shapes:
        return MOST_PODS
    return counting(shapes)(rooms)


@lru_cache(maxsize=MOST_KINDS)
def counting(shapes: tuple[PodShape, ...]) -> Callable[[Rooms], int]:
    """`fits` of these shapes, with a memory: no state of planning, it only repeats what counting again would say."""
    remembered: OrderedDict[int, tuple[Rooms, int]] = OrderedDict()  # the rooms are kept, so that no id is reused

    def count(rooms: Rooms) -> int:
        known = remembered.get(id(rooms))
        if known is None or known[0] is not rooms:
            number = _count(rooms, shapes[0]) if len(shapes) == 1 else _together(rooms, shapes)
            remembered[id(rooms)] = known = (rooms, number)
            if len(remembered) > MOST_ROOMS:
                remembered.popitem(last=False)
        return known[1]

    return count


def _count(rooms: Rooms, shape: PodShape) -> int:
    return sum(room.nodes * _on(room, shape) for room in rooms)


def _on(room: Room, shape: PodShape) -> int:
    if not suits(room, shape):
        return 0
    number = room.pods
    for resource, wanted in shape.requests:
        number = min(number, room.free.get(resource, 0) // wanted)
    return max(0, number)


def suits(room: Room, shape: PodShape) -> bool:
    """Whether the node's labels and taints let the Pod on it."""
    if any(room.labels.get(key) != value for key, value in shape.selector):
        return False
    return all(any(_tolerates(t, taint) for t in shape.tolerations) for taint in room.taints)


def _tolerates(toleration: Tolerated, taint: NodeTaint) -> bool:
    if toleration.effect not in ("", taint.effect) or toleration.key not in ("", taint.key):
        return False
    return toleration.exists or toleration.value == taint.value


def _together(rooms: Rooms, shapes: Sequence[PodShape]) -> int:
    """The largest number of sets that can be packed, found by halving."""
    low, high = 0, min(_count(rooms, shape) for shape in shapes)
    while low < high:
        middle = (low + high + 1) // 2
        if _packs(rooms, shapes, middle):
            low = middle
        else:
            high = middle - 1
    return low


def _packs(rooms: Rooms, shapes: Sequence[PodShape], sets: int) -> bool:
    nodes = [_Node(dict(room.free), room.pods, room) for room in rooms for _ in range(room.nodes)]
    for shape in sorted(shapes, key=lambda s: sorted(s.requests), reverse=True):
        left = sets
        fitting = sorted((n for n in nodes if suits(n.room, shape)), key=lambda n: n.takes(shape))
        for node in fitting:
            taken = min(left, node.takes(shape))
            node.put(shape, taken)
            left -= taken
        if left:
            return False
    return True


class _Node:
    """What is free on one node while Pods are put on it."""

    def __init__(self, free: dict[str, int], pods: int, room: Room) -> None:
        self.free, self.pods, self.room = free, pods, room

    def takes(self, shape: PodShape) -> int:
        number = self.pods
        for resource, wanted in shape.requests:
            number = min(number, self.free.get(resource, 0) // wanted)
        return max(0, number)

    def put(self, shape: PodShape, number: int) -> None:
        self.pods -= number
        for resource, wanted in shape.requests:
            self.free[resource] = self.free.get(resource, 0) - number * wanted
