"""Random fleets and wishes: what spread, division and failover always keep."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.differences import Target
from atoll.api.failover import Carry, Failover
from atoll.api.intent import Intent
from atoll.api.placement import Bounds, Placement, Spread
from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.api.rooms import Room
from atoll.plan.apportion import apportion_within
from atoll.plan.model import ClusterFacts, Plan, Snapshot, Standing
from atoll.plan.planner import plan
from atoll.plan.topology import group_of
from atoll.testing.worlds import SHOP, cluster, container, deployment, intent
from tests.machines.effort import EFFORT

MANY = settings(max_examples=100 * EFFORT, deadline=None)
NAMES = [f"c{n}" for n in range(9)]
PODS = deployment("web", container(resources={"requests": {"cpu": "1"}}))
FACTS = st.fixed_dictionaries(
    {
        "region": st.sampled_from(["", "eu", "us", "ap"]),
        "zone": st.sampled_from(["1", "2"]),
        "rooms": st.none() | st.integers(0, 9).map(lambda n: (Room({"cpu": n * 1000}, 110),)),
        "cordoned": st.booleans(),
        "ready": st.sampled_from([True, True, True, False]),
    }
)
FLEETS = st.dictionaries(st.sampled_from(NAMES), FACTS, max_size=8).map(
    lambda found: {name: cluster(name, **facts) for name, facts in found.items()}
)
NUMBERS = st.integers(0, 3)
SPREADS = st.lists(
    st.builds(
        lambda by, least, more, each: Spread(
            by, min=least, max=least + more if more else None, clusters=each if by != "cluster" else None
        ),
        st.sampled_from(["region", "zone", "cluster"]),
        NUMBERS,
        NUMBERS,
        st.none() | st.builds(lambda low, more: Bounds(low, low + more + 1), st.integers(0, 2), NUMBERS),
    ).filter(lambda rule: rule.min > 0 or rule.max is not None or rule.clusters is not None),
    max_size=3,
).map(tuple)
LIMITS = st.builds(lambda low, more: ReplicaLimits(low, low + more), NUMBERS, NUMBERS)
SHARES = st.builds(
    lambda total, divide, limits, weights: Replicas(
        total=total, divide=divide, limits=limits, weights=weights if divide in ("weighted", "kubefed") else {}
    ),
    st.integers(0, 20),
    st.sampled_from(["weighted", "capacity", "packed", "kubefed"]),
    st.dictionaries(st.sampled_from([*NAMES, "*"]), LIMITS, max_size=3),
    st.dictionaries(st.sampled_from([*NAMES, "*"]), st.integers(1, 5), max_size=3),
)
PREVIOUS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6), max_size=4)


def snapshot(clusters: dict[str, ClusterFacts], previous: dict[str, Any] | None = None, **more: Any) -> Snapshot:
    return Snapshot(clusters, previous={SHOP: previous or {}}, **more)


def app(spread: tuple[Spread, ...] = (), replicas: Replicas | None = None, **more: Any) -> Intent:
    return intent(PODS, placement=Placement(all=True, spread=spread), replicas=replicas, **more)


def filled(clusters: dict[str, ClusterFacts], before: dict[str, int], now: dict[str, int]) -> dict[str, ClusterFacts]:
    """The same clusters when what was placed runs: so much less is free."""
    found = dict(clusters)
    for name, facts in clusters.items():
        more = now.get(name, 0) - before.get(name, 0)
        if facts.rooms:
            (room,) = facts.rooms
            left = Room({"cpu": max(0, room.free["cpu"] - more * 1000)}, room.pods)
            found[name] = msgspec.structs.replace(facts, rooms=(left,))
    return found


def numbers(planned: Plan) -> dict[str, int]:
    return {name: share.common or 0 for name, share in planned.shares.items()}


def holds(rule: Spread, chosen: set[str], clusters: dict[str, ClusterFacts], *, least: bool) -> bool:
    ask = group_of(rule.by)
    counts = Counter(ask(clusters[name]) for name in chosen)
    each = rule.clusters or Bounds()
    if "" in counts or len(counts) > (rule.max or len(counts)):
        return False
    if any(number > (each.max or number) for number in counts.values()):
        return False
    return not least or (len(counts) >= rule.min and all(number >= each.min for number in counts.values()))


@MANY
@given(FLEETS, SPREADS, PREVIOUS)
def test_no_rule_of_spread_is_broken(
    clusters: dict[str, ClusterFacts], rules: tuple[Spread, ...], previous: dict[str, int]
) -> None:
    planned = plan(app(rules), snapshot(clusters, previous))
    chosen = set(planned.deliveries)
    said = any("spread" in warning for warning in planned.warnings)
    if chosen:
        for rule in rules:
            assert holds(rule, chosen, clusters, least=not said), rule
    if said:
        assert previous  # only what was somewhere may go on with less than is wanted


@MANY
@given(FLEETS, SPREADS)
def test_a_choice_is_found_wherever_there_is_one(clusters: dict[str, ClusterFacts], rules: tuple[Spread, ...]) -> None:
    planned = plan(app(rules), snapshot(clusters))
    if planned.deliveries or not rules:
        return
    may = [name for name, facts in clusters.items() if facts.ready and not facts.cordoned]
    for bits in range(1, 1 << len(may)):
        chosen = {name for index, name in enumerate(may) if bits >> index & 1}
        assert not all(holds(rule, chosen, clusters, least=True) for rule in rules), chosen


@MANY
@given(FLEETS, SPREADS, PREVIOUS)
def test_what_is_there_stays_where_the_rules_hold_with_it(
    clusters: dict[str, ClusterFacts], rules: tuple[Spread, ...], previous: dict[str, int]
) -> None:
    there = {name for name in previous if name in clusters}
    if there and all(holds(rule, there, clusters, least=True) for rule in rules):
        assert there <= set(plan(app(rules), snapshot(clusters, previous)).deliveries)


@MANY
@given(FLEETS, SHARES, PREVIOUS)
def test_limits_hold_and_the_total_is_met_where_there_is_room(
    clusters: dict[str, ClusterFacts], share: Replicas, previous: dict[str, int]
) -> None:
    planned = plan(app(replicas=share), snapshot(clusters, previous))
    found = numbers(planned)
    total = share.total or 0
    if not found or planned.refusals:
        return
    limits = {name: share.limits.get(name, share.limits.get("*", ReplicaLimits())) for name in clusters}
    mosts = {name: bounds.max for name, bounds in limits.items() if bounds.max is not None}
    assert all(number <= mosts.get(name, number) for name, number in found.items())
    assert sum(found.values()) <= total
    by_room = share.divide in ("capacity", "packed")
    if by_room:
        assert all(found[name] <= room_of(clusters[name], previous.get(name, 0)) for name in found)
    may = [name for name, facts in clusters.items() if may_have(facts, name in previous)]
    room = 0
    for name in may:
        most = limits[name].max
        carries = room_of(clusters[name], previous.get(name, 0)) if by_room else total * bool(weight(share, name))
        room += carries if most is None else min(most, carries)
    if share.divide != "kubefed" and room >= total:
        assert sum(found.values()) == total
        assert not planned.short
    elif sum(found.values()) < total:
        assert planned.short


def may_have(facts: ClusterFacts, there: bool) -> bool:
    return there or (facts.ready and not facts.cordoned)


def room_of(facts: ClusterFacts, has: int) -> int:
    return has + (sum(room.free["cpu"] // 1000 for room in facts.rooms) if facts.rooms and facts.ready else 0)


def weight(share: Replicas, name: str) -> int:
    return share.weights.get(name, share.weights.get("*", 0)) if share.weights else 1


@MANY
@given(FLEETS, SPREADS, SHARES, PREVIOUS)
def test_same_snapshot_same_plan_whatever_the_order_of_its_keys(
    clusters: dict[str, ClusterFacts], rules: tuple[Spread, ...], share: Replicas, previous: dict[str, int]
) -> None:
    first = plan(app(rules, share), snapshot(clusters, previous))
    turned = snapshot(dict(reversed(clusters.items())), dict(reversed(previous.items())))
    assert plan(app(rules, share), turned) == first


@MANY
@given(FLEETS, SPREADS, SHARES, PREVIOUS)
def test_planning_again_moves_nothing(
    clusters: dict[str, ClusterFacts], rules: tuple[Spread, ...], share: Replicas, previous: dict[str, int]
) -> None:
    first = plan(app(rules, share), snapshot(clusters, previous))
    beckoned = bool(rules) and any(
        bounds.min for bounds in share.limits.values()
    )  # a newcomer's least draws some to it
    if share.divide != "kubefed" and not beckoned:  # KubeFed's way has no memory but what runs
        settled = filled(clusters, previous, numbers(first))
        assert numbers(plan(app(rules, share), snapshot(settled, dict(numbers(first))))) == numbers(first)


@MANY
@given(FLEETS, st.sampled_from(["capacity", "packed"]), st.integers(1, 20), FACTS)
def test_a_new_cluster_takes_nothing_that_has_room(
    clusters: dict[str, ClusterFacts], divide: Any, total: int, facts: dict[str, Any]
) -> None:
    share = Replicas(total=total, divide=divide)
    before = numbers(plan(app(replicas=share), snapshot(clusters)))
    more = {**filled(clusters, {}, before), "new": cluster("new", **facts)}
    after = numbers(plan(app(replicas=share), snapshot(more, dict(before))))
    assert {name: after.get(name, 0) for name in before} == before


@MANY
@given(FLEETS, st.sampled_from(["capacity", "packed"]), st.integers(1, 20), st.data())
def test_a_cluster_that_goes_moves_only_what_it_had(
    clusters: dict[str, ClusterFacts], divide: Any, total: int, data: st.DataObject
) -> None:
    share = Replicas(total=total, divide=divide)
    before = numbers(plan(app(replicas=share), snapshot(clusters)))
    if not before:
        return
    lost = data.draw(st.sampled_from(sorted(before)))
    rest = {name: facts for name, facts in filled(clusters, {}, before).items() if name != lost}
    after = numbers(plan(app(replicas=share), snapshot(rest, dict(before))))
    assert all(after.get(name, 0) >= number for name, number in before.items() if name != lost)
    missing = total - sum(before.values())
    assert sum(after.get(name, 0) - before.get(name, 0) for name in after) <= before[lost] + missing


@MANY
@given(
    st.integers(0, 40),
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 6), min_size=1),
    st.dictionaries(st.sampled_from(NAMES), LIMITS, max_size=4),
    st.sampled_from(NAMES),
    st.integers(1, 3),
)
def test_a_larger_weight_within_limits_never_costs_its_cluster_a_replica(
    total: int, weights: dict[str, int], limits: dict[str, ReplicaLimits], name: str, more: int
) -> None:
    least = {n: bounds.min for n, bounds in limits.items() if n in weights}
    most = {n: bounds.max for n, bounds in limits.items() if n in weights and bounds.max is not None}
    if name not in weights:
        return
    before = apportion_within(total, weights, least, most, {})
    after = apportion_within(total, {**weights, name: weights[name] + more}, least, most, before)
    assert after[name] >= before[name]


@MANY
@given(FLEETS, st.integers(1, 20), st.sets(st.sampled_from(NAMES)), st.sampled_from(["weighted", "capacity", "packed"]))
def test_nothing_is_taken_away_before_others_are_ready(
    clusters: dict[str, ClusterFacts], total: int, lost: set[str], divide: Any
) -> None:
    """However many are lost: no cluster gets less than it had, until all that got more are ready."""
    share = Replicas(total=total, divide=divide)
    first = numbers(plan(app(replicas=share), snapshot(clusters)))
    now = {
        name: msgspec.structs.replace(facts, ready=False, lost_since=1.0) if name in lost else facts
        for name, facts in clusters.items()
    }
    wish = app(replicas=share, failover=Failover(limit=100))
    standing = {SHOP: {name: Standing(ready=number, healthy=True) for name, number in first.items()}}
    moved = plan(wish, snapshot(now, dict(first), now=1000.0, steady=True, standing=standing))
    assert {name: number for name, number in numbers(moved).items() if name in first and number < first[name]} == {}
    assert first.keys() <= moved.shares.keys()
    gained = {n: number - first.get(n, 0) for n, number in numbers(moved).items() if number > first.get(n, 0)}
    assert sum(gained.values()) <= sum(first[name] for name in lost & first.keys()) + total - sum(first.values())
    assert lost.isdisjoint(gained)


@MANY
@given(FLEETS, st.integers(0, 100))
def test_while_too_many_are_lost_nothing_fails_over(clusters: dict[str, ClusterFacts], limit: int) -> None:
    share = Replicas(total=12)
    first = numbers(plan(app(replicas=share), snapshot(clusters)))
    lost = {name for name, facts in clusters.items() if facts.zone == "1"}
    now = {
        name: msgspec.structs.replace(facts, ready=False, lost_since=1.0) if name in lost else facts
        for name, facts in clusters.items()
    }
    planned = plan(app(replicas=share, failover=Failover(limit=limit)), snapshot(now, dict(first), now=1000.0))
    if len(lost) * 100 > limit * len(clusters) or not limit:
        assert numbers(planned) == first
        assert not any(share.leaving for share in planned.shares.values())
        assert bool(planned.brake) is bool(lost & first.keys() and limit)


SAVED = Carry(Target(kind="Deployment"), "/status/saved", as_="env", name="SAVED")


@MANY
@given(FLEETS, st.integers(1, 4), st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_who_comes_for_who_leaves_is_brought_its_state_and_keeps_it(
    clusters: dict[str, ClusterFacts], places: int, lost: set[str], known: set[str]
) -> None:
    """Whoever is new gets the state of one that begins to leave, where any of these has some; nobody else gets any."""
    wish = app((Spread("cluster", max=places),), Replicas(each=1), failover=Failover(limit=100, carry=(SAVED,)))
    first = set(plan(wish, snapshot(clusters)).shares)
    now = {
        name: msgspec.structs.replace(facts, ready=False, lost_since=1.0) if name in lost else facts
        for name, facts in clusters.items()
    }
    standing = {n: Standing(ready=1, healthy=True, carry={"SAVED": n} if n in known else {}) for n in first}
    world = snapshot(now, dict.fromkeys(first, 1), now=1000.0, steady=True, standing={SHOP: standing})
    moved = plan(wish, world)
    sources = {name for name, share in moved.shares.items() if share.leaving} & known
    for name, share in moved.shares.items():
        assert bool(share.carried) is bool(name not in first and sources)
        assert set(share.carried.values()) <= sources
    after = {
        n: Standing(ready=1, healthy=True, leaving=s.leaving, carried=s.carried, came_from=s.came_from)
        for n, s in moved.shares.items()
    }
    then = snapshot(now, dict.fromkeys(moved.shares, 1), now=1001.0, steady=True, standing={SHOP: after})
    again = plan(wish, then).shares
    assert {n: s.carried for n, s in again.items()} == {n: moved.shares[n].carried for n in again}
