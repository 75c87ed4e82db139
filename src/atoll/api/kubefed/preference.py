"""`ReplicaSchedulingPreference`: how many replicas of a federated workload each cluster gets."""

from typing import Annotated

from msgspec import Meta

from atoll.api.common import Base
from atoll.api.kubefed.common import ObjectMeta


class ClusterPreference(Base, frozen=True):
    """What one cluster, or each that isn't named, may get."""

    min_replicas: Annotated[int, Meta(description="At least so many, as far as the total reaches.")] = 0
    max_replicas: Annotated[int | None, Meta(description="At most so many; no bound when it is left out.")] = None
    weight: Annotated[int, Meta(description="Its part of what is left.")] = 0


class PreferenceSpec(Base, frozen=True):
    """Which workload, how many replicas, and how they are divided."""

    target_kind: Annotated[
        str, Meta(description="FederatedDeployment or FederatedReplicaSet, of the same namespace and name.")
    ]
    total_replicas: Annotated[
        int, Meta(description="Replicas in all clusters together.", extra_json_schema={"format": "int32"})
    ]
    rebalance: Annotated[bool, Meta(description="Whether replicas that run may be moved.")] = False
    intersect_with_cluster_selector: Annotated[
        bool, Meta(description="Whether only clusters count that the workload's clusterSelector selects.")
    ] = False
    clusters: Annotated[
        dict[str, ClusterPreference] | None,
        Meta(description="What each cluster may get; * is every one that isn't named. Left out: all alike."),
    ] = None


class PreferenceStatus(Base, frozen=True):
    """Nothing: KubeFed writes none."""


class ReplicaSchedulingPreference(Base, frozen=True):
    """How many replicas of a federated workload each cluster gets."""

    metadata: ObjectMeta
    spec: Annotated[PreferenceSpec | None, Meta(description="How many, and how they are divided.")] = None
    status: Annotated[PreferenceStatus | None, Meta(description="Nothing.")] = None
    api_version: str = "scheduling.kubefed.io/v1alpha1"
    kind: str = "ReplicaSchedulingPreference"
