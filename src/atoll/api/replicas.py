"""How many: replicas on each cluster, or a total that is divided."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import Rule, Strict

NonNegative = Annotated[int, Meta(ge=0, le=1_000_000)]
Division = Literal["weighted", "capacity", "packed", "kubefed"]


class ReplicaLimits(Strict, frozen=True):
    """At least and at most so many replicas on a cluster."""

    min: Annotated[NonNegative, Meta(description="At least so many, where there are any.")] = 0
    max: Annotated[NonNegative | None, Meta(description="At most so many.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.min) || has(self.max)", "says nothing: give min or max"),
        Rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min is above max", ".min"),
    )


class Share(Strict, frozen=True):
    """How replicas are given to clusters: `each` to every one, or a `total` divided among them."""

    each: Annotated[NonNegative | None, Meta(description="This many on every cluster.")] = None
    total: Annotated[NonNegative | None, Meta(description="This many in all, divided.")] = None
    divide: Annotated[
        Division,
        Meta(
            description="How a total is divided: weighted, by weights; capacity, by what is free on the nodes, and "
            "what is placed stays; packed, on as few clusters as have room; kubefed, by weights as KubeFed rounds them."
        ),
    ] = "weighted"
    weights: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]],
        Meta(max_length=1024, description='Weight by cluster name; "*" is every other; all equal when not given.'),
    ] = {}
    limits: Annotated[
        dict[str, ReplicaLimits],
        Meta(max_length=1024, description='Least and most by cluster name; "*" is every other.'),
    ] = {}
    rebalance: Annotated[
        bool,
        Meta(
            description="Replicas whose Pods stay unschedulable for a minute go to other clusters. With kubefed, what "
            "is placed need not stay."
        ),
    ] = False

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("!(has(self.each) && has(self.total))", "give either each or total, not both"),
        Rule(
            "!has(self.weights) || size(self.weights) == 0 || has(self.total)",
            "weights divide a total: give total, or take weights away",
            ".weights",
        ),
        Rule(
            "!has(self.weights) || size(self.weights) == 0 || self.weights.exists(name, self.weights[name] > 0)",
            "all weights are 0: nothing could be placed",
            ".weights",
        ),
        Rule(
            "!has(self.weights) || size(self.weights) == 0 || !has(self.divide) || "
            "self.divide in ['weighted', 'kubefed']",
            "weights are for divide: weighted, and kubefed",
            ".weights",
        ),
        Rule(
            "has(self.total) || ((!has(self.limits) || size(self.limits) == 0) && !has(self.divide) && "
            "(!has(self.rebalance) || !self.rebalance))",
            "divide, limits and rebalance are about a total: give total, or take them away",
        ),
        Rule("has(self.each) || has(self.total)", "give each, replicas on every cluster, or total, replicas in all"),
    )


class Replicas(Share, frozen=True):
    """Replicas of each scalable workload; `workloads` says where one differs."""

    workloads: Annotated[
        dict[str, Share], Meta(max_length=128, description="By a workload's name: its own share.")
    ] = {}

    shape: ClassVar[tuple[Rule, ...]] = (
        *Share.shape[:-1],
        Rule(
            "has(self.each) || has(self.total) || (has(self.workloads) && size(self.workloads) > 0)",
            "give each, replicas on every cluster, or total, replicas in all, or workloads",
        ),
    )
