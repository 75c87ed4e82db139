"""A transport that sends no more requests than it was told: so many a second, after a burst.

For whoever shares an API server that must be spared; without it the server itself says when it has enough (429).
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from atoll.kube.transport import Answer, Request, Transport


class Bucket:
    """`burst` tokens, refilled at `rate` a second. `clock` gives seconds."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a rate above 0 and a burst of at least 1 are needed")
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._at = clock()

    def take(self) -> float:
        """Take one token; seconds until it may be used. Who comes later waits longer: first come, first served."""
        self._refill()
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def spare(self) -> bool:
        """Take one token, if there is one now."""
        self._refill()
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._rate)
        self._at = now


class Throttled(Transport):
    """Waits before each request for its turn; watches and logs, which are one request for long, go at once."""

    def __init__(self, *args: object, bucket: Bucket, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self._bucket = bucket

    async def send(self, request: Request, *, again: bool = False) -> Answer:
        await self._turn()
        return await super().send(request, again=again)

    async def _turn(self) -> None:
        if seconds := self._bucket.take():
            await asyncio.sleep(seconds)


def throttled(rate: float, burst: int) -> Callable[..., Transport]:
    """What `Client(transport=…)` takes."""
    return partial(Throttled, bucket=Bucket(rate, burst))
