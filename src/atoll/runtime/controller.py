"""A controller: workers that take keys from a queue, reconcile them, and do what the decision says."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from atoll.kube.errors import ApiError, KubeError
from atoll.runtime.decisions import Decision, Done, Fatal, Retry, Stalled, Wait
from atoll.runtime.meter import SILENT, Meter
from atoll.runtime.queue import FairQueue, QueueShutDown
from atoll.runtime.supervise import being_cancelled, only_error

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)


class Controller(Generic[K]):
    """Reconciles the keys of `queue` with `workers` at once.

    `reconcile` gets a key and nothing else, so that it looks at what is and not at what happened: ten changes are one
    run, a change that was missed is made good by the next run, and a restart needs no history. An exception that it
    raises is a Retry. `limit` seconds, when given, are all that one run may take.
    """

    def __init__(
        self,
        name: str,
        queue: FairQueue[K],
        reconcile: Callable[[K], Awaitable[Decision]],
        *,
        workers: int = 1,
        limit: float | None = None,
        meter: Meter = SILENT,
    ) -> None:
        self.name = name
        self._queue = queue
        self._reconcile = reconcile
        self._workers = workers
        self._limit = limit
        self._meter = meter
        self._log = log.bind()  # as the log is set up now: finding that out at each line costs more than the line

    async def run(self) -> None:
        """Work until cancelled, or until the queue is shut down and empty."""
        async with asyncio.TaskGroup() as scope:
            for number in range(self._workers):
                scope.create_task(self._work(), name=f"{self.name} {number}")

    async def _work(self) -> None:
        bind_contextvars(controller=self.name)  # of this task, and of those that it starts
        while True:
            try:
                key = await self._queue.get()
            except QueueShutDown:
                return
            try:
                bind_contextvars(key=str(key))
                await self._process(key)
            except BaseException:
                self._queue.add(key)  # cut off in the middle: whoever works on this queue next must look again
                raise
            finally:
                self._queue.done(key)

    async def _process(self, key: K) -> None:
        began = time.perf_counter()
        decision = await self._decide(key)
        seconds = time.perf_counter() - began
        match decision:
            case Done():
                self._queue.forget(key)
                self._meter.reconciled(self.name, "done", seconds)
                self._log.debug("done", seconds=round(seconds, 4))
            case Wait(after):
                self._queue.forget(key)
                self._queue.add_after(key, after)
                self._meter.reconciled(self.name, "wait", seconds)
                self._log.debug("wait", after=after)
            case Retry(cause, after):
                pause = self._queue.add_rate_limited(key, after or 0.0)
                self._meter.reconciled(self.name, "retry", seconds)
                log.info("retry", cause=str(cause), pause=round(pause, 3), failures=self._queue.failures(key))
            case Stalled(reason, message):
                self._queue.forget(key)
                self._meter.reconciled(self.name, "stalled", seconds)
                log.warning("stalled", reason=reason, message=message)
            case Fatal(cause):
                self._queue.forget(key)
                self._meter.reconciled(self.name, "fatal", seconds)
                log.error("fatal", cause=str(cause), exc_info=cause if isinstance(cause, BaseException) else None)

    async def _decide(self, key: K) -> Decision:
        limit = asyncio.timeout(self._limit)
        try:
            if self._limit is None:
                return await self._reconcile(key)
            async with limit:
                return await self._reconcile(key)
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            return Retry(error)  # something that the reconciler waited for was cancelled, not we
        except Exception as error:
            if limit.expired():
                return Retry(f"cut off after {self._limit:g} s")
            return Retry(self._explained(error), _asked_for(error))

    def _explained(self, error: Exception) -> BaseException:
        """Errors of the API are everyday; any other is a mistake somewhere, and its traceback is needed."""
        single = only_error(error)
        if not isinstance(single, KubeError):
            log.error("exception", error=type(single).__name__, exc_info=error)
        return single


def _asked_for(error: Exception) -> float | None:
    """The pause that a server asked for."""
    single = only_error(error)
    return single.retry_after if isinstance(single, ApiError) else None
