"""Whoever fails while being ended ends all the same: a cancellation that an error hides is heeded."""

import asyncio

import pytest

from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Link, Target
from atoll.kube.config import Config
from atoll.kube.errors import Unreachable


async def fails_in_the_end() -> None:
    async def lost() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise Unreachable("Reset", "the connection broke")

    async with asyncio.TaskGroup() as scope:
        scope.create_task(lost())


async def ends(task: asyncio.Task[None]) -> bool:
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task], timeout=2.0)
    return task.done()


async def test_a_link_whose_connection_breaks_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(Target("m1", Config(server="http://m1"), ""), HubIdentity("hub", 1), (), lambda _: None, lambda n, _: n)
    monkeypatch.setattr(link, "_contact", fails_in_the_end)
    assert await ends(asyncio.create_task(link.run()))
