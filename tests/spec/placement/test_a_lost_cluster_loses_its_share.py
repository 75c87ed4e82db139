"""Failover, drain and return: who has to leave, when, and what stays until others are ready."""

from typing import Any

import msgspec
import pytest

from atoll.api.failover import Failover
from atoll.api.placement import Placement, Spread
from atoll.api.replicas import Replicas
from atoll.plan.model import ClusterFacts, Plan, Snapshot, Standing
from atoll.plan.planner import plan
from atoll.testing.worlds import EVERYWHERE, SHOP, cluster, fleet, intent

SIX = Replicas(total=6)
THERE: dict[str, int | None] = {"a": 2, "b": 2, "c": 2}
READY = {name: Standing(ready=2, healthy=True) for name in "abc"}


def lost(name: str, since: float = 1000.0) -> ClusterFacts:
    return cluster(name, ready=False, lost_since=since)


def at(
    now: float,
    *clusters: ClusterFacts | str,
    standing: dict[str, Standing] | None = None,
    before: dict[str, int | None] | None = None,
    avoided: dict[str, str] | None = None,
) -> Snapshot:
    world = fleet(*clusters, previous=before or THERE)
    return msgspec.structs.replace(
        world, now=now, steady=True, standing={SHOP: standing or READY}, avoided={SHOP: avoided or {}}
    )


def shares(planned: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in planned.shares.items()}


def moved(
    replicas: Replicas | None = SIX, *, snapshot: Snapshot, placement: Placement = EVERYWHERE, **failover: Any
) -> Plan:
    return plan(intent(replicas=replicas, placement=placement, failover=Failover(**failover)), snapshot)


def test_nothing_moves_before_its_time_and_the_plan_says_when_that_is() -> None:
    planned = moved(snapshot=at(1299.0, "a", "b", lost("c")))
    assert shares(planned) == THERE
    assert planned.due == 1300.0


def test_then_others_take_over_and_it_keeps_what_it_has() -> None:
    planned = moved(snapshot=at(1300.0, "a", "b", lost("c")))
    assert shares(planned) == {"a": 3, "b": 3, "c": 2}
    assert planned.shares["c"].leaving == "not ready for 5m"
    assert {v.cluster: v.chosen for v in planned.verdicts} == {"a": True, "b": True, "c": False}


NOW = {"a": 3, "b": 3, "c": 2}
LEFT = Standing(ready=2, healthy=True, leaving="not ready for 5m")


def returned(ready: int, **failover: Any) -> Plan:
    standing = {n: Standing(ready=3, healthy=True) for n in "ab"}
    standing["c"] = msgspec.structs.replace(LEFT, ready=ready, healthy=ready == 2)
    return moved(snapshot=at(2000.0, "a", "b", "c", standing=standing, before=dict(NOW)), **failover)


def test_who_comes_back_gets_its_share_and_the_others_give_up_theirs_when_it_is_ready() -> None:
    assert shares(returned(0)) == NOW
    assert shares(returned(2)) == THERE
    assert "keeps more until others are ready" in returned(0).shares["a"].why


def test_with_return_stay_the_surplus_is_withdrawn_and_it_does_not_go_back() -> None:
    planned = returned(2, return_="stay")
    assert shares(planned) == {"a": 3, "b": 3}
    assert list(planned.avoided) == ["c"]
    again = moved(snapshot=at(2000.0, "a", "b", "c", before={"a": 3, "b": 3}, avoided=planned.avoided), return_="stay")
    assert shares(again) == {"a": 3, "b": 3}
    assert {v.cluster: v.why for v in again.verdicts}["c"].startswith("left it: it came back")


@pytest.mark.parametrize(
    ("limit", "gone", "moves"),
    [(50, 1, True), (50, 2, True), (50, 3, False), (24, 1, False), (100, 3, True), (0, 1, False)],
)
def test_too_many_at_once_move_nothing(limit: int, gone: int, moves: bool) -> None:
    world = [lost(name) if index < gone else name for index, name in enumerate("abcd")]
    before: dict[str, int | None] = dict.fromkeys("abcd", 3)
    planned = moved(Replicas(total=12), snapshot=at(2000.0, *world, before=before), limit=limit)
    assert any(share.leaving for share in planned.shares.values()) is moves
    assert bool(planned.brake) is (not moves and limit > 0)


def test_the_brake_says_how_many_are_gone() -> None:
    planned = moved(snapshot=at(2000.0, "a", lost("b"), lost("c")))
    assert planned.brake == (
        "b, c would fail over, but 2 of 3 clusters are not ready, more than failover.limit of 50 %: it may be the hub "
        "that is cut off"
    )
    assert shares(planned) == THERE


def test_who_had_left_before_the_brake_stays_away() -> None:
    standing = {**READY, "c": LEFT}
    planned = moved(snapshot=at(2000.0, "a", lost("b", 1900.0), lost("c"), standing=standing, before=dict(NOW)))
    assert planned.shares["c"].leaving


def test_a_copy_that_is_on_each_is_taken_over_by_nobody() -> None:
    planned = moved(Replicas(each=2), snapshot=at(2000.0, "a", "b", lost("c")))
    assert shares(planned) == THERE
    assert not planned.shares["c"].leaving


def test_a_place_is_taken_over_by_a_cluster_that_had_none() -> None:
    one = Placement(all=True, spread=(Spread("cluster", max=2),))
    before: dict[str, int | None] = {"a": 2, "c": 2}
    planned = moved(Replicas(each=2), placement=one, snapshot=at(2000.0, "a", "b", lost("c"), before=before))
    assert shares(planned) == {"a": 2, "b": 2, "c": 2}
    assert planned.shares["c"].leaving


