"""Where an Application goes: the clusters that a placement or a difference means, and taints it tolerates."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import Expression, LabelSelector, Name, Rule, Strict

ClusterNames = Annotated[tuple[Name, ...], Meta(max_length=1024)]
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


class Placement(ClusterTarget, frozen=True):
    """Where the Application goes."""


class Toleration(Strict, frozen=True):
    """Lets the Application on clusters with a taint."""

    key: Annotated[str, Meta(max_length=253, description="The taint's key; empty with Exists is every taint.")] = ""
    operator: Annotated[Literal["Equal", "Exists"], Meta(description="Compare the value, or any value.")] = "Equal"
    value: Annotated[str, Meta(max_length=63, description="The taint's value.")] = ""
    effect: Annotated[
        Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"], Meta(description="Empty is every effect.")
    ] = ""

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
    )
