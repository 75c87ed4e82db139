"""A session over a real TLS WebSocket: streams both ways, refusals, ends, losses."""

import asyncio
import gc
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from atoll.link.connection import APART_MOST, MOMENT
from atoll.link.dialling import DialError, dial, new_instance
from atoll.link.session import LinkError, Lost, Refused, Reset, Stream
from atoll.link.sessions import LinkSession
from tests.spec.link.ends import HubEnd, agent, echoing, eventually, hub


@pytest.fixture
async def end(tmp_path: Path) -> AsyncIterator[HubEnd]:
    async with hub(tmp_path, echoing) as made:
        yield made


async def talk(session: LinkSession, data: bytes) -> bytes:
    stream = await session.open("echo/1")

    async def write() -> None:
        await stream.write(data)
        await stream.close_write()

    async with asyncio.TaskGroup() as scope:
        scope.create_task(write())
        return await stream.read()


async def test_either_end_opens_streams_that_end_one_direction_after_the_other(end: HubEnd) -> None:
    async with agent(end.config, echoing) as session:
        assert session.peer == "hub-id"
        assert await talk(session, b"from the agent ") == b"from the agent over"
        theirs = await end.session()
        assert theirs.peer == "m1"
        assert await talk(theirs, b"from the hub ") == b"from the hub over"
        await eventually(lambda: all(c.streams == 0 for c in (*session.connections, *theirs.connections)))


async def test_megabytes_arrive_as_they_were_sent_on_many_streams_at_once(end: HubEnd) -> None:
    def data(number: int) -> bytes:
        return hashlib.shake_128(str(number).encode()).digest(1_000_000 + number)

    async with agent(end.config, connections=3) as session:
        answers = await asyncio.gather(*(talk(session, data(n)) for n in range(12)))
        assert answers == [data(n) + b"over" for n in range(12)]
        used = [c.received > 1_000_000 for c in session.connections]
        assert used == [True, True, True]  # side by side


async def test_a_short_message_goes_at_once_and_many_of_one_moment_go_together(
    end: HubEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with agent(end.config) as session:
        streams = [await session.open("echo/1") for _ in range(60)]
        transports = [stream._transport for stream in streams]
        (connection,) = session.connections
        writes: list[bytes] = []
        send = connection._transport.write

        def write(data: bytes) -> None:
            if b"at once" in data or b"together" in data:  # not a ping
                writes.append(data)
            send(data)

        monkeypatch.setattr(connection, "_transport", SimpleNamespace(write=write))
        connection._in_tick = APART_MOST
        await asyncio.sleep(2 * MOMENT)
        transports[0].write(b"at once")
        assert len(writes) == 1
        monkeypatch.setattr("atoll.link.connection.MOMENT", 60.0)  # it isn't over, however busy the machine is
        for transport in transports[1:]:
            transport.write(b"together")
        assert len(writes) == APART_MOST
        assert await streams[0].read(1 << 16) == b"at once"
        for stream in streams[1:]:
            assert await stream.read(1 << 16) == b"together"
        assert len(writes) == APART_MOST + 1
        monkeypatch.undo()


async def test_what_nobody_serves_is_refused(end: HubEnd) -> None:
    async with agent(end.config) as session:
        with pytest.raises(Refused, match="nothing that may be reached") as refused:
            await session.open("tcp/10.0.0.1:22")
        assert refused.value.reason == "NotAllowed"
        theirs = await end.session()
        with pytest.raises(Refused):
            await theirs.open("echo/1")  # this agent serves nothing


async def test_who_gives_a_stream_up_is_heard_and_the_session_goes_on(end: HubEnd) -> None:
    async def fail(stream: Stream) -> None:
        await stream.read(5)
        raise Reset("Wrong", "not like this")

    async with agent(end.config) as session:
        (await end.session()).serve(fail, lambda target: target == "fail")
        stream = await session.open("fail")
        await stream.write(b"hello")
        with pytest.raises(Reset) as reset:
            await stream.read()
        assert reset.value.reason == "Wrong"
        with pytest.raises(LinkError):
            await stream.write(b"more")
        assert await talk(session, b"still ") == b"still over"


async def test_a_reader_who_stands_still_holds_up_its_writer_alone(end: HubEnd) -> None:
    async with agent(end.config) as session:
        stuck = await session.open("echo/stuck")
        writing = asyncio.create_task(stuck.write(bytes(20 << 20)))
        await asyncio.sleep(0.2)
        assert not writing.done()
        assert await talk(session, bytes(3_000_000)) == bytes(3_000_000) + b"over"
        assert not writing.done()
        stuck.reset("Enough")
        with pytest.raises(Reset):
            await writing


async def test_a_lost_connection_ends_its_streams_on_both_ends(end: HubEnd) -> None:
    ended: list[LinkError] = []

    async def wait(stream: Stream) -> None:
        try:
            await stream.read()
        except LinkError as error:
            ended.append(error)
            raise

    async with agent(end.config) as session:
        theirs = await end.session()
        theirs.serve(wait, lambda target: target == "wait")
        stream = await session.open("wait")
        session.connections[0]._transport.abort()
        with pytest.raises(Lost):
            await stream.read()
        with pytest.raises(Lost):
            await session.open("wait")
        assert (await theirs.wait_lost()).reason == "Closed"
        await eventually(lambda: end.listener.session("m1") is None)
    gc.collect()


async def test_the_newest_run_of_an_agent_replaces_an_older_one(end: HubEnd) -> None:
    async with agent(end.config) as old:
        first = await end.session()
        async with agent(end.config, echoing) as new:
            assert (await old.wait_lost()).reason == "Closed"
            assert (await first.wait_lost()).reason == "Replaced"
            assert new.alive
            assert await talk(await end.session(), b"to the new ") == b"to the new over"


async def test_a_connection_that_the_same_run_makes_anew_takes_the_old_ones_place(end: HubEnd) -> None:
    """The hub has not noticed yet that the old one is dead: its name is not taken."""
    instance = new_instance()
    async with agent(end.config, instance=instance), agent(end.config, echoing, instance=instance) as new:
        theirs = await end.session()
        await eventually(lambda: len(theirs.connections) == 1)
        assert theirs.alive
        assert await talk(theirs, b"the same ") == b"the same over"
        assert new.alive
    assert len(end.arrivals) == 1


async def test_a_hub_that_drains_gets_no_new_streams_and_old_ones_finish(end: HubEnd) -> None:
    async with agent(end.config) as session:
        stream = await session.open("echo/1")
        await end.session()
        end.listener.drain("Stopping", "the hub stops")
        await eventually(lambda: not session.connections[0].usable)
        with pytest.raises(Refused) as refused:
            await session.open("echo/2")
        assert refused.value.reason == "Draining"
        await stream.write(b"last ")
        await stream.close_write()
        assert await stream.read() == b"last over"


async def test_a_stream_carries_tls_and_http_like_any_connection(end: HubEnd, tmp_path: Path) -> None:
    """As the hub's client of a member does."""
    secure = ssl.create_default_context(cadata=end.config.ca.decode())
    inner = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inner.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"got " + await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=inner)
    port = server.sockets[0].getsockname()[1]

    async def forward(stream: Stream) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def back() -> None:
            while data := await reader.read(1 << 16):
                await stream.write(data)
            await stream.close_write()

        async with asyncio.TaskGroup() as scope:
            scope.create_task(back())
            while data := await stream.read(1 << 16):
                writer.write(data)
            writer.close()

    async with agent(end.config, lambda s: s.serve(forward, lambda t: t == "tcp/x:1")), server:
        session = await end.session()
        transport = await session.open_transport("tcp/x:1")
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        tls = await loop.start_tls(transport, protocol, secure, server_hostname="127.0.0.1")
        assert tls is not None
        protocol.connection_made(tls)
        tls.write(b"hello\n")
        assert await reader.read() == b"got hello\n"
        tls.close()
        await eventually(lambda: session.connections[0].streams == 0)