def test_with_nowhere_else_to_go_it_stays() -> None:
    planned = moved(snapshot=at(2000.0, lost("c"), before={"c": 6}), limit=100)
    assert shares(planned) == {"c": 6}
    assert planned.shares["c"].why == "weight 1 of 1; not ready for 5m, but there is nowhere else to go"


@pytest.mark.parametrize(("ready", "left"), [(2, {"a": 3, "b": 3, "c": 2}), (3, {"a": 3, "b": 3})])
def test_a_drained_cluster_is_left_when_the_others_are_ready(ready: int, left: dict[str, int]) -> None:
    drained = cluster("c", cordoned=True, drained=True)
    standing = {n: Standing(ready=ready, healthy=ready == 3) for n in "ab"} | {
        "c": Standing(ready=2, leaving="drained")
    }
    planned = moved(snapshot=at(2000.0, "a", "b", drained, standing=standing, before=dict(NOW)))
    assert shares(planned) == left
    assert planned.waiting is (ready == 2)


def test_who_is_degraded_for_long_moves_on_and_not_back() -> None:
    ill = {**READY, "c": Standing(ready=0, degraded_since=1000.0)}
    assert moved(snapshot=at(1500.0, "a", "b", "c", standing=ill)).shares["c"].leaving == ""  # not asked for
    planned = moved(snapshot=at(1500.0, "a", "b", "c", standing=ill), degraded="10m")
    assert (shares(planned), planned.due) == (THERE, 1600.0)
    planned = moved(snapshot=at(1600.0, "a", "b", "c", standing=ill), degraded="10m")
    assert shares(planned) == NOW
    standing = {n: Standing(ready=3, healthy=True) for n in "ab"} | {"c": Standing(degraded_since=1000.0)}
    gone = moved(snapshot=at(1700.0, "a", "b", "c", standing=standing, before=dict(NOW)), degraded="10m")
    assert shares(gone) == {"a": 3, "b": 3}
    assert gone.avoided == {"c": "Degraded for 10m"}


def test_what_a_user_orders_waits_for_nobody() -> None:
    world = at(2000.0, "a", "b", "c", standing={"a": Standing(ready=0)})
    ordered = Replicas(total=6, weights={"a": 4, "*": 1})
    assert shares(moved(ordered, snapshot=msgspec.structs.replace(world, steady=False))) == {"a": 4, "b": 1, "c": 1}
    assert shares(moved(ordered, snapshot=world)) == {"a": 4, "b": 2, "c": 2}


def test_what_replaces_a_drained_cluster_is_waited_for_while_it_is_out_of_reach() -> None:
    """It is away for a moment only: what runs is not taken away meanwhile, when nothing else runs."""
    standing = {"a": Standing(ready=2, healthy=True), "b": Standing(ready=0)}
    world = at(1010.0, cluster("a", drained=True, cordoned=True), lost("b"), standing=standing, before={"a": 2})
    planned = moved(Replicas(total=2), snapshot=world, placement=Placement(clusters=("a", "b")))
    assert shares(planned) == {"a": 2, "b": 2}
    assert planned.due == 1300.0


def test_who_is_lost_for_long_holds_up_nobody_but_where_none_runs_nothing_is_taken_away() -> None:
    each, drained = Replicas(each=2), cluster("a", drained=True, cordoned=True)
    ready = {"a": Standing(ready=2, healthy=True), "b": Standing(ready=2, healthy=True), "c": Standing()}
    world = at(1300.0, drained, "b", lost("c"), standing=ready)
    assert shares(moved(each, snapshot=world)) == {"b": 2, "c": 2}
    world = at(1300.0, drained, cluster("b", ready=False), standing={"a": READY["a"]}, before={"a": 2})
    assert shares(moved(each, snapshot=world, placement=Placement(clusters=("a", "b")))) == {"a": 2, "b": 2}


def test_who_is_back_and_lost_again_before_it_runs_its_share_takes_nothing_from_the_others() -> None:
    before: dict[str, int | None] = {"a": 3, "b": 3, "c": 2}
    standing = {n: Standing(ready=3, healthy=True) for n in "ab"} | {"c": Standing(ready=0)}
    planned = moved(snapshot=at(1010.0, "a", "b", lost("c"), standing=standing, before=before))
    assert shares(planned) == {"a": 3, "b": 3, "c": 2}


def test_a_hub_that_finds_its_clusters_again_gives_up_none_of_those_that_come_last() -> None:
    """All were out of its sight for ten minutes; half of them are back, the others will be in a moment."""

    def back(name: str, since: float) -> ClusterFacts:
        return cluster(name, ready_since=since)

    planned = moved(snapshot=at(1600.0, back("a", 1598.0), back("b", 1599.0), lost("c"), "d"))
    assert not planned.shares["c"].leaving
    assert "1 of 4 clusters are not ready, and 2 have been for less than 1m, more than" in planned.brake
    assert planned.due == 1658.0
    later = moved(snapshot=at(1659.5, back("a", 1598.0), back("b", 1599.0), lost("c"), "d"))
    assert (later.brake, later.shares["c"].leaving) == ("", "not ready for 5m")
    dated_wrong = moved(snapshot=at(1600.0, back("a", 9000.0), back("b", 9000.0), lost("c"), "d"))
    assert not dated_wrong.brake
