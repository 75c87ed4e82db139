"""`failover.carry`: what was seen where an application leaves is set where it comes to, and stays there."""

from typing import Any

import msgspec
import pytest

from atoll.api.differences import Target
from atoll.api.failover import Carry, Failover
from atoll.api.objects import Json
from atoll.api.placement import Placement, Spread
from atoll.api.replicas import Replicas
from atoll.plan.model import ClusterFacts, Plan, Snapshot, Standing
from atoll.plan.planner import plan
from atoll.testing.worlds import SHOP, cluster, config, container, deployment, fleet, intent

ONE = Placement(all=True, spread=(Spread("cluster", max=1),))
WEB = Target(kind="Deployment", name="web")
SAVED = Carry(WEB, "/status/saved", as_="env", name="SAVED")
THERE = Standing(ready=1, healthy=True, carry={"SAVED": "s3://42"})
LOST = cluster("a", ready=False, lost_since=1000.0)


def world(*clusters: ClusterFacts | str, steady: bool = True, **standing: Standing) -> Snapshot:
    found = fleet(*clusters, previous=dict.fromkeys(standing, 1))
    return msgspec.structs.replace(found, now=2000.0, steady=steady, standing={SHOP: standing})


def moved(snapshot: Snapshot, *rules: Carry, placement: Placement = ONE, **failover: Any) -> Plan:
    wish = Failover(limit=100, carry=rules or (SAVED,), **failover)
    app = intent(
        deployment("web", container("app", env=[{"name": "LEVEL", "value": "info"}]), initContainers=[container("i")]),
        config(),
        placement=placement,
        replicas=Replicas(each=1),
        failover=wish,
    )
    return plan(app, snapshot)


def body(planned: Plan, cluster: str, kind: str = "Deployment") -> Json:
    return next(m.body for m in planned.deliveries[cluster].objects if m.id.kind == kind)


def variables(planned: Plan, cluster: str) -> list[dict[str, str]]:
    """Of each container, init containers last."""
    spec = body(planned, cluster)["spec"]["template"]["spec"]
    return [{e["name"]: e["value"] for e in c.get("env", ())} for c in (*spec["containers"], *spec["initContainers"])]


def test_who_takes_over_from_a_lost_cluster_gets_what_was_seen_there() -> None:
    planned = moved(world(LOST, "b", a=THERE))
    assert planned.shares["a"].leaving
    assert variables(planned, "b") == [{"LEVEL": "info", "SAVED": "s3://42"}, {"SAVED": "s3://42"}]
    assert variables(planned, "a") == [{"LEVEL": "info"}, {}], "where it was, nothing changes"
    assert (planned.shares["b"].carried, planned.shares["b"].came_from) == ({"SAVED": "s3://42"}, "a")
    assert planned.shares["b"].why == "1 on each; SAVED came along from a"


@pytest.mark.parametrize(
    ("facts", "standing"),
    [
        (cluster("a"), msgspec.structs.replace(THERE, degraded_since=1000.0, healthy=False, ready=0)),
        (cluster("a", cordoned=True, drained=True), THERE),
    ],
)
def test_so_it_is_where_it_is_degraded_and_where_a_cluster_is_drained(facts: ClusterFacts, standing: Standing) -> None:
    assert variables(moved(world(facts, "b", a=standing), degraded="10m"), "b")[0]["SAVED"] == "s3://42"


@pytest.mark.parametrize(
    ("rule", "metadata"),
    [
        (Carry(WEB, "/status/saved", as_="label", name="SAVED"), {"labels": {"SAVED": "s3-42"}}),
        (Carry(WEB, "/status/saved", as_="annotation", name="SAVED"), {"annotations": {"SAVED": "s3-42"}}),
    ],
)
def test_it_may_be_a_label_or_an_annotation_of_the_object_itself(rule: Carry, metadata: Json) -> None:
    planned = moved(world(LOST, "b", a=Standing(ready=1, healthy=True, carry={"SAVED": "s3-42"})), rule)
    found = body(planned, "b")
    assert {k: v for k, v in found["metadata"].items() if k in metadata} == metadata
    assert found["spec"]["template"]["metadata"] == {"labels": {"app": "web"}}, "no Pod is other for it"


