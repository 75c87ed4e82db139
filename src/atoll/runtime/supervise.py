"""Keeping long-running work alive."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from atoll.kube.errors import KubeError
from atoll.runtime.ratelimit import Backoff

log = structlog.get_logger(__name__)


async def until_signalled(work: Coroutine[Any, Any, object]) -> bool:
    """Work until it ends, or SIGTERM or SIGINT comes; whether one came. Raises what `work` raises."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        return True
    return False


async def keep(
    name: str,
    run: Callable[[], Awaitable[object]],
    *,
    first: float = 0.2,
    most: float = 30.0,
    healthy: float = 60.0,
) -> None:
    """Call `run` again whenever it raises, after a back-off from `first` to `most` seconds; when it returns, so do we.

    The back-off starts anew after a run of `healthy` seconds. A KubeError is logged in a line, anything else with its
    traceback. Only our own cancellation ends it: one that comes out of `run` by itself is a failure like others.
    """
    backoff = Backoff(first, most)
    while True:
        began = time.monotonic()
        try:
            await run()
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            cause: BaseException = error
        except Exception as error:
            if being_cancelled():  # it failed to clean up: that must not keep it alive
                raise
            cause = error
        else:
            return
        if time.monotonic() - began >= healthy:
            backoff.reset()
        pause = backoff.next()
        report(name, cause, pause)
        await asyncio.sleep(pause)


def being_cancelled() -> bool:
    """Whether the current task was asked to end; if not, a CancelledError came from something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def report(name: str, cause: BaseException, pause: float) -> None:
    """One log line for work that failed and will run again."""
    single = only_error(cause)
    if isinstance(single, KubeError):
        log.warning("restarting", work=name, cause=str(single), error=type(single).__name__, pause=round(pause, 3))
    else:
        log.error("restarting", work=name, cause=str(single), pause=round(pause, 3), exc_info=cause)


def only_error(error: BaseException) -> BaseException:
    """The one error in nested groups, or the group when there are several."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """End `task` and see its end, whatever it raises; if we are cancelled meanwhile, that is heeded afterwards."""
    task.cancel()
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            interruption = error
    if not task.cancelled():
        task.exception()  # seen: asyncio would complain of an error that nobody asked for
    if interruption is not None:
        raise interruption
