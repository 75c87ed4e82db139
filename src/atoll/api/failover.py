"""What happens when a cluster is lost, or an Application fails on one: who takes over, when, and what then."""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from atoll.api.common import Rule, Strict
from atoll.api.differences import Target
from atoll.api.durations import Duration

DEFAULT_AFTER = "5m"
DEFAULT_LIMIT = 50


class Carry(Strict, frozen=True):
    """A value that is taken along: read from an object where it ran last, given to the Application where it goes."""

    from_: Annotated[Target, Meta(description="The object that has it, by kind and name.")] = msgspec.field(name="from")
    path: Annotated[
        str, Meta(min_length=1, max_length=512, description="Where it has it: a JSON pointer, such as /status/epoch.")
    ]
    label: Annotated[str, Meta(max_length=317, description="The label that it becomes, on every object.")] = ""
    env: Annotated[
        str, Meta(max_length=253, description="The environment variable that it becomes, in every container.")
    ] = ""

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.label) && self.label != '') != (has(self.env) && self.env != '')",
            "give either label or env: what the value becomes",
        ),
        Rule(
            "self.path.matches('^(/([^~/]|~[01])*)+$')",
            "is no JSON pointer: it starts with /, and inside a part ~ is written ~0 and / is written ~1",
            ".path",
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
            description="While more than this percentage of all clusters is not Ready, none loses its share: it may be "
            "the hub that is cut off. 50 when not given; 0: no cluster ever loses its share.",
        ),
    ] = DEFAULT_LIMIT
    degraded: Annotated[
        Duration | None,
        Meta(description="How long it is Degraded on a cluster before it moves on; not given, it never does."),
    ] = None
    carry: Annotated[tuple[Carry, ...], Meta(max_length=8, description="Values taken along to where it goes.")] = ()
