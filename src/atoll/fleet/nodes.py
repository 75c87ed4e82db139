"""What nodes offer, and what is left of it: alike nodes are counted together."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from atoll.api.cluster import Resources
from atoll.api.rooms import Amounts, NodeTaint, Room, Rooms
from atoll.fleet.pods import PodSum
from atoll.kube.objects import Object
from atoll.kube.podrequests import CPU, amounts

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
PODS = "pods"
KEEPS_AWAY = frozenset({"NoSchedule", "NoExecute"})


class NodeFacts(msgspec.Struct, frozen=True):
    """What is kept of a Node. `open`: it is Ready and takes Pods, as far as their tolerations let them."""

    name: str
    ready: bool
    open: bool
    region: str
    zone: str
    offers: Amounts
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[NodeTaint, ...] = ()

    @property
    def allocatable(self) -> Resources:
        offers = dict(self.offers)
        return Resources(offers.get(CPU, 0) / 1000, offers.get("memory", 0), offers.get(PODS, 0))


def node_facts(node: Object) -> NodeFacts:
    body = node.body()
    status, spec = body.get("status") or {}, body.get("spec") or {}
    conditions = status.get("conditions") or ()
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return NodeFacts(
        name=node.name,
        ready=ready,
        open=ready and not spec.get("unschedulable"),
        region=node.labels.get(REGION, ""),
        zone=node.labels.get(ZONE, ""),
        offers=tuple(sorted(amounts(status.get("allocatable") or {}).items())),
        labels=tuple(sorted((key, value) for key, value in node.labels.items() if key != HOSTNAME)),
        taints=tuple(
            NodeTaint(str(t.get("key")), str(t.get("value") or ""), str(t.get("effect")))
            for t in spec.get("taints") or ()
            if t.get("effect") in KEEPS_AWAY
        ),
    )


class _Kind(NamedTuple):
    """What makes nodes alike."""

    free: Amounts
    pods: int
    labels: tuple[tuple[str, str], ...]
    taints: tuple[NodeTaint, ...]


def rooms(nodes: Iterable[NodeFacts], pods: PodSum) -> Rooms:
    """What open nodes have left. Nodes without a free place for a Pod have none."""
    kinds: dict[_Kind, int] = {}
    for node in nodes:
        if not node.open:
            continue
        places = dict(node.offers).get(PODS, 0) - pods.counts.get(node.name, 0)
        if places > 0:
            kind = _Kind(_left(node.offers, pods.by_node.get(node.name, {})), places, node.labels, node.taints)
            kinds[kind] = kinds.get(kind, 0) + 1
    return tuple(
        Room(dict(kind.free), kind.pods, number, dict(kind.labels), kind.taints)
        for kind, number in sorted(kinds.items())
    )


def _left(offers: Amounts, taken: Mapping[str, int]) -> Amounts:
    return tuple((name, max(0, value - taken.get(name, 0))) for name, value in offers if name != PODS)
