"""Who has said all and closes is heard to the end, however slowly the other reads."""

import asyncio
from pathlib import Path

import pytest

from atoll.link import connection
from atoll.link.session import Reset, Stream
from atoll.link.sessions import LinkSession
from tests.spec.link.ends import agent, eventually, hub

SLOW = 0.05
"""Seconds before each piece is read."""


@pytest.mark.parametrize("size", [200_000, 1_500_000], ids=["what fits the window", "more than fits"])
async def test_a_slow_reader_gets_all_of_what_was_written_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.2)

    async def say_all(stream: Stream) -> None:
        stream._writer.write(b"x" * size)  # type: ignore[attr-defined]  # and the stream is closed

    def serve(session: LinkSession) -> None:
        session.serve(say_all, lambda _: True)

    async with hub(tmp_path, serve) as end, agent(end.config) as session:
        stream = await session.open("all")
        heard = 0
        while data := await stream.read(size // 20):
            heard += len(data)
            await asyncio.sleep(SLOW)
        assert heard == size
        theirs = await end.session()
        await eventually(lambda: not any(c.streams for c in (*session.connections, *theirs.connections)))


async def test_who_reads_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.2)

    async def say_all(stream: Stream) -> None:
        stream._writer.write(b"x" * 1_500_000)  # type: ignore[attr-defined]

    def serve(session: LinkSession) -> None:
        session.serve(say_all, lambda _: True)

    async with hub(tmp_path, serve) as end, agent(end.config) as session:
        stream = await session.open("all")
        theirs = await end.session()
        await eventually(lambda: not any(c.streams for c in theirs.connections))
        with pytest.raises(Reset):
            await stream.read()
