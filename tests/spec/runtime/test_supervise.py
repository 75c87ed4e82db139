"""Long-running work is kept alive; only our own cancellation ends it."""

import asyncio
import gc
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from atoll.kube.errors import Unreachable
from atoll.runtime.ratelimit import Backoff, pause
from atoll.runtime.supervise import cancel_and_wait, keep


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


async def test_work_that_raises_runs_again_and_what_returns_is_over(logs: list[Any]) -> None:
    errors: list[BaseException] = [
        ValueError("a mistake"),
        Unreachable("Refused", "nobody there"),
        ExceptionGroup("one", [Unreachable("Refused", "nobody there either")]),
        asyncio.CancelledError("of something else"),
    ]
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if errors:
            raise errors.pop(0)

    await keep("work", work, first=0.001)
    assert runs == 5
    assert [(e["log_level"], e["cause"]) for e in logs] == [
        ("error", "a mistake"),
        ("warning", "nobody there"),
        ("warning", "nobody there either"),
        ("error", "of something else"),
    ]


async def test_cancellation_ends_it() -> None:
    task = asyncio.create_task(keep("work", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    assert task.cancelled()


async def test_pauses_grow_and_start_anew_after_a_healthy_run() -> None:
    loop = asyncio.get_running_loop()
    times: list[float] = []

    async def work() -> None:
        times.append(loop.time())
        if len(times) == 5:
            await asyncio.sleep(0.1)
        if len(times) == 7:
            return
        raise ValueError

    await keep("work", work, first=0.01, most=0.08, healthy=0.1)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert gaps[3] > 4 * gaps[0]
    assert gaps[5] < gaps[3] / 2


async def test_cancel_and_wait_sees_the_end_even_when_it_is_cancelled_itself() -> None:
    ended = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.set()

    task = asyncio.create_task(slow_to_end())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(cancel_and_wait(task))
    await asyncio.sleep(0.01)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert ended.is_set()


async def test_an_error_of_what_was_cancelled_is_nobodys() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fails_to_end() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise Unreachable("Timeout", "no answer")

    task = asyncio.create_task(fails_to_end())
    await asyncio.sleep(0)
    await cancel_and_wait(task)
    del task
    gc.collect()
    assert complaints == []


def test_pauses_are_bounded() -> None:
    assert [pause(n, 1, 10, lambda: 1.0) for n in (0, 1, 2, 3, 4, 10_000)] == [1, 2, 4, 8, 10, 10]
    backoff = Backoff(1, 4, lambda: 0.0)
    assert [backoff.next() for _ in range(4)] == [0.75, 1.5, 3, 3]
    backoff.reset()
    assert backoff.next() == 0.75
