"""Pauses between attempts: exponential, bounded, and jittered, so that who failed together doesn't return together."""

import random
from collections.abc import Callable

_MOST_DOUBLINGS = 60
"""2.0**1024 overflows, and a poison key gets there in less than a day."""


def pause(failures: int, first: float, most: float, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait after failure number `failures` (from 0): `first` doubled each time, `most` at most.

    The result is between three quarters of that and all of it.
    """
    full = min(most, first * 2.0 ** min(failures, _MOST_DOUBLINGS))
    return full * (0.75 + 0.25 * draw())


class Backoff:
    """The pauses of one thing that is tried again and again. `reset()` when it went well."""

    def __init__(self, first: float, most: float, draw: Callable[[], float] = random.random) -> None:
        self.failures = 0
        self._first = first
        self._most = most
        self._draw = draw

    def next(self) -> float:
        """Seconds to wait now; the next answer is twice as long."""
        seconds = pause(self.failures, self._first, self._most, self._draw)
        self.failures += 1
        return seconds

    def reset(self) -> None:
        self.failures = 0
