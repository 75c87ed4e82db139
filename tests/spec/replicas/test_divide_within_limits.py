"""Weights within limits: whoever's part is beyond a limit gets the limit, and the others divide the rest."""

import pytest

from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import fleet, intent

AT_MOST_2, AT_LEAST_2 = ReplicaLimits(max=2), ReplicaLimits(min=2)


def divided(total: int, weights: dict[str, int], limits: dict[str, ReplicaLimits]) -> Plan:
    return plan(intent(replicas=Replicas(total=total, weights=weights, limits=limits)), fleet("ap", "eu", "us"))


@pytest.mark.parametrize(
    ("total", "weights", "limits", "expected"),
    [
        (9, {}, {"eu": AT_MOST_2}, {"ap": 4, "eu": 2, "us": 3}),
        (9, {}, {"*": AT_MOST_2, "us": ReplicaLimits(max=9)}, {"ap": 2, "eu": 2, "us": 5}),
        (3, {"eu": 1, "*": 0}, {"ap": AT_LEAST_2}, {"ap": 2, "eu": 1, "us": 0}),
        (9, {"eu": 8, "*": 1}, {"*": AT_LEAST_2}, {"ap": 2, "eu": 5, "us": 2}),
        (10, {"eu": 3, "*": 1}, {"eu": ReplicaLimits(max=4), "us": ReplicaLimits(min=4)}, {"ap": 2, "eu": 4, "us": 4}),
        (5, {}, {"*": AT_LEAST_2}, {"ap": 2, "eu": 2, "us": 1}),  # too few for all that is at least: by weight, by name
        (5, {"us": 2, "*": 1}, {"*": AT_LEAST_2}, {"ap": 2, "eu": 1, "us": 2}),
        (0, {}, {"*": AT_LEAST_2}, {"ap": 0, "eu": 0, "us": 0}),
    ],
)
def test_the_limits_hold(
    total: int, weights: dict[str, int], limits: dict[str, ReplicaLimits], expected: dict[str, int]
) -> None:
    planned = divided(total, weights, limits)
    assert {name: share.common for name, share in planned.shares.items()} == expected
    assert not planned.short


def test_what_nobody_may_take_is_said() -> None:
    planned = divided(9, {}, {"*": AT_MOST_2})
    assert [share.common for share in planned.shares.values()] == [2, 2, 2]
    assert planned.short == "6 of 9 replicas are placed: each at its most"


def test_the_limit_that_decided_is_named() -> None:
    whys = {n: share.why for n, share in divided(9, {}, {"eu": AT_MOST_2, "us": ReplicaLimits(min=1)}).shares.items()}
    assert whys == {"ap": "weight 1 of 3", "eu": "weight 1 of 3, at most 2", "us": "weight 1 of 3"}
    whys = {n: share.why for n, share in divided(3, {"eu": 1}, {"ap": ReplicaLimits(min=1)}).shares.items()}
    assert whys["ap"] == "weight 0 of 1, at least 1"
