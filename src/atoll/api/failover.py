"""What happens when a cluster is lost, or an Application fails on one: who takes over, when, and what then."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from atoll.api.common import Strict
from atoll.api.durations import Duration

DEFAULT_AFTER = "5m"
DEFAULT_LIMIT = 50


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
