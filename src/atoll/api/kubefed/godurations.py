"""Durations as Go writes them, in whole nanoseconds: `20s`, `1m30s`, `1.5h`, `300ms`."""

import re
from fractions import Fraction

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:(?:{_PART.pattern})+|0)")
_MOST = 2**63 - 1

SECOND = 10**9


def nanoseconds(text: str) -> int:
    """Raises ValueError when `text` is no duration of Go's, or one that 64 bits don't hold."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration; write it as 20s or 1m30s")
    total = sum(int(Fraction(number) * _UNITS[unit]) for number, unit in _PART.findall(text))
    if total > _MOST:
        raise ValueError(f"{text!r} is longer than 292 years")
    return -total if text.startswith("-") else total


def seconds(text: str) -> float:
    """As `nanoseconds`, in seconds."""
    return nanoseconds(text) / SECOND


def written(amount: int) -> str:
    """Nanoseconds in Go's own form: 90 s are `1m30s`, an hour is `1h0m0s`, half a second is `500ms`."""
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    if amount == 0:
        return "0s"
    if amount < SECOND:
        unit = next(name for name in ("ms", "µs", "ns") if amount >= _UNITS[name])
        return f"{sign}{_decimal(Fraction(amount, _UNITS[unit]))}{unit}"
    minutes, rest = divmod(amount, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(Fraction(rest, SECOND))}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(number: Fraction) -> str:
    whole, rest = divmod(number.numerator, number.denominator)
    if not rest:
        return str(whole)
    digits = f"{rest * SECOND // number.denominator:09d}".rstrip("0")
    return f"{whole}.{digits}"
