"""tolerationSeconds: who is there stays so long, and no longer; nobody comes for a time only."""

import msgspec
import pytest

from atoll.api.cluster import Taint
from atoll.api.placement import Toleration
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

TAINT = Taint("upkeep", "", "NoExecute")
MINUTE = Toleration("upkeep", "Exists", effect="NoExecute", toleration_seconds=60)
EVER = Toleration("upkeep", "Exists")


def at(now: float, *tolerations: Toleration, there: bool = True, since: float | None = 1000.0) -> Plan:
    tainted = cluster("a", taints=(TAINT,), tainted_since={} if since is None else {"upkeep:NoExecute": since})
    world = fleet(tainted, "b", previous={"a": 1} if there else None)
    return plan(intent(tolerations=tolerations), msgspec.structs.replace(world, now=now))


@pytest.mark.parametrize(
    ("now", "tolerations", "stays", "due"),
    [
        (1030.0, (MINUTE,), True, 1060.0),
        (1060.0, (MINUTE,), False, None),
        (1060.0, (EVER,), True, None),
        (1060.0, (MINUTE, EVER), False, None),  # the shortest counts, as for Pods
        (1030.0, (), False, None),
    ],
)
def test_who_is_there_stays_for_the_time_given(
    now: float, tolerations: tuple[Toleration, ...], stays: bool, due: float | None
) -> None:
    planned = at(now, *tolerations)
    assert ("a" in planned.deliveries) is stays
    assert planned.due == due


def test_nobody_comes_for_a_time_only() -> None:
    planned = at(1000.0, MINUTE, there=False)
    assert list(planned.deliveries) == ["b"]
    assert planned.verdicts[0].why == "taint upkeep:NoExecute is tolerated for a time only"


def test_a_taint_of_unknown_age_is_new() -> None:
    assert at(5000.0, MINUTE, since=None).due == 5060.0
