"""How many requests a member gets at once."""

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from atoll.deliver.gate import Gate
from atoll.kube.errors import NotFound, TooManyRequests, Unreachable


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def refuse(error: Exception) -> None:
    await asyncio.sleep(0)
    raise error


async def test_no_more_than_the_limit_run_at_once_and_in_order() -> None:
    gate, running, most, order = Gate(4), 0, 0, []

    async def call(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(number)
        await asyncio.sleep(0.001)
        running -= 1
        return number

    found = await asyncio.gather(*(gate.send(partial(call, n)) for n in range(20)))
    assert found == order == list(range(20))
    assert most == 4


async def test_overload_brings_quiet_and_then_one_request() -> None:
    time = Time()
    gate = Gate(32, time)
    with pytest.raises(TooManyRequests):
        await gate.send(lambda: refuse(TooManyRequests(429, retry_after=2.0)))
    assert gate.limit == 1
    waiting = asyncio.create_task(gate.send(lambda: asyncio.sleep(0, 1)))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    time.now += 2.0
    gate._wake()
    assert await waiting == 1


class Hasty:
    """A clock for an alarm that rings a moment early, as uvloop's do: the moment passes between two looks."""

    def __init__(self) -> None:
        self.looks = [0.0]

    def __call__(self) -> float:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


async def test_an_alarm_that_rings_a_moment_early_leaves_nobody_waiting() -> None:
    time = Hasty()
    gate = Gate(32, time)
    with suppress(TooManyRequests):
        await gate.send(lambda: refuse(TooManyRequests(429, retry_after=1.0)))
    waiting = asyncio.create_task(gate.send(lambda: asyncio.sleep(0, 1)))
    await asyncio.sleep(0)
    time.looks = [0.9999, 1.0001]
    gate._wake()
    assert await asyncio.wait_for(waiting, 1) == 1


async def test_many_refusals_at_once_count_once() -> None:
    gate = Gate(32, Time())
    calls = (gate.send(lambda: refuse(TooManyRequests(429))) for _ in range(20))
    await asyncio.gather(*calls, return_exceptions=True)
    assert gate._steady == 16
    gate.close()


async def test_a_member_that_does_not_answer_gets_one_probe() -> None:
    time = Time()
    gate = Gate(32, time)
    pauses = []
    for _ in range(12):
        with suppress(Unreachable):
            await gate.send(lambda: refuse(Unreachable("Timeout", "…")))
        pauses.append(gate._quiet_until - time.now)
        assert gate.limit == 1
        time.now = gate._quiet_until
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


async def test_answers_open_it_again_and_refusals_of_one_object_dont_close_it() -> None:
    time = Time()
    gate = Gate(32, time)
    with suppress(TooManyRequests):
        await gate.send(lambda: refuse(TooManyRequests(429)))
    time.now += 60
    limits = [gate.limit]
    for _ in range(400):
        with suppress(NotFound):
            await gate.send(lambda: refuse(NotFound(404)))
        limits.append(gate.limit)
    assert limits[:17] == [*range(1, 17), 16]
    assert limits[-1] == 32


async def test_a_waiter_that_is_cancelled_passes_its_turn_on() -> None:
    gate = Gate(1)
    release = asyncio.Event()
    first = asyncio.create_task(gate.send(release.wait))
    await asyncio.sleep(0)
    second = asyncio.create_task(gate.send(lambda: asyncio.sleep(0, 2)))
    third = asyncio.create_task(gate.send(lambda: asyncio.sleep(0, 3)))
    await asyncio.sleep(0)
    release.set()
    await asyncio.sleep(0)
    second.cancel()
    assert await asyncio.wait_for(third, 1) == 3
    await first
