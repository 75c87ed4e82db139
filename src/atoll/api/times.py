"""Moments as statuses carry them."""

from datetime import UTC, datetime
from functools import lru_cache

LAST = 253_402_300_799.0
"""The end of the year 9999, after which there are no dates."""


def parse_time(text: object) -> float:
    """Epoch seconds of an RFC 3339 time; 0 when it isn't one."""
    if not isinstance(text, str) or not text:
        return 0.0
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def format_time(moment: float) -> str:
    """RFC 3339 in UTC, whole seconds, the last there is for what is later; "" for 0."""
    return _text(int(min(moment, LAST))) if moment else ""


@lru_cache(maxsize=64)
def _text(second: int) -> str:
    """Much happens in the same second."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