def test_another_object_may_get_it() -> None:
    rule = Carry(WEB, "/status/saved", as_="label", name="SAVED", to=Target(kind="ConfigMap"))
    planned = moved(world(LOST, "b", a=Standing(ready=1, healthy=True, carry={"SAVED": "1"})), rule)
    assert body(planned, "b", "ConfigMap")["metadata"]["labels"] == {"SAVED": "1"}
    assert "labels" not in body(planned, "b")["metadata"]


def test_what_is_no_value_of_a_label_is_told_and_left_out() -> None:
    planned = moved(world(LOST, "b", a=THERE), Carry(WEB, "/status/saved", as_="label", name="SAVED"))
    assert not planned.shares["b"].carried
    assert planned.warnings == ("spec.failover.carry[0]: not carried: what a had for SAVED is no label's value",)


def test_what_was_brought_stays_whatever_else_changes() -> None:
    brought = Standing(ready=1, healthy=True, carried={"SAVED": "s3://42"}, came_from="a")
    for steady in (True, False):
        planned = moved(world("a", "b", steady=steady, b=brought))
        assert variables(planned, "b")[0]["SAVED"] == "s3://42"
        assert planned.shares["b"].came_from == "a"
    other = moved(world("a", "b", b=brought), Carry(WEB, "/status/saved", as_="env", name="OTHER"))
    assert variables(other, "b")[0] == {"LEVEL": "info"}, "nobody asks for it any more"


def test_who_left_long_ago_brings_nothing_to_who_comes_now() -> None:
    left = msgspec.structs.replace(THERE, leaving="not ready for 5m")
    two = Placement(all=True, spread=(Spread("cluster", max=2),))
    planned = moved(world(LOST, "b", "c", a=left, b=Standing(ready=1, healthy=True)), placement=two)
    assert "c" in planned.shares
    assert not planned.shares["c"].carried


@pytest.mark.parametrize("ready", [0, 1])
def test_who_comes_back_gets_what_its_replacement_had_last(ready: int) -> None:
    back = msgspec.structs.replace(THERE, ready=ready, leaving="not ready for 5m")
    took = Standing(ready=1, healthy=True, carried={"SAVED": "s3://42"}, came_from="a", carry={"SAVED": "s3://43"})
    home = Placement(clusters=("a",), fallback=(Placement(clusters=("b",)),))
    planned = moved(world("a", "b", a=back, b=took), placement=home)
    assert variables(planned, "a")[0]["SAVED"] == "s3://43"
    if not ready:
        assert planned.shares["b"].leaving
        assert variables(planned, "b")[0]["SAVED"] == "s3://42", "it keeps running as it is"


def test_what_was_brought_goes_on_where_nothing_newer_was_seen() -> None:
    brought = Standing(ready=1, healthy=True, carried={"SAVED": "s3://42"}, came_from="x")
    planned = moved(world(LOST, "b", a=brought))
    assert (planned.shares["b"].carried, planned.shares["b"].came_from) == ({"SAVED": "s3://42"}, "a")


def test_each_of_several_has_one_to_follow() -> None:
    two = Placement(all=True, spread=(Spread("cluster", max=2),))
    gone = [cluster(name, ready=False, lost_since=1000.0) for name in "ab"]
    standing = {n: Standing(ready=1, healthy=True, carry={"SAVED": n}) for n in "ab"}
    planned = moved(world(*gone, "c", "d", a=standing["a"], b=standing["b"]), placement=two)
    assert {n: share.carried.get("SAVED") for n, share in planned.shares.items()} == {
        **dict.fromkeys("ab"),
        "c": "a",
        "d": "b",
    }


def test_what_a_user_moves_starts_afresh() -> None:
    planned = moved(world("a", "b", steady=False, a=THERE), placement=Placement(clusters=("b",)))
    assert variables(planned, "b")[0] == {"LEVEL": "info"}
    ordered = moved(world("a", "b", a=THERE), placement=Placement(clusters=("b",)))
    assert variables(ordered, "b")[0]["SAVED"] == "s3://42", "the labels of a changed, nobody changed the application"
