"""What a cluster has: nodes, where they stand, what they offer, and what is left of it beside the Pods on them.

One watch of Nodes and one of Pods a member; of each Pod only its node, phase and requests are kept.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from atoll.api.cluster import Resources
from atoll.api.rooms import Rooms
from atoll.fleet.member import Member
from atoll.fleet.nodes import NodeFacts, node_facts, rooms
from atoll.fleet.pods import PodSum, PodUse, Workload, pod_use
from atoll.kube.errors import Forbidden
from atoll.kube.resources import NODES, PODS
from atoll.runtime.informer import Informer

QUIET = 1.0
"""Seconds that changes are collected before a new count is told."""


class Capacity(msgspec.Struct, frozen=True):
    """The sums over a cluster. Regions and zones are sorted by how many nodes they have, then by name."""

    nodes: int = 0
    ready_nodes: int = 0
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    allocatable: Resources = Resources()
    requested: Resources | None = Resources()
    """None where Pods may not be read."""
    rooms: Rooms | None = None
    """What nodes have left; None where Pods may not be read."""
    waiting: dict[Workload, tuple[float, ...]] = {}
    """By workload, since when each of its Pods that no node takes waits, epoch seconds."""

    def region(self, before: str) -> str:
        """Where it is; as before while a node says so, or there is none: Applications are there because of it, and
        nodes come and go.
        """
        if not self.nodes or before in self.regions:
            return before
        return self.regions[0] if self.regions else ""

    def zone(self, before: str) -> str:
        """The one that all nodes are in; as before while there are no nodes."""
        if not self.nodes:
            return before
        return self.zones[0] if len(self.zones) == 1 else ""


class CapacityCount:
    """An Aware that counts; `tell(cluster, capacity)` is called when the count changed.

    Where Nodes may not be read nothing is told. Pods are asked for where the hub may read all namespaces only: a sum
    over some would be taken for the whole.
    """

    def __init__(self, tell: Callable[[str, Capacity], None]) -> None:
        self._tell = tell

    async def engage(self, cluster: Member) -> None:
        dirty = asyncio.Event()
        nodes: Informer[NodeFacts] = Informer(cluster.client, NODES, transform=node_facts)
        pods: Informer[PodUse] = Informer(cluster.client, PODS, transform=pod_use, on_attempt=dirty.set)
        taken = PodSum()
        pods.subscribe(taken.change)
        nodes.subscribe(lambda _: dirty.set())
        pods.subscribe(lambda _: dirty.set())
        async with asyncio.TaskGroup() as scope:
            scope.create_task(nodes.run())
            await nodes.wait_synced()
            if not cluster.watches.namespaces:
                scope.create_task(pods.run())
                await listed_or_refused(pods)
            told: Capacity | None = None
            while True:
                dirty.clear()
                capacity = count(nodes.values(), taken if pods.synced else None)
                if capacity != told:
                    self._tell(cluster.name, capacity)
                    told = capacity
                await dirty.wait()
                await asyncio.sleep(QUIET)


async def listed_or_refused(informer: Informer[PodUse]) -> None:
    """Return when all is known, or may not be."""
    while not (informer.synced or isinstance(informer.last_error, Forbidden)):
        await informer.wait_attempt()


def count(nodes: Iterable[NodeFacts], taken: PodSum | None) -> Capacity:
    """Sum up `nodes`; only ready ones offer anything. `taken` is None where Pods may not be read."""
    nodes = list(nodes)
    ready = [n for n in nodes if n.ready]
    return Capacity(
        nodes=len(nodes),
        ready_nodes=len(ready),
        regions=by_frequency(n.region for n in nodes),
        zones=by_frequency(n.zone for n in nodes),
        allocatable=summed(n.allocatable for n in ready),
        requested=taken.total if taken is not None else None,
        rooms=rooms(nodes, taken) if taken is not None else None,
        waiting=taken.waiting if taken is not None else {},
    )


def summed(parts: Iterable[Resources]) -> Resources:
    parts = list(parts)
    return Resources(round(sum(p.cpu for p in parts), 6), sum(p.memory for p in parts), sum(p.pods for p in parts))


def by_frequency(values: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(v for v in values if v)
    return tuple(sorted(counts, key=lambda v: (-counts[v], v)))
