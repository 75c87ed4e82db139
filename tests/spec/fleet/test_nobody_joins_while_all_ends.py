"""A hub's controllers are at work a moment longer than its fleet: what they learn then is of no use."""

import asyncio

from atoll.fleet.fleet import Fleet
from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Target
from atoll.kube.config import Config

LATE = Target("late", Config(server="http://127.0.0.1:1"), "")


def fleet() -> Fleet:
    return Fleet(HubIdentity("hub", 1), (), lambda _: None, lambda name, _: name)


async def test_who_joins_when_all_has_ended() -> None:
    async with fleet() as here:
        pass
    here.join(LATE)
    assert here.link("late") is None


async def test_who_joins_while_another_is_ended_holds_nobody_up() -> None:
    joined = asyncio.Event()

    class Slow:
        """A connection that takes its time to end."""

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                here.join(LATE)
                joined.set()

    async with asyncio.timeout(2.0), fleet() as here:
        here.host("slow", Slow())  # type: ignore[arg-type]  # no more is asked of it
        await asyncio.sleep(0)
    assert joined.is_set()
    assert here.link("late") is None