async def test_datagrams_arrive_and_don_t_wait_for_credit(end: HubEnd) -> None:
    got: list[bytes] = []

    def taker(session: LinkSession) -> None:
        def take(transport: object) -> None:
            transport.on_datagram = got.append  # type: ignore[attr-defined]
            transport.accept()  # type: ignore[attr-defined]

        session.take(take, lambda target: target.startswith("udp/"))

    async with agent(end.config, taker):
        transport = await (await end.session()).open_transport("udp/10.0.0.10:53")
        assert transport.send_datagram(b"question")
        await eventually(lambda: got == [b"question"])
        assert not transport.send_datagram(bytes(70_000))


async def test_what_is_no_hub_is_named(end: HubEnd, tmp_path: Path) -> None:
    other = await asyncio.start_server(
        lambda _, w: w.write(b"HTTP/1.1 403 No\r\ncontent-length: 3\r\n\r\nno!"), "127.0.0.1", 0
    )
    port = other.sockets[0].getsockname()[1]
    cases = {
        "NotAtoll": type(end.config)(server=f"http://127.0.0.1:{port}"),
        "NotTLS": type(end.config)(server=f"https://127.0.0.1:{port}"),
        "CertificateUntrusted": type(end.config)(server=end.config.server),
        "Refused": type(end.config)(server="https://127.0.0.1:1"),
    }
    async with other:
        for reason, config in cases.items():
            with pytest.raises(DialError) as failed:
                await dial(config, LinkSession("hub-id"), instance="x")
            assert failed.value.reason == reason


async def test_a_renewed_connection_lets_the_streams_of_the_old_one_finish(end: HubEnd) -> None:
    instance = new_instance()
    async with agent(end.config, instance=instance) as session:
        old = session.connections[0]
        stream = await session.open("echo/1")
        await dial(end.config, session, instance=instance, renews=True)
        assert session.connections[0] is not old
        await stream.write(b"goes on ")
        assert await talk(session, b"on the new ") == b"on the new over"
        await stream.close_write()
        assert await stream.read() == b"goes on over"
        await eventually(old.lost.done)
        assert session.alive
        assert (await end.session()).alive
    assert len(end.arrivals) == 1


async def test_a_protocol_that_fails_loses_its_own_stream_only(end: HubEnd) -> None:
    class Failing(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise ValueError("not like this")

    async with agent(end.config) as session:
        transport = await session.open_transport("echo/1")
        transport.set_protocol(Failing())
        transport.write(b"hello")
        await eventually(transport.is_closing)
        assert await talk(session, b"the others ") == b"the others over"
        assert session.alive


async def test_tls_that_gives_up_inside_a_stream_ends_that_stream_only(end: HubEnd) -> None:
    """As when an API server goes on sending after we have closed."""
    async with agent(end.config) as session:
        transport = await session.open_transport("echo/1")
        transport._force_close(ssl.SSLError("application data after close notify"))
        assert transport.is_closing()
        assert await talk(session, b"the others ") == b"the others over"
        await eventually(lambda: session.connections[0].streams == 0)
