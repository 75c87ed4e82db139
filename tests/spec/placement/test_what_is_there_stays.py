"""A cordon or a lost connection takes nothing away: it only keeps new things out."""

import pytest

from atoll.api.placement import Placement
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

NAMED = Placement(clusters=("a",))
ALL = Placement(all=True)


@pytest.mark.parametrize(
    ("placement", "facts", "there", "chosen", "why"),
    [
        (ALL, {"cordoned": True}, False, False, "cordoned"),
        (NAMED, {"cordoned": True}, False, False, "cordoned"),
        (ALL, {"cordoned": True}, True, True, "all clusters; stays although cordoned"),
        (ALL, {"ready": False}, False, False, "not ready"),
        (NAMED, {"ready": False}, False, True, "named; not ready, delivery waits"),
        (ALL, {"ready": False}, True, True, "all clusters; not ready, delivery waits"),
        (
            ALL,
            {"ready": False, "cordoned": True},
            True,
            True,
            "all clusters; stays although cordoned; not ready, delivery waits",
        ),
    ],
)
def test_a_cluster_in_trouble(
    placement: Placement, facts: dict[str, bool], there: bool, chosen: bool, why: str
) -> None:
    world = fleet(cluster("a", **facts), previous={"a": None} if there else {})
    (verdict,) = plan(intent(placement=placement), world).verdicts
    assert (verdict.chosen, verdict.why) == (chosen, why)


def test_the_placement_itself_does_take_away() -> None:
    world = fleet(cluster("a", cordoned=True), "b", previous={"a": 1, "b": 1})
    assert list(plan(intent(placement=Placement(clusters=("b",))), world).deliveries) == ["b"]


def test_a_cluster_that_left_the_fleet_is_no_longer_placed() -> None:
    assert list(plan(intent(), fleet("b", previous={"a": 1, "b": 1})).deliveries) == ["b"]
