"""Deliveries go before good news. While many objects are being written, statuses that tell of nothing wrong wait."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")

WINDOW = 0.1
MANY = 5
"""Applications of which something was written within a window: that is a bustle. A busy machine manages so many, too;
one Application that is changed all the time, or goes to a thousand clusters, is none, and holds nobody up.
"""
PATIENCE = 2.0
"""Seconds after which news is told all the same."""


class Bustle(Generic[K]):
    """Holds keys back while there is a bustle; `tell(key)` is called for each when it is over, or has lasted too long.

    `wrote(uid)` is called for each write of an Application to a member that was answered: one that hangs makes no
    bustle. Belongs to one event loop.
    """

    def __init__(
        self, tell: Callable[[K], None], clock: Callable[[], float] | None = None, patience: float = PATIENCE
    ) -> None:
        self._tell = tell
        self._patience = patience
        self._clock = clock or time.monotonic
        self._held: dict[K, float] = {}
        self._window = 0
        self._writes: set[str] = set()
        self._before = 0
        self._timer: asyncio.TimerHandle | None = None

    def wrote(self, uid: str) -> None:
        self._turn()
        self._writes.add(uid)

    @property
    def on(self) -> bool:
        self._turn()
        return len(self._writes) >= MANY or self._before >= MANY

    def __contains__(self, key: K) -> bool:
        return key in self._held

    def hold(self, key: K) -> None:
        """Tell of `key` later; the first hold counts."""
        self._held.setdefault(key, self._clock())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WINDOW, self._look)

    def drop(self, key: K) -> None:
        """`key` is told already, or needn't be."""
        self._held.pop(key, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        latest = self._clock() - self._patience if self.on else float("inf")
        for key in [key for key, since in self._held.items() if since <= latest]:
            del self._held[key]
            self._tell(key)
        if self._held:
            self._timer = asyncio.get_running_loop().call_later(WINDOW, self._look)

    def _turn(self) -> None:
        """Begin a new window when its time has come."""
        window = int(self._clock() / WINDOW)
        if window != self._window:
            self._before = len(self._writes) if window == self._window + 1 else 0
            self._window, self._writes = window, set()
