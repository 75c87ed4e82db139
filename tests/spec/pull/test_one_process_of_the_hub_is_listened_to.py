"""While leadership passes on, an agent may be connected with two processes of its hub. The later of them counts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.agent.pulling.agent import PullAgent
from atoll.link.session import Stream
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_HUB
from atoll.pull.protocol import CONTROL, SPOKEN, Hello, Synced, ToHub, Welcome
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from atoll.testing.wires import Wire
from tests.delivering import eventually


class Process:
    """One process of the hub, as an agent meets it."""

    def __init__(self, name: str, moment: int) -> None:
        self.wire = Wire("a")
        self.heard: list[ToHub] = []
        self._welcome = Welcome(SPOKEN.newest, "a", "hub", epoch=1, moment=moment, process=name)
        self.wire.hub.serve(self._talk, lambda target: target == CONTROL)

    async def _talk(self, stream: Stream) -> None:
        channel: Channel[ToHub] = Channel(stream, ToHub, TO_HUB)
        assert isinstance(await channel.receive(), Hello)
        await channel.send(self._welcome)
        await channel.send(Synced())
        while True:
            self.heard.append(await channel.receive())


@asynccontextmanager
async def working(agent: PullAgent) -> AsyncIterator[None]:
    task = asyncio.create_task(agent.run())
    try:
        yield
    finally:
        await cancel_and_wait(task)


async def test_what_there_is_to_tell_is_told_to_the_later_one_only(apis: dict[str, FakeApi]) -> None:
    """Told to the other, it would be known to nobody who writes it down, and not be told again."""
    agent, first, second = PullAgent(apis["a"].config), Process("first", 1), Process("second", 2)
    async with working(agent):
        former = asyncio.create_task(agent.attend(first.wire.agent))
        await eventually(lambda: bool(first.heard))
        later = asyncio.create_task(agent.attend(second.wire.agent))
        await asyncio.wait_for(former, 2)
        known = len(first.heard)
        for _ in range(3):
            before = len(second.heard)
            agent.outbox.state()
            await eventually(lambda before=before: len(second.heard) > before)  # type: ignore[misc]
        assert len(first.heard) == known
        await cancel_and_wait(later)
    for process in (first, second):
        await process.wire.close()
