"""What a local fleet looks like: its clusters, their nodes, where they claim to be. Values only."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec

HUB = "hub"


class Place(msgspec.Struct, frozen=True):
    """Where a member claims to be."""

    provider: str
    region: str
    zones: tuple[str, ...]


PLACES = (
    Place("aws", "eu-west-1", ("eu-west-1a", "eu-west-1b", "eu-west-1c")),
    Place("gcp", "us-east4", ("us-east4-a", "us-east4-b", "us-east4-c")),
    Place("onprem", "ap-south", ("rack-1", "rack-2", "rack-3")),
    Place("azure", "northeurope", ("northeurope-1", "northeurope-2", "northeurope-3")),
)


class NodeShape(msgspec.Struct, frozen=True):
    """Capacity of each simulated node, as Kubernetes quantities."""

    cpu: str = "16"
    memory: str = "64Gi"
    pods: str = "110"


class ClusterShape(msgspec.Struct, frozen=True):
    """One cluster. `workloads` says whether Deployments become Pods here: then there are a scheduler and nodes.

    A `bare` one is an API server alone: objects are kept, and nobody does anything about them.
    """

    name: str
    index: int
    workloads: bool = True
    bare: bool = False
    nodes: int = 3
    node: NodeShape = NodeShape()
    place: Place = PLACES[0]

    @property
    def service_cidr(self) -> str:
        """Clusters' addresses never overlap, so that services can be joined across them."""
        return f"10.{128 + self.index % 64}.0.0/16"

    @property
    def service_address(self) -> str:
        """The address of the Service `kubernetes`."""
        return f"10.{128 + self.index % 64}.0.1"

    @property
    def pod_cidr(self) -> str:
        return f"10.{192 + self.index % 64}.0.0/16"


@dataclass(frozen=True)
class FleetShape:
    """A hub and its members.

    `host` says what the hub's cluster is: Atoll's `alone`, where a Deployment is a template and never becomes a Pod,
    or `shared`, an ordinary cluster with nodes that may be a member itself. `audit` makes each API server log its
    requests. `execs`: what is executed in a simulated Pod runs on this machine, as whoever started the fleet. `bare`
    members are API servers alone, so that many fit on one machine.
    """

    members: int = 3
    nodes: int = 3
    host: Literal["alone", "shared"] = "alone"
    audit: bool = False
    execs: bool = False
    bare: bool = False
    node: NodeShape = field(default=NodeShape())

    def clusters(self) -> tuple[ClusterShape, ...]:
        """The hub first, then member1, member2 …"""
        hub = ClusterShape(HUB, 0, workloads=self.host == "shared", nodes=self.nodes, node=self.node, place=PLACES[-1])
        members = (self._member(i) for i in range(1, self.members + 1))
        return (hub, *members)

    def _member(self, number: int) -> ClusterShape:
        return ClusterShape(
            f"member{number}",
            number,
            workloads=not self.bare,
            bare=self.bare,
            nodes=self.nodes,
            node=self.node,
            place=PLACES[(number - 1) % len(PLACES)],
        )


def grown(present: tuple[ClusterShape, ...], wanted: tuple[ClusterShape, ...]) -> tuple[ClusterShape, ...]:
    """All clusters of both; those that are there may get more nodes, controllers or workloads, but lose nothing."""
    by_name = {cluster.name: cluster for cluster in wanted}
    kept = tuple(
        msgspec.structs.replace(
            cluster,
            nodes=max(cluster.nodes, by_name[cluster.name].nodes),
            workloads=cluster.workloads or by_name[cluster.name].workloads,
            bare=cluster.bare and by_name[cluster.name].bare,
        )
        if cluster.name in by_name
        else cluster
        for cluster in present
    )
    names = {cluster.name for cluster in present}
    return kept + tuple(cluster for cluster in wanted if cluster.name not in names)
