"""Durations, as users write them: `90s`, `5m`, `1h30m`."""

import re
from typing import Annotated

from msgspec import Meta

FORM = "^([0-9]{1,6}(ms|s|m|h|d)){1,4}$"
Duration = Annotated[str, Meta(min_length=2, max_length=32, pattern=FORM)]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """Seconds of a `Duration`. Raises ValueError when `text` is none."""
    if not re.fullmatch(FORM, text):
        raise ValueError(f"not a duration: {text!r}, such as 30s, 5m or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text))


def in_words(amount: float) -> str:
    """Whole seconds as a `Duration`, the largest units first: 330 is `5m30s`; less than one is `0s`."""
    left, words = max(0, round(amount)), ""
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, round(_UNITS[unit]))
        words += f"{count}{unit}" if count else ""
    return words or "0s"
