"""Preferences decide who is taken when not all are; they never move what is there."""

from atoll.api.cluster import Resources, Taint
from atoll.api.common import LabelSelector
from atoll.api.intent import Intent
from atoll.api.objects import Key
from atoll.api.placement import Placement, Preference, Spread
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

ONE = (Spread("cluster", max=1),)
FAST = Preference(selector=LabelSelector({"disk": "fast"}), weight=10)
NEAR = Preference(where='cluster.region == "eu"', weight=15)
WORLD = (
    cluster("a", labels={"disk": "slow"}, region="us"),
    cluster("b", labels={"disk": "fast"}, region="us"),
    cluster("c", labels={"disk": "slow"}, region="eu"),
    cluster("d", labels={"disk": "fast"}, region="eu"),
)


def chosen(*prefer: Preference, there: str = "", world: tuple[object, ...] = WORLD) -> list[str]:
    placement = Placement(all=True, spread=ONE, prefer=prefer)
    return list(plan(intent(placement=placement), fleet(*world, previous={there: 1} if there else None)).deliveries)  # type: ignore[arg-type]


def test_weights_add_up() -> None:
    assert chosen(FAST) in (["b"], ["d"])
    assert chosen(FAST, NEAR) == ["d"]
    assert chosen(FAST, NEAR, Preference(clusters=("a",), weight=30)) == ["a"]


def test_what_is_there_stays_although_another_is_preferred() -> None:
    assert chosen(FAST, NEAR, there="a") == ["a"]


def test_an_expression_that_does_not_compile_prefers_nobody() -> None:
    assert chosen(FAST, NEAR, Preference(where="cluster.", weight=100)) == ["d"]


def test_a_soft_taint_comes_after_preferences_and_before_load() -> None:
    soft = cluster("a", taints=(Taint("k", "", "PreferNoSchedule"),))
    full = cluster("b", allocatable=Resources(10.0, 100), requested=Resources(9.0, 10))
    empty = cluster("c", allocatable=Resources(10.0, 100), requested=Resources(1.0, 10))
    assert chosen(world=(soft, full)) == ["b"]
    assert chosen(world=(full, empty)) == ["c"]
    assert chosen(Preference(clusters=("a",)), world=(soft, full)) == ["a"]


def test_equal_clusters_are_not_all_taken_in_the_order_of_their_names() -> None:
    world = fleet(*(f"c{n}" for n in range(10)))
    app = intent(placement=Placement(all=True, spread=ONE))

    def named(name: str) -> Intent:
        return type(app)(Key("demo", name), app.uid, app.revision, app.manifests, app.placement)

    taken = {next(iter(plan(named(f"app-{n}"), world).deliveries)) for n in range(40)}
    assert len(taken) >= 6
