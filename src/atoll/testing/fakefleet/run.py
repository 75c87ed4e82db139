"""One seeded run: things happen, then nothing goes wrong any more, and in the end everything must be right."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec
import structlog

from atoll.testing.fakefleet.actions import step
from atoll.testing.fakefleet.manners import manners
from atoll.testing.fakefleet.verdict import Verdict, bystanders
from atoll.testing.fakefleet.virtualtime import DeadlockError, virtual_time
from atoll.testing.fakefleet.world import World

STEPS = 20
RESTARTED = 0.3
"""The part of the runs at whose end a hub is killed once more."""
LEASE_ENDS = 16.0
LOOKS = (5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 150.0, 200.0)
"""Seconds between two looks at whether all is right; after the last one it must be."""
QUIET, QUIET_IN_CONFLICT, QUIET_AFTER_FIGHT = 6.0, 62.0, 125.0
"""Seconds without a write before it may be said that all is settled: a conflict is looked at again every minute, and a
fight is told of until it has been over for two."""
IDLE = 65.0
"""Seconds in which nothing may be written afterwards."""


class Report(msgspec.Struct):
    """What came of a run: `complaints` is empty when all is well."""

    seed: int
    complaints: list[str]
    log: list[str]
    writes: int
    """Of hubs, to members."""
    trace: str
    """A digest of every request, by whom and when: two runs with the same one were the same."""
    counts: Counter[str]


def again(seed: int) -> str:
    """How to see it once more. Less of it: `--steps 12`, or `--without 3 4 9`."""
    return f"python -m atoll.testing.fakefleet --seed {seed} -v"


def run(seed: int, steps: int = STEPS, without: frozenset[int] = frozenset()) -> Report:
    """The run of `seed`: its first `steps` steps, `without` some of them."""

    async def misfortune(world: World) -> None:
        await asyncio.sleep(world.random.choice((0.0, 2.0)))
        for number in range(steps):
            if number not in without:
                await step(world, seed, number)

    return play(misfortune, seed)


def play(story: Callable[[World], Awaitable[None]], seed: int = 0) -> Report:
    """A world with one hub, in which `story` happens; in the end nothing goes wrong any more, and all must be right."""
    with virtual_time(seed) as loop, listening() as errors, manners():
        world = World(seed, loop)
        try:
            loop.run_until_complete(_play(world, story))
        except DeadlockError as error:
            world.watchman.complain(str(error))
        complaints = [*world.watchman.said, *errors, *loop.unhandled]
        world.counts["siege endured"] += world.sieges
        world.counts["restart when settled"] += world.restarts
        writes = sum(number for name, number in world.watchman.writes.items() if name != "hub")
        return Report(seed, complaints, world.log, writes, world.trace.hexdigest(), world.counts)


async def _play(world: World, story: Callable[[World], Awaitable[None]]) -> None:
    world.start_hub()
    await story(world)
    await _calm(world)
    said = await _settle(world)
    world.watchman.said += said
    if not said:
        await _idle(world)
    for process in list(world.processes):
        await world.kill_hub(process)
    world.watchman.said += bystanders(world) if said else ()


async def _calm(world: World) -> None:
    """Nothing goes wrong from now on."""
    world.log.append(f"{world.loop.time():9.3f}       nothing goes wrong any more")
    for fight in world.watchman.fights.values():
        fight.ends = min(fight.ends, world.loop.time())
    for server in world.servers.values():
        server.faults.heal()
        server.lag = 0.0
        if server.state != "up":
            server.go("up")
    for process in world.processes:
        if process.frozen:
            process.thaw()
    if not world.processes:
        world.start_hub()
    if world.restored:
        await world.raise_epoch()


async def _settle(world: World) -> list[str]:
    said: list[str] = []
    for pause in LOOKS:
        await asyncio.sleep(pause)
        verdict = Verdict(world)
        said = verdict.complaints()
        before = world.watchman.writes.total()
        if not said:
            await asyncio.sleep(_quiet(world, verdict))
            said = [] if world.watchman.writes.total() == before else ["hubs are still writing"]
        said += (f"a request to {server.name} still hangs" for server in world.servers.values() if server.hanging)
        if not any(process.hub is not None and not process.hub.unready for process in world.processes):
            said.append("no hub is at work")
        if not said:
            world.log.append(f"{world.loop.time():9.3f}       all is right")
            break
    return said


def _quiet(world: World, verdict: Verdict) -> float:
    if world.watchman.fights:
        return QUIET_AFTER_FIGHT
    return QUIET_IN_CONFLICT if verdict.conflicts else QUIET


async def _idle(world: World) -> None:
    """Nothing is written while nothing happens."""
    world.watchman.idle = True
    await asyncio.sleep(IDLE)
    if world.random.random() < RESTARTED and not world.watchman.fights:  # whom it fought, a process knows alone
        await _restart(world)
    world.watchman.said += Verdict(world).complaints()


async def _restart(world: World) -> None:
    """A hub that starts when all is settled writes nothing to members, and finds no status to correct."""
    world.restarts += 1
    world.watchman.idle, world.watchman.restarted = False, True
    for process in list(world.processes):
        await world.kill_hub(process)
    world.start_hub()
    await asyncio.sleep(LEASE_ENDS + QUIET_IN_CONFLICT)


@contextmanager
def listening() -> Iterator[list[str]]:
    """The errors that are logged: each is a mistake somewhere, as what passes is logged below that."""
    heard: list[str] = []

    def hear(_: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
        heard.append(f"logged as {method}: {event.get('event')} {_words(event)}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, hear],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    )
    try:
        yield heard
    finally:
        structlog.configure(**before)


def _words(event: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in event.items() if key != "event")
