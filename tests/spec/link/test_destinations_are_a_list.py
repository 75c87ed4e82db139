"""What is reached through an agent is what stands on its list; through the hub an agent reaches nothing."""

import asyncio
import socket
from pathlib import Path

import pytest

from atoll.link import destinations
from atoll.link.destinations import Destinations, tcp
from atoll.link.session import Refused
from atoll.link.sessions import LinkSession
from tests.spec.link.ends import agent, eventually, hub


async def answering(port: int = 0) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read() + b" heard")  # all of it: one direction has ended, the other goes on
        await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def test_the_hub_reaches_what_is_on_the_list_and_no_other_spelling_of_it(tmp_path: Path) -> None:
    server, other = await answering(), await answering()
    allowed = tcp("127.0.0.1", port_of(server))

    def serve(session: LinkSession) -> None:
        Destinations([allowed]).serve(session)

    async with hub(tmp_path) as end, agent(end.config, serve):
        session = await end.session()
        stream = await session.open(allowed)
        await stream.write(b"hello")
        await stream.close_write()
        assert await stream.read() == b"hello heard"
        for target in (
            tcp("127.0.0.1", port_of(other)),
            tcp("localhost", port_of(server)),
            tcp("127.1", port_of(server)),
            allowed.upper(),
            f"{allowed} ",
            "tcp/169.254.169.254:80",
            "unix//run/docker.sock",
        ):
            with pytest.raises(Refused) as refused:
                await session.open(target)
            assert refused.value.reason == "NotAllowed", target
    server.close()
    other.close()


async def test_what_a_server_says_at_once_is_heard_though_it_leaves(tmp_path: Path) -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    target = tcp("127.0.0.1", port_of(server))
    async with hub(tmp_path) as end, agent(end.config, Destinations([target]).serve), server:
        session = await end.session()
        for stream in await asyncio.gather(*(session.open(target) for _ in range(50))):
            assert await stream.read() == b"welcome"
            stream.close()
        await eventually(lambda: session.connections[0].streams == 0)


async def test_a_destination_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue of connections is full: the kernel leaves them unanswered."""
    monkeypatch.setattr(destinations, "CONNECT_TIMEOUT", 0.1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        where = deaf.getsockname()
        target = tcp("127.0.0.1", where[1])
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(where)
        async with hub(tmp_path) as end, agent(end.config, Destinations([target]).serve):
            with pytest.raises(Refused, match="no answer") as refused:
                await (await end.session()).open(target)
            assert refused.value.reason == "Unreachable"
        for filler in fillers:
            filler.close()


async def test_a_destination_that_refuses_is_told_before_anything_was_sent(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = tcp("127.0.0.1", probe.getsockname()[1])

        def serve(session: LinkSession) -> None:
            Destinations([nobody]).serve(session)

        async with hub(tmp_path) as end, agent(end.config, serve):
            with pytest.raises(Refused) as refused:
                await (await end.session()).open(nobody)
            assert refused.value.reason == "Unreachable"
