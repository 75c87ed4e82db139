"""Moments are written as RFC 3339, whatever a duration adds to them."""

import pytest

from atoll.api.durations import seconds
from atoll.api.times import format_time, parse_time

NOW = 1_780_000_000.0


def test_a_moment_is_read_back() -> None:
    assert parse_time(format_time(NOW)) == NOW
    assert format_time(0.0) == ""


@pytest.mark.parametrize("later", [seconds("999999d999999d999999d999999d"), 1e300, float("inf")])
def test_after_the_last_date_there_is_none(later: float) -> None:
    """A rollout's pause may be that long: its plan would fail, each time."""
    assert format_time(NOW + later) == "9999-12-31T23:59:59Z"
