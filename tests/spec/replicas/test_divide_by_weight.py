"""A total is divided by weights: largest remainders, and what is left goes where it is already, then by name."""

import pytest

from atoll.plan.apportion import apportion


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (9, {"eu": 4, "us": 3, "ap": 2}, {"eu": 4, "us": 3, "ap": 2}),
        (9, {"eu-1": 2, "us-1": 1}, {"eu-1": 6, "us-1": 3}),
        (10, {"eu": 1, "us": 1, "ap": 1}, {"ap": 4, "eu": 3, "us": 3}),  # equal losses: the name decides
        (11, {"eu": 1, "us": 1, "ap": 1}, {"ap": 4, "eu": 4, "us": 3}),
        (10, {"a": 2, "b": 1}, {"a": 7, "b": 3}),  # 6.67 loses more than 3.33
        (5, {"a": 1, "b": 0}, {"a": 5, "b": 0}),
        (1, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 0, "c": 0}),
        (0, {"a": 1, "b": 1}, {"a": 0, "b": 0}),
        (3, {"only": 7}, {"only": 3}),
        (1_000_000, {"a": 999_999, "b": 1}, {"a": 999_999, "b": 1}),
    ],
)
def test_replicas_follow_the_weights(total: int, weights: dict[str, int], expected: dict[str, int]) -> None:
    assert apportion(total, weights, {}) == expected


@pytest.mark.parametrize(
    ("total", "weights", "previous", "expected"),
    [
        # the remainder stays where it is, whatever the names
        (10, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 3, "c": 4}, {"a": 3, "b": 3, "c": 4}),
        # one replica less is taken from those that had one more
        (9, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 3, "c": 4}, {"a": 3, "b": 3, "c": 3}),
        # one more: c keeps its four
        (11, {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 3, "c": 4}, {"a": 4, "b": 3, "c": 4}),
        # a new cluster takes from the others, and nobody else gains
        (10, {"a": 1, "b": 1, "c": 1, "aa": 1}, {"a": 3, "b": 3, "c": 4}, {"a": 3, "b": 3, "c": 2, "aa": 2}),
        # a lost cluster's share goes to the others
        (10, {"a": 1, "b": 1}, {"a": 3, "b": 3, "c": 4}, {"a": 5, "b": 5}),
        # only ties are broken by history: weights say what they say
        (10, {"a": 2, "b": 1}, {"a": 6, "b": 4}, {"a": 7, "b": 3}),
        # an unknown number is no history
        (10, {"a": 1, "b": 1, "c": 1}, {"a": None, "b": None, "c": None}, {"a": 4, "b": 3, "c": 3}),
    ],
)
def test_nothing_moves_without_need(
    total: int, weights: dict[str, int], previous: dict[str, int | None], expected: dict[str, int]
) -> None:
    assert apportion(total, weights, previous) == expected
