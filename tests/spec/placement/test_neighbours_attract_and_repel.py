"""Affinity: only where other Applications of the namespace are. Anti-affinity: not where they are."""

from typing import Any

import msgspec
import pytest

from atoll.api.common import LabelSelector
from atoll.api.placement import Neighbours, Placement
from atoll.plan.model import Neighbour, Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

WORLD = (cluster("a", region="eu"), cluster("b", region="eu"), cluster("c", region="us"))
OTHERS = {
    "db": Neighbour({"tier": "data"}, frozenset({"a"})),
    "cache": Neighbour({"tier": "data"}, frozenset({"c"})),
    "new": Neighbour({}, frozenset()),
}


def placed(there: str = "", **affinity: Any) -> Plan:
    world = fleet(*WORLD, previous={there: 1} if there else None)
    app = intent(placement=Placement(all=True, **affinity))
    return plan(app, msgspec.structs.replace(world, neighbours=OTHERS))


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        (Neighbours(application="db"), ["a"]),
        (Neighbours(application="db", by="region"), ["a", "b"]),
        (Neighbours(selector=LabelSelector({"tier": "data"})), ["a", "c"]),
        (Neighbours(application="new"), []),
        (Neighbours(application="unheard-of"), []),
        (Neighbours(application="db", by="rack"), []),
    ],
)
def test_affinity(near: Neighbours, expected: list[str]) -> None:
    assert list(placed(affinity=(near,)).deliveries) == expected
    repelled = placed(anti_affinity=(near,))
    assert list(repelled.deliveries) == [name for name in "abc" if name not in expected]


def test_every_term_must_hold() -> None:
    near = (Neighbours(application="db", by="region"), Neighbours(application="cache", by="region"))
    assert list(placed(affinity=near).deliveries) == []


def test_it_decides_where_an_application_comes_to_not_where_it_is() -> None:
    assert "c" in placed("c", affinity=(Neighbours(application="db"),)).deliveries
    assert "a" in placed("a", anti_affinity=(Neighbours(application="db"),)).deliveries


def test_the_verdict_names_the_neighbour() -> None:
    whys = {v.cluster: v.why for v in placed(anti_affinity=(Neighbours(application="db", by="region"),)).verdicts}
    assert whys["b"] == "antiAffinity: Application db is in region eu"
    whys = {v.cluster: v.why for v in placed(affinity=(Neighbours(application="db"),)).verdicts}
    assert whys["b"] == "affinity: Application db is not in cluster b"
