"""Leader election on a Lease, or another lock: one of several processes leads.

What client-go's leaderelection does: whoever holds the Lease renews it; the others take it when they have seen no
renewal for its duration by their own clocks. So clocks need not agree, only run at about the same speed. A Lease does
not fence: what a late leader writes must be refused by other means.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from atoll.kube.objects import Object
from atoll.runtime.locks import LEASE, Lock
from atoll.runtime.supervise import cancel_and_wait

log = structlog.get_logger(__name__)

RELEASE_TIMEOUT = 3.0


class LeaderElection:
    """A candidate called `identity`, which must be unique among the candidates, for the lock of kind `lock`.

    Seconds: a Lease that was not renewed for `duration` may be taken; a leader that could not renew for `renew` stops
    leading; everybody tries every `retry`.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        namespace: str,
        identity: str,
        *,
        duration: float = 15.0,
        renew: float = 10.0,
        retry: float = 2.0,
        lock: Lock = LEASE,
    ) -> None:
        if not retry < renew < duration:
            raise ValueError("retry must be less than renew, and renew less than duration")
        self.identity = identity
        self.holder = ""
        """Who holds the Lease, as last seen."""
        self._client = client
        self._lock = lock
        self._name, self._namespace = name, namespace
        self._duration, self._renew, self._retry = duration, renew, retry
        self._lease: Object | None = None
        self._spec: Json = {}
        self._observed = 0.0
        """When `_spec` was first seen as it is, by our clock."""
        self._renewed = float("-inf")
        """When our last successful renewal was sent, by our clock."""

    @property
    def leading(self) -> bool:
        """Whether we hold the Lease and renewed it in time."""
        return self.holder == self.identity and self._left() > 0

    async def run(self, lead: Callable[[], Awaitable[object]]) -> None:
        """Lead whenever elected, until cancelled; return when `lead` returns, raise what it raises.

        When the Lease is lost, `lead` is cancelled and its end awaited; then we are a candidate again. On the way out
        the Lease is released, so that the next one needn't wait.
        """
        while True:
            await self._acquire()
            log.info("leading", lease=self._name, identity=self.identity)
            work = asyncio.create_task(_call(lead), name=f"leading {self._name}")
            try:
                await self._hold(work)
            finally:
                ended = work.done()
                if not ended:
                    await cancel_and_wait(work)
                await self._release()
            if ended:
                work.result()
                return
            log.warning("leading no more", lease=self._name, identity=self.identity, holder=self.holder)

    async def look(self) -> None:
        """See who holds it. Whoever holds it must be seen idle from here on for its duration. Raises KubeError."""
        try:
            self._lease = await self._client.get(self._lock.resource, self._name, self._namespace)
            spec = self._lock.read(self._lease.body())
        except NotFound:
            self._lease, spec = None, {}
        if spec != self._spec:
            self._spec, self._observed = spec, time.monotonic()
        self.holder = spec.get("holderIdentity") or ""

    async def _acquire(self) -> None:
        while not await self._try(self._renew):  # noqa: ASYNC110  it is the API server that is polled
            await asyncio.sleep(self._retry * random.uniform(1.0, 1.2))

    async def _hold(self, work: asyncio.Task[None]) -> None:
        """Renew until `work` ends or the Lease is lost; errors are survived until the time to renew is over."""
        while not work.done():
            await asyncio.wait([work], timeout=min(self._retry, self._left()))
            if not work.done() and not await self._try(self._left()) and not self.leading:
                return

    def _left(self) -> float:
        return max(0.0, self._renewed + self._renew - time.monotonic())

    async def _try(self, seconds: float) -> bool:
        """Take or renew the Lease; false when it is another's, or nothing came of it within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                return await self._take() or await self._take()
        except (KubeError, TimeoutError) as error:
            log.info("lease", lease=self._name, identity=self.identity, error=str(error) or "no answer in time")
            return False

    async def _take(self) -> bool:
        """One attempt; false when the Lease is another's, or was changed while we looked."""
        if self._lease is None or self.holder != self.identity:
            await self.look()
        if not self._is_free():
            return False
        sent = time.monotonic()
        try:
            await self._write(self.identity)
        except (AlreadyExists, Conflict, NotFound):
            self._lease = None  # as we knew it; perhaps by a write of our own whose answer got lost
            return False
        self._renewed = sent
        return True

    def _is_free(self) -> bool:
        if self.holder in {"", self.identity}:
            return True
        duration = float(self._spec.get("leaseDurationSeconds") or self._duration)
        return time.monotonic() >= self._observed + duration

    async def _write(self, holder: str) -> None:
        """Write the Lease, which must be as we know it. Raises Conflict, AlreadyExists, NotFound when it isn't."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = self._spec.get("holderIdentity") == holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": math.ceil(self._duration) if holder else 1,
            "acquireTime": self._spec.get("acquireTime", now) if same else now,
            "renewTime": now,
            "leaseTransitions": int(self._spec.get("leaseTransitions") or 0)
            + bool(self._lease and holder and not same),
        }
        resource = self._lock.resource
        if self._lease is None:
            body: Json = {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {"name": self._name, "namespace": self._namespace},
            }
            self._lease = await self._client.create(resource, self._lock.written(body, spec))
        else:
            self._lease = await self._client.replace(resource, self._lock.written(self._lease.body(), spec))
        self._spec = self._lock.read(self._lease.body())
        self._observed, self.holder = time.monotonic(), holder

    async def _release(self) -> None:
        """Let the next one in at once, when the Lease is still ours; if that fails, it runs out by itself."""
        if self.holder != self.identity or self._lease is None:
            return
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT):
                while self.holder == self.identity:
                    try:
                        await self._write("")
                    except Conflict:  # a renewal was cut off by our end, and carried out all the same
                        await self.look()
        except (KubeError, TimeoutError) as error:
            log.info(
                "lease not released", lease=self._name, identity=self.identity, error=str(error) or "no answer in time"
            )
        finally:
            self._lease, self.holder, self._renewed = None, "", float("-inf")


async def _call(lead: Callable[[], Awaitable[object]]) -> None:
    await lead()
