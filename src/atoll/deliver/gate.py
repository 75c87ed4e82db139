"""How many requests one member gets at a time: many while it answers, fewer when it says no, none when it wants quiet.

As TCP does: a refusal halves what is thought to be right and begins again at one, which grows quickly up to that and
slowly beyond. A member that answers 429 for a minute gets a request a second or less, not a storm; so does one that
doesn't answer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atoll.kube.errors import (
    InternalError,
    KubeError,
    ServerTimeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)

T = TypeVar("T")

MOST = 32
FIRST_PAUSE = 0.25
LONGEST_PAUSE = {True: 5.0, False: 30.0}
"""By whether the member is merely busy: that passes sooner than lost contact or a credential that is refused."""
OVERLOAD = (TooManyRequests, Unavailable, ServerTimeout, Unreachable, Unauthorized)
"""Answers that hold for every request: one at a time finds out whether they still do."""


class FencedError(KubeError):
    """A request was not sent, since it isn't ours to send any more."""


class Gate:
    """`await gate.send(call)` runs `call()` when there is room. Waiters go in order of arrival.

    Raises FencedError instead once `allowed()` is false. What was sent before carries preconditions.
    """

    def __init__(
        self,
        most: int = MOST,
        clock: Callable[[], float] | None = None,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._allowed = allowed
        self._most = most
        self._limit = float(most)
        self._steady = float(most)
        """Up to here the limit grows quickly again after a refusal."""
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._clock = clock or time.monotonic
        self._quiet_until = 0.0
        self._pause = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    async def send(self, call: Callable[[], Awaitable[T]]) -> T:
        await self._enter()
        try:
            if not self._allowed():
                raise FencedError("this process leads no more: another may have written since")
            answer = await call()
        except FencedError:
            raise
        except OVERLOAD as error:
            self._refused(error)
            raise
        except KubeError as error:
            if not isinstance(error, InternalError):
                self._answered()
            raise
        else:
            self._answered()
            return answer
        finally:
            self._running -= 1
            self._admit()

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()

    async def _enter(self) -> None:
        if not self._waiting and self._open():
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was our turn already: pass it on
                self._running -= 1
                self._admit()
            raise

    def _open(self) -> bool:
        return self._running < self.limit and self._clock() >= self._quiet_until

    def _admit(self) -> None:
        quiet = self._quiet_until - self._clock()  # one look: who finds it too early sets the alarm
        while self._waiting and quiet <= 0 and self._running < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)
        if self._waiting and quiet > 0 and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(quiet, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self._admit()

    def _answered(self) -> None:
        self._pause = 0.0
        grown = self._limit + (1.0 if self._limit < self._steady else 1.0 / self._limit)
        self._limit = min(float(self._most), grown)

    def _refused(self, error: KubeError) -> None:
        now = self._clock()
        if now < self._quiet_until:  # one of many that were under way: the first has been heeded
            return
        asked = error.retry_after if isinstance(error, TooManyRequests | Unavailable) else None
        self._pause = min(
            LONGEST_PAUSE[isinstance(error, TooManyRequests | Unavailable | ServerTimeout)],
            max(FIRST_PAUSE, self._pause * 2),
        )
        self._quiet_until = now + max(asked or 0.0, self._pause)
        self._steady, self._limit = max(1.0, self._limit / 2), 1.0
