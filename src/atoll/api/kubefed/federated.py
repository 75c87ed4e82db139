"""`Federated`: what every Federated<Kind> has in common; the template alone differs, and it is free JSON."""

from typing import Annotated, Any

from msgspec import Meta

from atoll.api.common import AnyJson, Base
from atoll.api.kubefed.common import TIME, ClusterSelector, ObjectMeta
from atoll.api.kubefed.names import Propagation


class ClusterReference(Base, frozen=True):
    """One KubeFedCluster, by name."""

    name: Annotated[str, Meta(description="The KubeFedCluster.")]


class Placement(Base, frozen=True):
    """Which clusters get the object. Clusters that are named, be it none, win over a selector."""

    clusters: Annotated[
        tuple[ClusterReference, ...] | None,
        Meta(description="Clusters by name. An empty list is none; a list that is left out lets the selector speak."),
    ] = None
    cluster_selector: Annotated[
        ClusterSelector | None,
        Meta(description="Clusters by label. An empty selector is all of them; one that is left out is none."),
    ] = None


class Override(Base, frozen=True):
    """One change of what the template says, for one cluster."""

    path: Annotated[str, Meta(description="A JSON pointer.")]
    op: Annotated[
        str,
        Meta(
            description="add, remove or replace; empty is replace.",
            extra_json_schema={"pattern": "^(add|remove|replace)?$"},
        ),
    ] = ""
    value: Annotated[Any, Meta(description="What is put there.")] = None


class ClusterOverrides(Base, frozen=True):
    """What differs in one cluster."""

    cluster_name: Annotated[str, Meta(description="The KubeFedCluster.")] = ""
    cluster_overrides: Annotated[tuple[Override, ...], Meta(description="The changes, in order.")] = ()


class FederatedSpec(Base, frozen=True):
    """What, where, and what differs. Absent and empty are told apart, since KubeFed does: None is absent."""

    template: Annotated[
        AnyJson | None,
        Meta(description="The object as members get it, under the federated one's name."),
    ] = None
    placement: Annotated[Placement | None, Meta(description="Which clusters get it.")] = None
    overrides: Annotated[tuple[ClusterOverrides, ...] | None, Meta(description="What differs, by cluster.")] = None
    retain_replicas: Annotated[
        bool, Meta(description="Whether a member's own number of replicas stays, as an autoscaler there wants it.")
    ] = False


class PropagationCondition(Base, frozen=True):
    """Whether all clusters have what they should."""

    type: Annotated[str, Meta(description="Propagation.")]
    status: Annotated[str, Meta(description="True or False.")]
    reason: Annotated[str, Meta(description="Why not, in one word.")] = ""
    last_update_time: Annotated[
        str, Meta(description="When something was last written to members, or went wrong.", extra_json_schema=TIME)
    ] = ""
    last_transition_time: Annotated[
        str, Meta(description="When status or reason last changed.", extra_json_schema=TIME)
    ] = ""


class ClusterPropagation(Base, frozen=True):
    """How the object fares in one cluster."""

    name: Annotated[str, Meta(description="The KubeFedCluster.")]
    status: Annotated[str, Meta(description="Empty when all is well, else what isn't.")] = Propagation.OK.value
    remote_status: Annotated[
        AnyJson | None, Meta(description="The status of the member's object, where statuses are gathered.")
    ] = None


class FederatedStatus(Base, frozen=True):
    """How propagation fares."""

    observed_generation: Annotated[int, Meta(description="The metadata.generation that this is about.")] = 0
    conditions: Annotated[tuple[PropagationCondition, ...], Meta(description="Whether all is well.")] = ()
    clusters: Annotated[tuple[ClusterPropagation, ...], Meta(description="How it fares, by cluster.")] = ()


class Federated(Base, frozen=True):
    """A Federated<Kind>: an object that members are to have."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    spec: Annotated[FederatedSpec | None, Meta(description="What, where, and what differs.")] = None
    status: Annotated[FederatedStatus | None, Meta(description="How propagation fares.")] = None
