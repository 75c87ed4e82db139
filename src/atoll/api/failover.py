"""What happens when a cluster is lost, or an Application fails on one: who takes over, when, and what then."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from atoll.api.common import Rule, Strict, pointer_rules
from atoll.api.differences import Target
from atoll.api.durations import Duration

DEFAULT_AFTER = "5m"
DEFAULT_LIMIT = 50
MOST_CARRIED = 512
"""Characters of a value that is carried."""


class Carry(Strict, frozen=True):
    """A value of a live object that goes along when the Application moves on: it is set at the new place."""

    target: Annotated[Target, Meta(description="The object that is read, on the cluster that is left.")]
    path: Annotated[
        str, Meta(min_length=1, max_length=512, description="A JSON pointer into it, such as /status/checkpoint.")
    ]
    as_: Annotated[
        Literal["label", "annotation", "env"],
        Meta(description="What it becomes: of the object itself, or of all containers of its Pods."),
    ] = msgspec.field(name="as")
    name: Annotated[str, Meta(min_length=1, max_length=317, description="Of the label, annotation or variable.")]
    to: Annotated[Target | None, Meta(description="The objects that get it; those of target when not given.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        pointer_rules("path")[0],
        Rule(
            "!has(self.target.kind) || self.target.kind != 'Secret'",
            "a Secret's content is not carried: it would be readable in the status",
            ".target",
        ),
    )


class Failover(Strict, frozen=True):
    """What happens when a cluster is lost. Its share goes to others, which are ready before anything is taken away."""

    after: Annotated[Duration, Meta(description="How long a cluster is not Ready before it loses its share.")] = (
        DEFAULT_AFTER
    )
    return_: Annotated[
        Literal["rebalance", "stay"],
        Meta(
            description="When the cluster is back: rebalance gives it its share again, stay leaves it to the others "
            "until the Application changes."
        ),
    ] = msgspec.field(default="rebalance", name="return")
    limit: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="While more than this percentage of all clusters is not Ready, or was until a minute ago, none "
            "loses its share: it may be the hub that is cut off. 50 when not given; 0: no cluster ever loses its "
            "share.",
        ),
    ] = DEFAULT_LIMIT
    degraded: Annotated[
        Duration | None,
        Meta(description="How long it is Degraded on a cluster before it moves on; not given, it never does."),
    ] = None
    carry: Annotated[
        tuple[Carry, ...],
        Meta(max_length=8, description="State that goes along when it leaves a cluster by itself, or by a drain."),
    ] = ()
