"""Where an Application goes: the clusters that a placement or a difference means, and how they are chosen of those."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import Expression, LabelSelector, Name, Rule, Strict

ClusterNames = Annotated[tuple[Name, ...], Meta(max_length=1024)]
Many = Annotated[int, Meta(ge=0, le=1024)]
TopologyKey = Annotated[str, Meta(min_length=1, max_length=317)]
_NAMED = "(has(self.clusters) && size(self.clusters) > 0) || has(self.selector) || has(self.where)"
_ALL = "has(self.all) && self.all"


class ClusterTarget(Strict, frozen=True):
    """Which clusters: all conditions given must hold; none given is refused; `all: true` is all."""

    clusters: Annotated[ClusterNames, Meta(description="By name.")] = ()
    selector: Annotated[LabelSelector | None, Meta(description="By label.")] = None
    where: Annotated[
        Expression | None,
        Meta(
            description="A CEL expression over `cluster`: name, provider, region, zone, labels (a map) and version, "
            "such as v1.36.1. Where it fails, as on a label that the cluster doesn't have, it does not hold."
        ),
    ] = None
    all: Annotated[bool, Meta(description="All clusters.")] = False

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(f"{_NAMED} || ({_ALL})", "no cluster is named: give clusters, selector or where, or say all: true"),
        Rule(
            f"!({_ALL}) || !({_NAMED})",
            "all: true is every cluster: take it away, or clusters, selector and where",
            ".all",
        ),
    )


class Bounds(Strict, frozen=True):
    """At least and at most so many."""

    min: Annotated[Many, Meta(description="At least so many.")] = 0
    max: Annotated[Many | None, Meta(description="At most so many.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.min) || has(self.max)", "says nothing: give min or max"),
        Rule("!has(self.max) || self.max > 0", "at most 0 leaves nothing to choose", ".max"),
        Rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min is above max", ".min"),
    )


class Spread(Strict, frozen=True):
    """How many groups of clusters are used, and how many clusters of each."""

    by: Annotated[
        TopologyKey,
        Meta(description="What makes a group: region, zone, provider, cluster (each is one), or a label's key."),
    ]
    min: Annotated[Many, Meta(description="At least so many groups; with fewer, nothing is newly placed.")] = 0
    max: Annotated[Many | None, Meta(description="At most so many groups.")] = None
    clusters: Annotated[Bounds | None, Meta(description="Clusters of each group that is used.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.min) || has(self.max) || has(self.clusters)", "says nothing: give min, max or clusters"),
        Rule("!has(self.max) || self.max > 0", "at most 0 groups leave nothing to choose", ".max"),
        Rule("!has(self.min) || !has(self.max) || self.min <= self.max", "min is above max", ".min"),
        Rule(
            "self.by != 'cluster' || !has(self.clusters)",
            "a group by cluster is one cluster: give min and max of the spread itself",
            ".clusters",
        ),
    )


class Preference(ClusterTarget, frozen=True):
    """Clusters that are taken before others when not all are; weights add up."""

    weight: Annotated[int, Meta(ge=1, le=100, description="How much: 1 to 100.")] = 1


class Neighbours(Strict, frozen=True):
    """Other Applications of this namespace: one by name, or many by labels."""

    application: Annotated[str, Meta(max_length=253, description="One by name.")] = ""
    selector: Annotated[LabelSelector | None, Meta(description="Those with these labels.")] = None
    by: Annotated[
        TopologyKey, Meta(description="How near: in the same cluster, region, zone, provider, or a label's value.")
    ] = "cluster"

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.application) && self.application != '') != has(self.selector)",
            "give either application, for one, or selector, for many",
        ),
    )


class Placement(ClusterTarget, frozen=True):
    """Where the Application goes."""

    spread: Annotated[
        tuple[Spread, ...],
        Meta(max_length=8, description="How it is spread over regions, zones, providers, clusters; each must hold."),
    ] = ()
    prefer: Annotated[
        tuple[Preference, ...], Meta(max_length=16, description="Which clusters are taken first when not all are.")
    ] = ()
    fallback: Annotated[
        tuple[ClusterTarget, ...],
        Meta(
            max_length=8,
            description="More clusters, group by group in this order: each is used when those before can't carry it.",
        ),
    ] = ()
    affinity: Annotated[
        tuple[Neighbours, ...], Meta(max_length=8, description="Only near these Applications; each must hold.")
    ] = ()
    anti_affinity: Annotated[
        tuple[Neighbours, ...], Meta(max_length=8, description="Not near these Applications.")
    ] = ()

    shape: ClassVar[tuple[Rule, ...]] = (
        *ClusterTarget.shape,
        Rule(
            f"!({_ALL}) || !has(self.fallback) || size(self.fallback) == 0",
            "all: true is every cluster: there is none to fall back to",
            ".fallback",
        ),
    )


class Toleration(Strict, frozen=True):
    """Lets the Application on clusters with a taint."""

    key: Annotated[str, Meta(max_length=253, description="The taint's key; empty with Exists is every taint.")] = ""
    operator: Annotated[Literal["Equal", "Exists"], Meta(description="Compare the value, or any value.")] = "Equal"
    value: Annotated[str, Meta(max_length=63, description="The taint's value.")] = ""
    effect: Annotated[
        Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"], Meta(description="Empty is every effect.")
    ] = ""
    toleration_seconds: Annotated[
        Annotated[int, Meta(ge=0, le=31_536_000)] | None,
        Meta(
            description="For NoExecute: how long the taint is tolerated where the Application is already; not given, "
            "for ever.",
        ),
    ] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
            "an empty key, which is every taint, needs operator: Exists",
            ".key",
        ),
        Rule(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "operator: Exists takes no value",
            ".value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "only the effect NoExecute takes seconds",
            ".tolerationSeconds",
        ),
    )
