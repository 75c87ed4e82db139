"""While many objects are being written, keys are held back; none for ever, and none when nothing is going on."""

import asyncio

from atoll.hub.bustle import MANY, PATIENCE, WINDOW, Bustle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def bustling(clock: Clock) -> tuple[Bustle[str], list[str]]:
    told: list[str] = []
    bustle = Bustle(told.append, clock)
    for number in range(MANY):
        bustle.wrote(str(number))
    return bustle, told


def test_few_writes_make_no_bustle() -> None:
    clock = Clock()
    bustle: Bustle[str] = Bustle(lambda _: None, clock)
    for number in range(MANY - 1):
        bustle.wrote(str(number))
    assert not bustle.on
    bustle.wrote("one more")
    assert bustle.on


def test_one_application_that_is_changed_all_the_time_makes_no_bustle() -> None:
    bustle: Bustle[str] = Bustle(lambda _: None, Clock())
    for _ in range(20 * MANY):
        bustle.wrote("one")
    assert not bustle.on


def test_it_is_over_one_quiet_window_later() -> None:
    clock = Clock()
    bustle, _ = bustling(clock)
    clock.now += WINDOW
    assert bustle.on  # the window before was busy, this one has just begun
    clock.now += WINDOW
    assert not bustle.on
    clock.now += 100 * WINDOW
    assert not bustle.on


async def test_what_is_held_is_told_when_the_bustle_is_over() -> None:
    clock = Clock()
    bustle, told = bustling(clock)
    bustle.hold("a")
    bustle.hold("b")
    await asyncio.sleep(1.5 * WINDOW)
    assert told == []
    clock.now += 2 * WINDOW
    await asyncio.sleep(1.5 * WINDOW)
    assert told == ["a", "b"]
    assert "a" not in bustle


async def test_it_is_told_at_last_although_the_bustle_goes_on() -> None:
    clock = Clock()
    bustle, told = bustling(clock)
    bustle.hold("early")
    clock.now += PATIENCE / 2
    bustle.hold("late")
    bustle.hold("early")  # the first hold counts
    clock.now += PATIENCE / 2
    for number in range(MANY):
        bustle.wrote(str(number))
    await asyncio.sleep(1.5 * WINDOW)
    assert told == ["early"]
    assert "late" in bustle
    bustle.close()


async def test_what_is_dropped_is_not_told() -> None:
    clock = Clock()
    bustle, told = bustling(clock)
    bustle.hold("a")
    bustle.drop("a")
    clock.now += 2 * PATIENCE
    await asyncio.sleep(1.5 * WINDOW)
    assert told == []
