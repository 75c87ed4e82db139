"""Fallback: more clusters, group by group, when those before can't carry the application."""

import pytest

from atoll.api.common import LabelSelector
from atoll.api.failover import Failover
from atoll.api.placement import ClusterTarget, Placement, Spread
from atoll.api.replicas import Replicas
from atoll.api.rooms import Room
from atoll.plan.model import ClusterFacts, Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, container, deployment, fleet, intent

OWN = Placement(
    clusters=("a", "b"),
    fallback=(ClusterTarget(clusters=("c",)), ClusterTarget(selector=LabelSelector({"burst": "yes"}))),
)
PODS = deployment("web", container(resources={"requests": {"cpu": "1"}}))


def with_room(name: str, cores: int, **facts: object) -> ClusterFacts:
    return cluster(name, rooms=(Room({"cpu": cores * 1000}, 110),), **facts)


def world(a: int = 4, b: int = 4, c: int = 4, **facts: object) -> tuple[ClusterFacts, ...]:
    return (
        with_room("a", a, **facts),
        with_room("b", b),
        with_room("c", c),
        with_room("d", 100, labels={"burst": "yes"}),
    )


def spread_over(total: int, clusters: tuple[ClusterFacts, ...], **previous: int) -> Plan:
    app = intent(PODS, placement=OWN, replicas=Replicas(total=total, divide="capacity"))
    return plan(app, fleet(*clusters, previous=previous or None))


def test_nobody_falls_back_while_the_placement_itself_will_do() -> None:
    planned = plan(intent(placement=OWN), fleet(*world()))
    assert list(planned.deliveries) == ["a", "b"]
    assert {v.cluster: v.why for v in planned.verdicts}["c"] == "fallback: not needed"


def test_the_next_group_is_used_when_no_cluster_before_may_have_it() -> None:
    planned = plan(intent(placement=OWN), fleet(*(cluster(n, cordoned=True) for n in "ab"), "c", "d"))
    assert list(planned.deliveries) == ["c"]
    assert {v.cluster: v.why for v in planned.verdicts}["c"] == "fallback 1: named"


def test_the_next_group_is_used_when_the_spread_can_not_be_met_before() -> None:
    placement = Placement(clusters=("a",), spread=(Spread("cluster", min=2),), fallback=OWN.fallback)
    assert list(plan(intent(placement=placement), fleet(*world())).deliveries) == ["a", "c"]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (8, {"a": 4, "b": 4}),
        (9, {"a": 3, "b": 3, "c": 3}),  # the first group's clusters and the second's, by what is free
        (30, {"a": 1, "b": 1, "c": 1, "d": 27}),
    ],
)
def test_a_total_that_has_no_room_overflows(total: int, expected: dict[str, int]) -> None:
    shares = {name: share.common for name, share in spread_over(total, world()).shares.items()}
    assert shares.keys() == expected.keys()
    assert sum(number or 0 for number in shares.values()) == total


def test_an_overflow_ends_when_there_is_a_tenth_to_spare() -> None:
    assert "c" in spread_over(10, world(a=2, b=0), a=4, b=4, c=2).deliveries  # room for exactly ten
    assert "c" not in spread_over(10, world(a=3, b=0), a=4, b=4, c=2).deliveries


def test_with_return_stay_it_stays_in_the_group_where_it_is() -> None:
    app = intent(placement=OWN, failover=Failover(return_="stay"))
    assert "c" in plan(app, fleet(*world(), previous={"c": None})).deliveries
    assert "c" not in plan(intent(placement=OWN), fleet(*world(), previous={"c": None})).deliveries
