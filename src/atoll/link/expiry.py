"""Deadlines of one length, however many, with one timer: streams come and go by the thousand."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Expiry(Generic[T]):
    """Calls `expired(item)` for what was added `seconds` ago and has not been discarded."""

    def __init__(self, seconds: float, expired: Callable[[T], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._expired = expired
        self._due: dict[T, float] = {}
        """In the order of the deadlines."""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: T) -> None:
        self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def discard(self, item: T) -> None:
        self._due.pop(item, None)

    def clear(self) -> None:
        """Nothing is waited for any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._due:
            item, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self._loop.call_later(due - now, self._look)
                return
            del self._due[item]
            self._expired(item)
