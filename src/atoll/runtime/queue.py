"""The work queue: keys, not events.

A key says "look at this again". Keys that wait are waited for once, however often they are added: what is done for one
covers all. A key that is added while it is being worked on runs again afterwards, never at the same time. Groups take
turns, so that a flood of keys of one cluster or tenant delays its own keys only.
"""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import msgspec

from atoll.runtime.meter import SILENT, Meter
from atoll.runtime.ratelimit import pause

K = TypeVar("K", bound=Hashable)


class QueueShutDown(Exception):  # noqa: N818  it is an end, not an error
    """The queue was shut down and nothing is left in it."""


class QueueStatistics(msgspec.Struct, frozen=True):
    """How many keys: those that `wait` to be taken, that are worked on, that come later, and that fail."""

    waiting: int
    working: int
    later: int
    failing: int
    groups: int


def _one_group(_: object) -> Hashable:
    return None


class FairQueue(Generic[K]):
    """Keys to be worked on, each by one worker at a time.

    `group(key)` must always be the same for the same key. `most_active` bounds the keys of one group that are worked on
    at once, so that a group that hangs leaves workers for the others; 0 is no bound. `first` and `most` are the seconds
    of the back-off of each key. Belongs to one event loop.
    """

    def __init__(
        self,
        name: str,
        *,
        group: Callable[[K], Hashable] = _one_group,
        most_active: int = 0,
        first: float = 0.005,
        most: float = 60.0,
        meter: Meter = SILENT,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._group = group
        self._most_active = most_active
        self._first, self._most, self._draw = first, most, draw
        self._meter = meter
        self._dirty: set[K] = set()
        self._active: set[K] = set()
        self._failures: dict[K, int] = {}
        self._ready: dict[Hashable, deque[K]] = {}
        self._turns: deque[Hashable] = deque()
        self._waiting_turn: set[Hashable] = set()
        self._active_of: dict[Hashable, int] = {}
        self._due: dict[K, float] = {}
        self._schedule: list[tuple[float, int, K]] = []
        self._order = itertools.count()
        self._timer: tuple[float, asyncio.Handle] | None = None
        """When it rings; not every loop's handles can say."""
        self._takers: deque[asyncio.Future[None]] = deque()
        self._shut = False
        self._idle = asyncio.Event()
        self._idle.set()

    # Adding

    def add(self, key: K) -> None:
        """Have `key` worked on as soon as it can be. A delay that is pending for it stays pending."""
        if self._shut or key in self._dirty:
            return
        self._dirty.add(key)
        self._idle.clear()
        if key not in self._active:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have `key` worked on in `seconds` at the latest: of several delays the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        if self._shut:
            return
        when = asyncio.get_running_loop().time() + seconds
        if when >= self._due.get(key, float("inf")):
            return
        self._due[key] = when
        if len(self._schedule) > 2 * len(self._due) + 64:  # mostly delays that earlier ones have replaced
            self._schedule = [entry for entry in self._schedule if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._schedule)
        heapq.heappush(self._schedule, (when, next(self._order), key))
        self._set_timer()

    def add_rate_limited(self, key: K, at_least: float = 0.0) -> float:
        """Have `key` worked on after its back-off, which doubles each time until `forget`; answers with the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = max(at_least, pause(failures, self._first, self._most, self._draw))
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: K) -> None:
        """`key` went well: its back-off starts anew next time."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How often `key` was added rate-limited since it was last forgotten."""
        return self._failures.get(key, 0)

    def soon(self, key: K, seconds: float) -> bool:
        """Whether `key` is worked on now, waits for it, or will within `seconds`."""
        if key in self._dirty or key in self._active:
            return True
        return self._due.get(key, float("inf")) <= asyncio.get_running_loop().time() + seconds

    # Working

    async def get(self) -> K:
        """The next key, when there is one. Each get must be followed by a `done` of its key.

        Raises QueueShutDown. Cancelling it loses no key, but `asyncio.wait_for` does: use `asyncio.timeout`.
        """
        while not self._turns:
            if self._shut and not self._dirty:
                raise QueueShutDown(self.name)
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except BaseException:
                if taker.done() and not taker.cancelled():
                    self._wake_one()  # it was meant for us; somebody else must come
                elif taker in self._takers:
                    self._takers.remove(taker)
                raise
        return self._take()

    def done(self, key: K) -> None:
        """Work on `key` has ended; when it was added meanwhile, it may be taken again."""
        self._active.remove(key)
        group = self._group(key)
        self._active_of[group] -= 1
        if not self._active_of[group]:
            del self._active_of[group]
        if key in self._dirty:
            self._enqueue(key)
        else:
            self._offer(group)
        if not self._dirty:
            if not self._active:
                self._idle.set()
            if self._shut:
                self._wake_all()

    # Ending

    def shutdown(self) -> None:
        """Take nothing more. What was added before is still handed out; delayed keys are dropped."""
        self._shut = True
        self._due.clear()
        self._schedule.clear()
        if self._timer is not None:
            self._timer[1].cancel()
            self._timer = None
        if not self._dirty:
            self._wake_all()

    async def wait_idle(self) -> None:
        """Until no key is ready or being worked on; delayed keys don't count."""
        await self._idle.wait()

    def statistics(self) -> QueueStatistics:
        return QueueStatistics(
            len(self._dirty), len(self._active), len(self._due), len(self._failures), len(self._ready)
        )

    def __len__(self) -> int:
        """The keys that wait to be worked on, those that must be worked on again included."""
        return len(self._dirty)

    # Inside

    def _enqueue(self, key: K) -> None:
        group = self._group(key)
        self._ready.setdefault(group, deque()).append(key)
        self._meter.queue_depth(self.name, len(self._dirty))
        self._offer(group)

    def _offer(self, group: Hashable) -> None:
        """Give `group` a turn if it has keys, may have one more worked on, and hasn't a turn already."""
        if group in self._waiting_turn or group not in self._ready:
            return
        if self._most_active and self._active_of.get(group, 0) >= self._most_active:
            return
        self._waiting_turn.add(group)
        self._turns.append(group)
        self._wake_one()

    def _take(self) -> K:
        group = self._turns.popleft()
        self._waiting_turn.discard(group)
        keys = self._ready[group]
        key = keys.popleft()
        if not keys:
            del self._ready[group]
        self._dirty.discard(key)
        self._active.add(key)
        self._meter.queue_depth(self.name, len(self._dirty))
        self._active_of[group] = self._active_of.get(group, 0) + 1
        self._offer(group)
        return key

    def _wake_one(self) -> None:
        while self._turns and self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _wake_all(self) -> None:
        for taker in self._takers:
            if not taker.done():
                taker.set_result(None)
        self._takers.clear()

    def _set_timer(self) -> None:
        """Wake up for the earliest delay. Entries that an earlier one has replaced are skipped when they come up."""
        while self._schedule and self._due.get(self._schedule[0][2]) != self._schedule[0][0]:
            heapq.heappop(self._schedule)
        when = self._schedule[0][0] if self._schedule else None
        if self._timer is not None:
            if self._timer[0] == when:
                return
            self._timer[1].cancel()
            self._timer = None
        if when is not None:
            self._timer = when, asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        """What the alarm was set for is due, whatever the clock says: that of programs that serve rings up to half a
        millisecond early, and would be set again, and ring again, until then.
        """
        now = asyncio.get_running_loop().time()
        if self._timer is not None:
            now = max(now, self._timer[0])
        self._timer = None
        while self._schedule and self._schedule[0][0] <= now:
            when, _, key = heapq.heappop(self._schedule)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        self._set_timer()
