"""What became of an Application: where it is, how it does on each cluster, what is wrong."""

from typing import Annotated, Literal

from msgspec import Meta

from atoll.api.common import Base, Condition, Name, ShortText
from atoll.api.failover import MOST_CARRIED
from atoll.api.rollout import RolloutStatus

State = Annotated[dict[str, Annotated[str, Meta(max_length=MOST_CARRIED)]], Meta(max_length=8)]


class PlacedCluster(Base, frozen=True):
    """One cluster of the placement."""

    cluster: Annotated[Name, Meta(description="The cluster.")]
    replicas: Annotated[int | None, Meta(description="Replicas of the scalable workloads, when they agree.")] = None
    why: Annotated[ShortText, Meta(description="Why here, and why so many.")] = ""
    workloads: Annotated[
        dict[str, int], Meta(max_length=128, description="Replicas by workload, when they don't agree.")
    ] = {}
    leaving: Annotated[
        ShortText, Meta(description="Why it is to leave: its share went to others, and it stays until they are ready.")
    ] = ""
    most: Annotated[int | None, Meta(description="More replicas than this found no node.")] = None
    until: Annotated[str, Meta(max_length=32, description="When more are tried again, RFC 3339.")] = ""
    carried: Annotated[State, Meta(description="What failover.carry brought here, by name.")] = {}
    came_from: Annotated[str, Meta(max_length=253, description="The cluster that it was brought from.")] = ""


class AvoidedCluster(Base, frozen=True):
    """A cluster that the Application left, and isn't to go back to before it changes."""

    cluster: Annotated[Name, Meta(description="The cluster.")]
    why: Annotated[ShortText, Meta(description="Why it left.")] = ""


class ProblemStatus(Base, frozen=True):
    """One thing that is wrong on one cluster."""

    object: Annotated[ShortText, Meta(description="Such as Pod/web-7f.")]
    reason: Annotated[ShortText, Meta(description="Such as ErrImagePull.")] = ""
    message: Annotated[ShortText, Meta(description="In words.")] = ""
    count: Annotated[int, Meta(description="How often.")] = 1
    since: Annotated[str, Meta(max_length=32, description="Since when, RFC 3339.")] = ""


ClusterState = Literal[
    "Pending", "Waiting", "Applying", "Applied", "Conflict", "Failed", "Unreachable", "Removing", "Suspended"
]
Health = Literal["Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"]


class ClusterRow(Base, frozen=True):
    """How the Application does on one cluster."""

    name: Annotated[Name, Meta(description="The cluster.")]
    state: Annotated[ClusterState, Meta(description="How far delivery is.")] = "Pending"
    health: Annotated[Health, Meta(description="How the objects do.")] = "Unknown"
    ready: Annotated[str, Meta(max_length=32, description="Ready of desired replicas.")] = ""
    revision: Annotated[int, Meta(description="The Application's sequence number that is applied here.")] = 0
    message: Annotated[ShortText, Meta(description="The first trouble, in words.")] = ""
    since: Annotated[str, Meta(max_length=32, description="Since when state is what it is, RFC 3339.")] = ""
    problems: Annotated[tuple[ProblemStatus, ...], Meta(max_length=3, description="What is wrong.")] = ()
    degraded_since: Annotated[str, Meta(max_length=32, description="Since when it is Degraded, RFC 3339.")] = ""
    carry: Annotated[State, Meta(description="What failover.carry names, by name, as last seen here.")] = {}


class Summary(Base, frozen=True):
    """Counts over all clusters."""

    clusters: Annotated[int, Meta(description="Clusters placed on.")] = 0
    applied: Annotated[int, Meta(description="Clusters where it is applied.")] = 0
    healthy: Annotated[int, Meta(description="Clusters where it is healthy.")] = 0
    ready: Annotated[str, Meta(max_length=32, description="Ready of desired replicas in all.")] = ""


class ApplicationStatus(Base, frozen=True):
    """What became of it. Bounded: above 100 clusters, full rows only for the unhealthy; 512 KiB in all."""

    observed_generation: Annotated[int, Meta(description="The generation that this is about.")] = 0
    sequence: Annotated[int, Meta(description="Grows with each change of what is delivered; never restarts.")] = 0
    intent: Annotated[str, Meta(max_length=64, description="Digest of what `sequence` stands for.")] = ""
    content: Annotated[str, Meta(max_length=64, description="Digest of the objects and differences in that.")] = ""
    rollout: Annotated[RolloutStatus | None, Meta(description="How far the last change is.")] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            max_length=16,
            description="Accepted, Placed, Applied, Healthy, Ready; Reconciling and Stalled as kstatus; FailoverHeld.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    placement: Annotated[tuple[PlacedCluster, ...], Meta(max_length=1024, description="Where, how many, why.")] = ()
    avoided: Annotated[
        tuple[AvoidedCluster, ...], Meta(max_length=1024, description="Where it isn't to go back before it changes.")
    ] = ()
    clusters: Annotated[
        tuple[ClusterRow, ...],
        Meta(
            max_length=1024,
            description="A row for each cluster.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    summary: Annotated[Summary | None, Meta(description="Counts over all clusters.")] = None
    truncated: Annotated[int, Meta(description="Rows left out to keep the status small.")] = 0
