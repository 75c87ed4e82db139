"""rebalance: replicas whose Pods no node takes for a minute go to others, and stay there for a while."""

from typing import Any

import msgspec

from atoll.api.replicas import Replicas
from atoll.plan.model import Plan, Standing
from atoll.plan.planner import plan
from atoll.testing.worlds import SHOP, fleet, intent


def planned(standing: dict[str, Standing], before: dict[str, int | None], **share: Any) -> Plan:
    world = fleet("a", "b", "c", previous=before)
    world = msgspec.structs.replace(world, standing={SHOP: standing})
    return plan(intent(replicas=Replicas(total=9, **share)), world)


def shares(found: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in found.shares.items()}


THREE: dict[str, int | None] = {"a": 3, "b": 3, "c": 3}
STUCK = {"c": Standing(ready=1, stuck=2)}


def test_the_others_take_what_is_stuck() -> None:
    found = planned(STUCK, THREE, rebalance=True)
    assert shares(found) == {"a": 4, "b": 4, "c": 1}
    assert found.shares["c"].why == "weight 1 of 3, as far as Pods could be scheduled"
    assert found.shares["c"].most == 1


def test_who_runs_nothing_any_more_is_not_waited_for() -> None:
    """What is stuck doesn't become ready: it goes as soon as the others run theirs."""
    standing = {"c": Standing(ready=0, stuck=3), **dict.fromkeys("ab", Standing(ready=5, healthy=True))}
    world = fleet("a", "b", "c", previous={"a": 5, "b": 4, "c": 3})
    world = msgspec.structs.replace(world, standing={SHOP: standing}, steady=True)
    assert shares(plan(intent(replicas=Replicas(total=9, rebalance=True)), world)) == {"a": 5, "b": 4, "c": 0}


def test_not_unless_that_is_asked_for() -> None:
    assert shares(planned(STUCK, THREE)) == THREE


def test_it_does_not_go_back_while_that_is_remembered() -> None:
    """Else it would go to and fro every minute."""
    after: dict[str, int | None] = {"a": 4, "b": 4, "c": 1}
    assert shares(planned({"c": Standing(ready=1, most=1)}, after, rebalance=True)) == after
    assert shares(planned({"c": Standing(ready=1)}, after, rebalance=True)) == THREE


def test_where_nobody_has_room_it_is_said() -> None:
    everywhere = {name: Standing(stuck=2) for name in "abc"}
    found = planned(everywhere, THREE, rebalance=True)
    assert shares(found) == {"a": 1, "b": 1, "c": 1}
    assert found.short == "3 of 9 replicas are placed: each at its most"
