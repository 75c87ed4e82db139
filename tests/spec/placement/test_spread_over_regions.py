"""Spread: at least and at most so many regions, zones, providers or clusters, and so many clusters in each."""

import time

import pytest

from atoll.api.placement import Bounds, Placement, Spread
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

EU, US, AP = (
    {"region": "eu", "provider": "aws"},
    {"region": "us", "provider": "gcp"},
    {"region": "ap", "provider": "aws"},
)
WORLD = (
    *(cluster(name, zone=f"{name}-z", labels={"rack": name[-1]}, **EU) for name in ("eu1", "eu2", "eu3")),
    *(cluster(name, zone=f"{name}-z", labels={"rack": name[-1]}, **US) for name in ("us1", "us2")),
    cluster("ap1", labels={"rack": "1"}, **AP),
)
NOWHERE = cluster("lost")


def spread(*rules: Spread, there: tuple[str, ...] = (), extra: bool = False) -> Plan:
    world = (*WORLD, NOWHERE) if extra else WORLD
    previous = dict.fromkeys(there, 1) if there else None
    return plan(intent(placement=Placement(all=True, spread=rules)), fleet(*world, previous=previous))


def counts(planned: Plan) -> dict[str, int]:
    """Chosen clusters by region."""
    found: dict[str, int] = {}
    for name in planned.deliveries:
        found[name[:2]] = found.get(name[:2], 0) + 1
    return dict(sorted(found.items()))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((Spread("region", min=2),), {"ap": 1, "eu": 3, "us": 2}),  # a minimum alone takes nothing away
        ((Spread("region", min=3, clusters=Bounds(max=1)),), {"ap": 1, "eu": 1, "us": 1}),
        ((Spread("region", min=2, max=2, clusters=Bounds(min=2)),), {"eu": 3, "us": 2}),
        ((Spread("region", clusters=Bounds(min=2, max=2)),), {"eu": 2, "us": 2}),
        ((Spread("region", max=1, clusters=Bounds(min=3)),), {"eu": 3}),
        ((Spread("region", min=3), Spread("cluster", max=3)), {"ap": 1, "eu": 1, "us": 1}),
        ((Spread("region", min=2), Spread("cluster", max=5), Spread("provider", max=1)), {"ap": 1, "eu": 3}),
        ((Spread("topology.kubernetes.io/region", min=3), Spread("cluster", max=3)), {"ap": 1, "eu": 1, "us": 1}),
    ],
)
def test_the_rules_hold_together(rules: tuple[Spread, ...], expected: dict[str, int]) -> None:
    assert counts(spread(*rules)) == expected


def test_clusters_are_taken_evenly() -> None:
    assert counts(spread(Spread("region", min=2, max=2, clusters=Bounds(min=2)), Spread("cluster", max=4))) == {
        "eu": 2,
        "us": 2,
    }


def test_by_any_label() -> None:
    racks = {name[-1] for name in spread(Spread("rack", min=2, max=2, clusters=Bounds(max=1))).deliveries}
    assert len(racks) == 2


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ((Spread("region", min=4),), "spread by region: at least 4 are wanted, 3 of these (ap, eu, us) may have it"),
        ((Spread("cluster", min=7),), "spread by cluster: at least 7 are wanted, 6 clusters may have it"),
        (
            (Spread("region", min=3), Spread("cluster", max=2)),
            "spread: no choice of clusters meets all rules together",
        ),
        ((Spread("floor", min=1),), "spread by floor: it has no label floor"),
    ],
)
def test_what_can_not_be_met_places_nothing_new_and_says_why(rules: tuple[Spread, ...], why: str) -> None:
    planned = spread(*rules)
    assert planned.deliveries == {}
    assert {verdict.why for verdict in planned.verdicts} == {why}
    assert planned.short


def test_what_is_there_goes_on_when_a_minimum_can_no_longer_be_met() -> None:
    planned = spread(Spread("region", min=4, clusters=Bounds(max=1)), there=("eu2", "us1"))
    assert {"eu2", "us1"} <= planned.deliveries.keys()
    assert counts(planned) == {"ap": 1, "eu": 1, "us": 1}  # as well as the rules allow
    assert planned.warnings == (
        "spec.placement.spread by region: at least 4 are wanted, 3 of these (ap, eu, us) may have it",
    )
    assert not planned.short


@pytest.mark.parametrize(
    ("rules", "there", "stays"),
    [
        ((Spread("cluster", max=2),), ("us2", "eu3"), {"us2", "eu3"}),
        ((Spread("region", max=1),), ("us1",), {"us1", "us2"}),
        ((Spread("region", min=2), Spread("cluster", max=2)), ("us1", "us2"), {"us1"}),  # one of them must move
        ((Spread("region", min=2, clusters=Bounds(max=1)),), ("eu3", "us2"), {"eu3", "us2"}),
        ((Spread("cluster", max=1),), ("ap1", "eu1"), {"ap1"}),
    ],
)
def test_what_is_there_stays_where_the_rules_allow(
    rules: tuple[Spread, ...], there: tuple[str, ...], stays: set[str]
) -> None:
    kept = set(spread(*rules, there=there).deliveries)
    assert len(kept & set(there)) == len(stays & set(there))
    if len(stays & set(there)) == len(there):
        assert set(there) <= kept


@pytest.mark.parametrize(
    ("rule", "refused", "why"),
    [
        (Spread("region", max=1), "ap1", "spread by region: at most 1, and ap is not among them"),
        (Spread("region", clusters=Bounds(max=2)), "eu3", "spread by region: at most 2 in eu, and others come first"),
        (
            Spread("region", clusters=Bounds(min=2)),
            "ap1",
            "spread by region: 2 clusters are wanted in ap, 1 may have it",
        ),
        (Spread("cluster", max=2), "ap1", "spread by cluster: at most 2, and others come first"),
        (Spread("region", min=1), "lost", "spread by region: its region is not known"),
    ],
)
def test_whoever_is_left_out_is_told_by_which_rule(rule: Spread, refused: str, why: str) -> None:
    planned = spread(rule, there=("eu1", "eu2"), extra=True)
    assert {v.cluster: v.why for v in planned.verdicts}[refused] == why


def test_as_many_groups_as_clusters_take_no_more_than_a_moment() -> None:
    """A label of which each cluster has another value: the search went as deep as there are groups, and looked at each
    of them at each step.
    """
    world = [cluster(f"c{n}", labels={"host": f"h{n}"}) for n in range(1024)]
    wish = Placement(all=True, spread=(Spread("host", min=1024, max=1024),))
    began = time.process_time()
    planned = plan(intent(placement=wish), fleet(*world))
    assert len(planned.deliveries) == 1024
    assert time.process_time() - began < 3.0  # it took 8 s, and failed at 1,000
