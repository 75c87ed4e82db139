"""The work queue: keys once, one at a time, groups in turn."""

import asyncio

import pytest

from atoll.runtime.loop import serving_loop
from atoll.runtime.queue import FairQueue, QueueShutDown


def drain(queue: FairQueue[str]) -> list[str]:
    """What can be taken now without waiting; each is done at once."""
    taken = []
    while queue.statistics().waiting:
        coroutine = queue.get()
        try:
            coroutine.send(None)
        except StopIteration as found:
            taken.append(found.value)
            queue.done(found.value)
        else:
            coroutine.close()
            break
    return taken


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue: FairQueue[str] = FairQueue("q")
    for _ in range(3):
        queue.add("a")
    assert drain(queue) == ["a"]


async def test_a_key_added_while_it_is_worked_on_runs_again_afterwards_and_not_before() -> None:
    queue: FairQueue[str] = FairQueue("q")
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("b")
    assert await queue.get() == "b"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.get()
    queue.done("a")
    assert await queue.get() == "a"


async def test_groups_take_turns() -> None:
    queue: FairQueue[str] = FairQueue("q", group=lambda key: key[0])
    for key in ("a1", "a2", "a3", "b1", "c1", "c2"):
        queue.add(key)
    assert drain(queue) == ["a1", "b1", "c1", "a2", "c2", "a3"]


async def test_a_group_that_hangs_leaves_workers_for_the_others() -> None:
    queue: FairQueue[str] = FairQueue("q", group=lambda key: key[0], most_active=2)
    for key in ("a1", "a2", "a3", "b1"):
        queue.add(key)
    assert [await queue.get() for _ in range(3)] == ["a1", "b1", "a2"]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await queue.get()
    queue.done("a1")
    assert await queue.get() == "a3"


async def test_of_several_delays_the_earliest_counts() -> None:
    queue: FairQueue[str] = FairQueue("q")
    loop = asyncio.get_running_loop()
    began = loop.time()
    queue.add_after("a", 5)
    queue.add_after("a", 0.02)
    queue.add_after("a", 9)
    assert queue.statistics().later == 1
    assert await queue.get() == "a"
    assert 0.015 < loop.time() - began < 1
    queue.done("a")
    assert queue.statistics().later == 0


async def test_delays_come_in_their_order() -> None:
    queue: FairQueue[str] = FairQueue("q")
    for key, delay in (("c", 0.03), ("a", 0.01), ("b", 0.02), ("now", 0), ("past", -1)):
        queue.add_after(key, delay)
    assert [await queue.get() for _ in range(5)] == ["now", "past", "a", "b", "c"]


async def test_back_off_doubles_for_each_key_alone_and_is_bounded() -> None:
    queue: FairQueue[str] = FairQueue("q", first=1, most=8, draw=lambda: 1.0)
    assert [queue.add_rate_limited("a") for _ in range(6)] == [1, 2, 4, 8, 8, 8]
    assert queue.add_rate_limited("b") == 1
    assert queue.statistics().failing == 2
    queue.forget("a")
    assert queue.add_rate_limited("a") == 1
    assert queue.add_rate_limited("a", at_least=20) == 20


async def test_back_off_never_overflows_and_has_jitter() -> None:
    queue: FairQueue[str] = FairQueue("q")
    delays = [queue.add_rate_limited("a") for _ in range(3000)]
    assert all(0.005 * 0.75 <= delay <= 60 for delay in delays)
    assert len(set(delays[-100:])) > 50
    assert min(delays[-100:]) >= 45


async def test_shutdown_hands_out_what_was_added_and_takes_nothing_more() -> None:
    queue: FairQueue[str] = FairQueue("q")
    queue.add("a")
    queue.add_after("later", 0.01)
    assert await queue.get() == "a"
    queue.add("b")
    queue.add("a")
    queue.shutdown()
    queue.add("c")
    queue.add_after("d", 0.001)
    assert await queue.get() == "b"
    queue.done("b")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0.03)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    with pytest.raises(QueueShutDown):
        await queue.get()


async def test_shutdown_wakes_everybody_who_waits() -> None:
    queue: FairQueue[str] = FairQueue("q")
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shutdown()
    assert all(isinstance(e, QueueShutDown) for e in await asyncio.gather(*waiting, return_exceptions=True))


async def test_a_taker_that_is_cancelled_when_its_key_arrives_loses_nothing() -> None:
    queue: FairQueue[str] = FairQueue("q")
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")  # wakes the first
    first.cancel()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_wait_idle_is_until_nothing_is_ready_or_active() -> None:
    queue: FairQueue[str] = FairQueue("q")
    queue.add("a")
    queue.add_after("later", 60)
    idle = asyncio.create_task(queue.wait_idle())
    await queue.get()
    await asyncio.sleep(0)
    assert not idle.done()
    queue.done("a")
    await idle


async def test_ten_thousand_delays_replaced_leave_little_behind() -> None:
    queue: FairQueue[int] = FairQueue("q")
    for number in range(10_000):
        queue.add_after(number % 10, 100 - number / 1000)
    assert queue.statistics().later == 10
    assert len(queue._schedule) < 100


def test_delays_are_kept_by_the_loop_of_programs_that_serve() -> None:
    """Its handle of what is due already is none of a timer."""

    async def taken() -> list[str]:
        queue: FairQueue[str] = FairQueue("q")
        for key, delay in (("soon", 0.0003), ("late", 0.05), ("sooner", 0.0002)):
            queue.add_after(key, delay)
        return [await queue.get() for _ in range(3)]

    loop = serving_loop()
    try:
        found = loop.run_until_complete(asyncio.wait_for(taken(), 5.0))
    finally:
        loop.close()
    assert found == ["sooner", "soon", "late"]


def test_the_loop_of_programs_that_serve_rings_once_for_a_delay() -> None:
    """Its alarms come up to half a millisecond early: one that is set anew until then keeps the process busy."""
    queue: FairQueue[str] = FairQueue("q")
    rung = 0

    async def taken() -> None:
        nonlocal rung
        ring = queue._ring

        def counted() -> None:
            nonlocal rung
            rung += 1
            ring()

        queue._ring = counted  # type: ignore[method-assign]
        for number in range(1, 30):
            queue.add_after(str(number), number * 0.00131)
        for _ in range(1, 30):
            queue.done(await queue.get())

    loop = serving_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(taken(), 5.0))
    finally:
        loop.close()
    assert rung <= 29


async def test_it_is_known_what_will_be_worked_on_soon() -> None:
    queue: FairQueue[str] = FairQueue("q")
    queue.add("now")
    queue.add_after("later", 10.0)
    assert [queue.soon(key, 1.0) for key in ("now", "later", "never")] == [True, False, False]
    assert queue.soon("later", 11.0)
    assert await queue.get() == "now"
    assert queue.soon("now", 1.0)
    queue.done("now")
    assert not queue.soon("now", 1.0)
