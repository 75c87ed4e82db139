"""A controller does what decisions say."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from atoll.kube.errors import NotFound, TooManyRequests
from atoll.runtime.controller import Controller
from atoll.runtime.decisions import Decision, Done, Fatal, Retry, Stalled, Wait
from atoll.runtime.queue import FairQueue
from atoll.telemetry import Metrics


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


class Bench:
    """A queue, a controller that answers with the next of `answers`, and what it saw."""

    def __init__(self, *answers: Decision | Exception, workers: int = 1) -> None:
        self.queue: FairQueue[str] = FairQueue("q", first=0.001)
        self.metrics = Metrics(CollectorRegistry())
        self.answers = list(answers)
        self.seen: list[str] = []
        self.controller = Controller("c", self.queue, self.reconcile, workers=workers, meter=self.metrics)

    async def reconcile(self, key: str) -> Decision:
        self.seen.append(key)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else Done()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self, seconds: float = 0.1) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.controller.run()

    def outcomes(self) -> dict[str, float]:
        samples = [s for family in self.metrics.registry.collect() for s in family.samples]
        return {s.labels["outcome"]: s.value for s in samples if s.name == "atoll_reconciles_total"}


async def test_done_ends_it() -> None:
    bench = Bench(Done())
    bench.queue.add("a")
    await bench.run()
    assert bench.seen == ["a"]
    assert bench.outcomes() == {"done": 1}


async def test_wait_asks_again_later() -> None:
    bench = Bench(Wait(0.01), Wait(60))
    bench.queue.add("a")
    await bench.run()
    assert bench.seen == ["a", "a"]
    assert bench.queue.statistics().later == 1
    assert bench.outcomes() == {"wait": 2}


async def test_retry_and_exceptions_back_off_and_success_forgets() -> None:
    bench = Bench(Retry("no"), NotFound(404), ValueError("a mistake"), Done())
    bench.queue.add("a")
    await bench.run()
    assert bench.seen == ["a"] * 4
    assert bench.queue.failures("a") == 0
    assert bench.outcomes() == {"retry": 3, "done": 1}


async def test_an_exception_of_ours_is_logged_with_its_traceback_and_the_apis_in_a_line(logs: list[Any]) -> None:
    bench = Bench(NotFound(404, "NotFound", "gone"), ValueError("a mistake"))
    bench.queue.add("a")
    await bench.run()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["exception"]
    assert [entry["cause"] for entry in logs if entry["event"] == "retry"] == ["gone", "a mistake"]


async def test_the_pause_that_a_server_asks_for_is_kept() -> None:
    bench = Bench(TooManyRequests(429, retry_after=30.0), Retry("no", after=20.0))
    bench.queue.add("a")
    bench.queue.add("b")
    await bench.run(0.05)
    assert bench.seen == ["a", "b"]


@pytest.mark.parametrize("decision", [Stalled("BadSpec", "no"), Fatal(ValueError("a mistake"))])
async def test_stalled_and_fatal_wait_for_a_change(decision: Decision) -> None:
    bench = Bench(decision)
    bench.queue.add("a")
    await bench.run(0.05)
    assert bench.seen == ["a"]
    bench.queue.add("a")
    await bench.run(0.05)
    assert bench.seen == ["a", "a"]


async def test_a_poison_key_disturbs_nobody() -> None:
    queue: FairQueue[str] = FairQueue("q", first=0.001, most=0.002)
    good: list[str] = []

    async def reconcile(key: str) -> Decision:
        if key == "poison":
            raise RuntimeError
        good.append(key)
        return Done()

    queue.add("poison")
    for number in range(50):
        asyncio.get_running_loop().call_later(number / 1000, queue.add, f"k{number}")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await Controller("c", queue, reconcile).run()
    assert len(good) == 50


async def test_a_reconcile_that_is_cut_off_is_done_by_the_next_controller() -> None:
    queue: FairQueue[str] = FairQueue("q")
    seen: list[str] = []

    async def hang(key: str) -> Decision:
        await asyncio.sleep(60)
        return Done()

    async def note(key: str) -> Decision:
        seen.append(key)
        return Done()

    queue.add("a")
    for reconcile in (hang, note):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await Controller("c", queue, reconcile).run()
    assert seen == ["a"]
    assert queue.statistics().working == 0


async def test_a_cancellation_from_within_does_not_end_the_worker() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Decision:
        seen.append(key)
        if len(seen) == 1:
            other = asyncio.create_task(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(other.cancel)
            await other
        return Done()

    queue: FairQueue[str] = FairQueue("q", first=0.001)
    queue.add("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await Controller("c", queue, reconcile).run()
    assert seen == ["a", "a"]


async def test_a_limit_cuts_off_what_hangs_and_retries_it() -> None:
    seen: list[str] = []

    async def reconcile(key: str) -> Decision:
        seen.append(key)
        if len(seen) < 3:
            await asyncio.sleep(60)
        return Done()

    queue: FairQueue[str] = FairQueue("q", first=0.001)
    queue.add("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await Controller("c", queue, reconcile, limit=0.01).run()
    assert seen == ["a"] * 3


async def test_shutdown_of_the_queue_ends_the_controller_when_all_is_done() -> None:
    bench = Bench(workers=3)
    for key in "abcdef":
        bench.queue.add(key)
    bench.queue.shutdown()
    await bench.controller.run()
    assert sorted(bench.seen) == list("abcdef")
