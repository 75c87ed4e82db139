"""KubeFed's ReplicaSchedulingPreference: the numbers that its scheduler comes to, worked out by hand.

Equal weights are served in the order of FNV-32 of cluster and key: for the key "demo/web" that is a, c, b, d.
"""

import pytest

from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.plan.kubefed import Preference, fnv32, kubefed
from atoll.plan.planner import plan
from atoll.testing.worlds import fleet, intent

KEY = "demo/web"
ONE = Preference(1)


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0x811C9DC5), ("a", 0x050C5D7E), ("b", 0x050C5D7D), ("foobar", 0x31F0B262)]
)
def test_the_hash_is_fnv_1_of_32_bits(text: str, expected: int) -> None:
    assert fnv32(text) == expected


def test_equal_weights_are_served_in_the_order_of_the_hash() -> None:
    order = ["a", "c", "b", "d"]
    one_each = [
        kubefed(n, dict.fromkeys("abcd", ONE), key=KEY, current={}, capacity={}, rebalance=True) for n in (1, 2, 3)
    ]
    for number, shares in enumerate(one_each, 1):
        assert {name for name, share in shares.items() if share} == set(order[:number])


@pytest.mark.parametrize(
    ("total", "wanted", "expected"),
    [
        # each gets its part of what is left, rounded up, the heaviest first
        (50, {"a": ONE, "b": Preference(2)}, {"a": 16, "b": 34}),
        (9, {"a": Preference(1), "b": Preference(2), "c": Preference(6)}, {"a": 1, "b": 2, "c": 6}),
        (10, {"a": Preference(1), "b": Preference(2), "c": Preference(3)}, {"a": 1, "b": 4, "c": 5}),
        (7, {"a": Preference(1), "b": Preference(3)}, {"a": 1, "b": 6}),
        (0, {"a": ONE, "b": ONE}, {"a": 0, "b": 0}),
        # nobody weighs anything: only what is at least
        (10, {"a": Preference(0, 2), "b": Preference(0)}, {"a": 2, "b": 0}),
        # at least, then by weight
        (10, {"a": Preference(1, 5), "b": Preference(4)}, {"a": 6, "b": 4}),
        # too little for all that is at least: the heaviest first
        (5, {"a": Preference(1, 4), "b": Preference(3, 4)}, {"a": 1, "b": 4}),
        # whoever is full drops out, and a further round gives the rest to the others
        (10, {"a": Preference(3, 0, 2), "b": Preference(1)}, {"a": 2, "b": 8}),
        (10, {"a": Preference(1, 0, 3), "b": Preference(1, 0, 3)}, {"a": 3, "b": 3}),
    ],
)
def test_totals_by_weight(total: int, wanted: dict[str, Preference], expected: dict[str, int]) -> None:
    assert kubefed(total, wanted, key=KEY, current={}, capacity={}, rebalance=True) == expected


@pytest.mark.parametrize(
    ("rebalance", "total", "current", "expected"),
    [
        (True, 9, {"a": 9}, {"a": 3, "b": 3, "c": 3}),
        (False, 9, {"a": 9}, {"a": 9, "b": 0, "c": 0}),  # all that runs stays
        (False, 12, {"a": 6}, {"a": 6, "b": 3, "c": 3}),  # what it keeps counts for its part of each round
        (False, 5, {"a": 4, "b": 4}, {"a": 4, "b": 1, "c": 0}),  # less than runs: in the order of the hash
    ],
)
def test_what_runs_stays_unless_all_is_rebalanced(
    rebalance: bool, total: int, current: dict[str, int], expected: dict[str, int]
) -> None:
    wanted = dict.fromkeys("abc", ONE)
    assert kubefed(total, wanted, key=KEY, current=current, capacity={}, rebalance=rebalance) == expected


@pytest.mark.parametrize(
    ("rebalance", "capacity", "expected"),
    [
        (True, {"a": 1}, {"a": 3, "b": 4, "c": 4}),  # a's two that overflow are wanted there and run elsewhere
        (False, {"a": 1}, {"a": 1, "b": 4, "c": 4}),  # all found a place: nothing overflows
        (False, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 3, "c": 3}),  # nobody has a place: all wait where they would be
    ],
)
def test_what_finds_no_place_overflows(rebalance: bool, capacity: dict[str, int], expected: dict[str, int]) -> None:
    wanted = dict.fromkeys("abc", ONE)
    assert kubefed(9, wanted, key=KEY, current={}, capacity=capacity, rebalance=rebalance) == expected


def test_an_application_can_ask_for_it() -> None:
    share = Replicas(
        total=10,
        divide="kubefed",
        weights={"a": 1, "b": 4},
        limits={"a": ReplicaLimits(min=5)},
        rebalance=True,
    )
    planned = plan(intent(replicas=share), fleet("a", "b", "c"))
    assert {name: s.common for name, s in planned.shares.items()} == {"a": 6, "b": 4, "c": 0}
    assert planned.shares["b"].why == "weight 4 of 5, as KubeFed divides"
