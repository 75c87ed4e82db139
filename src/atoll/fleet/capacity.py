"""What a cluster has: nodes, where they stand, what they offer and what is requested of them.

One watch of Nodes and one of Pods a member; of each Pod only its node, phase and requests are kept.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from atoll.api.capacity import Capacity
from atoll.api.cluster import Resources
from atoll.fleet.member import Member
from atoll.kube.errors import Forbidden
from atoll.kube.objects import Object
from atoll.kube.quantity import parse_quantity
from atoll.kube.resources import NODES, PODS
from atoll.runtime.informer import Change, Informer

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
QUIET = 1.0
"""Seconds that changes are collected before a new count is told."""
FINISHED = frozenset({"Succeeded", "Failed"})


class NodeFacts(msgspec.Struct, frozen=True):
    """What is kept of a Node."""

    ready: bool
    region: str
    zone: str
    allocatable: Resources


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
        pods: Informer[Resources] = Informer(cluster.client, PODS, transform=pod_requests, on_attempt=dirty.set)
        requested = RunningSum()
        pods.subscribe(requested.change)
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
                capacity = count(nodes.values(), requested.total if pods.synced else None)
                if capacity != told:
                    self._tell(cluster.name, capacity)
                    told = capacity
                await dirty.wait()
                await asyncio.sleep(QUIET)


async def listed_or_refused(informer: Informer[Resources]) -> None:
    """Return when all is known, or may not be."""
    while not (informer.synced or isinstance(informer.last_error, Forbidden)):
        await informer.wait_attempt()


class RunningSum:
    """The sum of all Pods' requests, kept change by change."""

    def __init__(self) -> None:
        self._cpu = 0.0
        self._memory = 0
        self._pods = 0

    def change(self, change: Change[Resources]) -> None:
        self._add(change.old, -1)
        self._add(change.new, 1)

    def _add(self, resources: Resources | None, sign: int) -> None:
        if resources is not None:
            self._cpu += sign * resources.cpu
            self._memory += sign * resources.memory
            self._pods += sign * resources.pods

    @property
    def total(self) -> Resources:
        return Resources(round(self._cpu, 6) + 0.0, self._memory, self._pods)


def count(nodes: Iterable[NodeFacts], requested: Resources | None) -> Capacity:
    """Sum up `nodes`; only ready ones offer anything."""
    nodes = list(nodes)
    ready = [n for n in nodes if n.ready]
    return Capacity(
        nodes=len(nodes),
        ready_nodes=len(ready),
        regions=by_frequency(n.region for n in nodes),
        zones=by_frequency(n.zone for n in nodes),
        allocatable=Resources(
            round(sum(n.allocatable.cpu for n in ready), 6),
            sum(n.allocatable.memory for n in ready),
            sum(n.allocatable.pods for n in ready),
        ),
        requested=requested,
    )


def by_frequency(values: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(v for v in values if v)
    return tuple(sorted(counts, key=lambda v: (-counts[v], v)))


def node_facts(node: Object) -> NodeFacts:
    status = node.body().get("status") or {}
    conditions = status.get("conditions") or []
    offers = status.get("allocatable") or {}
    return NodeFacts(
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions),
        region=node.labels.get(REGION, ""),
        zone=node.labels.get(ZONE, ""),
        allocatable=Resources(_cpu(offers), _memory(offers), int(parse_quantity(offers.get("pods", "0")))),
    )


def pod_requests(pod: Object) -> Resources:
    """What a Pod takes of its node: nothing before it is bound and after it has finished.

    As the scheduler counts: the larger of all containers together and the largest init container, plus overhead;
    init containers that restart (sidecars) count with the containers.
    """
    body = pod.body()
    spec: dict[str, Any] = body.get("spec") or {}
    if not spec.get("nodeName") or (body.get("status") or {}).get("phase") in FINISHED:
        return Resources()
    inits = spec.get("initContainers") or []
    sidecars = [c for c in inits if c.get("restartPolicy") == "Always"]
    running = [_requests(c) for c in [*(spec.get("containers") or []), *sidecars]]
    starting = [_requests(c) for c in inits if c.get("restartPolicy") != "Always"]
    overhead = spec.get("overhead") or {}
    cpu = max(sum(_cpu(r) for r in running), max((_cpu(r) for r in starting), default=0.0)) + _cpu(overhead)
    memory = max(sum(_memory(r) for r in running), max((_memory(r) for r in starting), default=0)) + _memory(overhead)
    return Resources(cpu, memory, 1)


def _requests(container: dict[str, Any]) -> dict[str, Any]:
    return (container.get("resources") or {}).get("requests") or {}


def _cpu(amounts: dict[str, Any]) -> float:
    return float(parse_quantity(amounts.get("cpu", "0")))


def _memory(amounts: dict[str, Any]) -> int:
    return int(parse_quantity(amounts.get("memory", "0")))
