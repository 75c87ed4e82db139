"""What holds for every division, whatever the numbers."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.plan.apportion import apportion

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
TOTALS = st.integers(0, 40)
WEIGHTS = st.dictionaries(NAMES, st.integers(0, 6), min_size=1).filter(lambda weights: sum(weights.values()) > 0)
EQUAL = st.sets(NAMES, min_size=1).map(lambda names: dict.fromkeys(sorted(names), 1))
PREVIOUS = st.dictionaries(NAMES, st.none() | st.integers(0, 20))
FEW = settings(max_examples=150, deadline=None)


@FEW
@given(TOTALS, WEIGHTS, PREVIOUS)
def test_the_shares_sum_to_the_total_and_each_is_its_quota_rounded(
    total: int, weights: dict[str, int], previous: dict[str, int | None]
) -> None:
    shares = apportion(total, weights, previous)
    whole = sum(weights.values())
    assert shares.keys() == weights.keys()
    assert sum(shares.values()) == total
    for name, share in shares.items():
        assert total * weights[name] // whole <= share <= -(-total * weights[name] // whole)


@FEW
@given(TOTALS, WEIGHTS, PREVIOUS)
def test_the_order_of_names_in_a_map_says_nothing(
    total: int, weights: dict[str, int], previous: dict[str, int | None]
) -> None:
    assert apportion(total, weights, previous) == apportion(total, dict(reversed(weights.items())), previous)


@FEW
@given(TOTALS, WEIGHTS, PREVIOUS)
def test_dividing_again_moves_nothing(total: int, weights: dict[str, int], previous: dict[str, int | None]) -> None:
    shares = apportion(total, weights, previous)
    assert apportion(total, weights, shares) == shares


@FEW
@given(TOTALS, WEIGHTS, st.dictionaries(NAMES, st.integers(0, 20)))
def test_no_other_way_of_breaking_ties_moves_less(
    total: int, weights: dict[str, int], previous: dict[str, int]
) -> None:
    whole = sum(weights.values())

    def loss(name: str) -> int:
        return total * weights[name] % whole

    def moved(shares: dict[str, int]) -> int:
        return sum(abs(share - previous.get(name, 0)) for name, share in shares.items())

    floors = {name: total * weight // whole for name, weight in weights.items()}
    best = moved(apportion(total, weights, previous))
    left = total - sum(floors.values())
    for lucky in combinations(weights, left):
        others = [name for name in weights if name not in lucky]
        if all(loss(a) >= loss(b) for a in lucky for b in others):
            assert best <= moved({name: share + (name in lucky) for name, share in floors.items()})


@FEW
@given(TOTALS, EQUAL, PREVIOUS)
def test_with_equal_weights_a_larger_total_takes_nothing_from_anybody(
    total: int, weights: dict[str, int], previous: dict[str, int | None]
) -> None:
    before = apportion(total, weights, previous)
    after = apportion(total + 1, weights, before)
    assert sum(after[name] != before[name] for name in weights) == 1
    assert all(after[name] >= before[name] for name in weights)


@FEW
@given(TOTALS, EQUAL, PREVIOUS)
def test_with_equal_weights_a_new_cluster_only_takes(
    total: int, weights: dict[str, int], previous: dict[str, int | None]
) -> None:
    before = apportion(total, weights, previous)
    after = apportion(total, {**weights, "new": 1}, before)
    assert all(after[name] <= before[name] for name in weights)


@FEW
@given(TOTALS, EQUAL.filter(lambda weights: len(weights) > 1), PREVIOUS)
def test_with_equal_weights_a_lost_cluster_only_gives(
    total: int, weights: dict[str, int], previous: dict[str, int | None]
) -> None:
    before = apportion(total, weights, previous)
    lost, *stay = weights
    after = apportion(total, dict.fromkeys(stay, 1), before)
    assert all(after[name] >= before[name] for name in stay), lost


@FEW
@given(TOTALS, WEIGHTS, NAMES, st.integers(1, 3))
def test_a_larger_weight_never_costs_its_cluster_a_replica(
    total: int, weights: dict[str, int], name: str, more: int
) -> None:
    before = apportion(total, weights, {})
    heavier = {**weights, name: weights.get(name, 0) + more}
    assert apportion(total, heavier, before)[name] >= before.get(name, 0)
