"""An agent stays connected over a wire that is cut, stalls, is slow: nothing is lost or doubled, and nothing leaks."""

import asyncio
import contextlib
import gc
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atoll.agent.connecting import Connector
from atoll.agent.state import Folder, State
from atoll.link.certificates import AgentIdentity, Authority, make_authority, make_key, make_request
from atoll.link.dialling import Back
from atoll.link.session import LinkError, Lost, Stream
from atoll.link.sessions import LinkSession
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.badwire import BadWire
from tests.memory import grows_by_less_than
from tests.networks import TROUBLES, trouble
from tests.spec.link.ends import HubEnd, echoing, eventually, hub
from tests.spec.link.test_sessions_carry_streams import talk

FLAPS = 60
STREAMS, EACH = 8, 32 << 20
"""Streams that are written to as fast as they take it, and bytes for each: 256 MiB that must not pile up anywhere."""
HELD_MOST = 40 << 20
"""Bytes that both ends and the wire between them may hold of it, in this one process."""


def at_once() -> Back:
    """No waiting between dials."""
    return Back(lambda *_: 0.0)


@asynccontextmanager
async def connected(
    end: HubEnd, wire: BadWire, folder: Path, *others: BadWire, connections: int = 1
) -> AsyncIterator[Connector]:
    """An agent's connector, that dials through `wire`, and the others."""
    ca = Authority(make_authority("agents"))
    key = make_key()
    certificate = ca.agent(make_request(key), AgentIdentity("hub-id", "m1", "u"))
    state = State(
        cluster="m1",
        mode="tunnel",
        hub="hub-id",
        addresses=tuple(f"https://127.0.0.1:{w.port}" for w in (wire, *others)),
        ca=end.config.ca.decode(),
        key=key.decode(),
        certificate=certificate.decode(),
    )

    async def attend(session: LinkSession) -> None:
        await session.wait_lost()

    connector = Connector(
        Folder(folder / "agent"), state, serve=echoing, attend=attend, connections=connections, back=at_once
    )
    running = asyncio.create_task(connector.run())
    try:
        yield connector
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def end(tmp_path: Path) -> AsyncIterator[HubEnd]:
    async with hub(tmp_path, echoing) as made:
        yield made


def port_of(end: HubEnd) -> int:
    return int(end.config.server.rpartition(":")[2])


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_flaps_leave_no_task_no_socket_and_no_session(end: HubEnd, tmp_path: Path) -> None:
    """With a stream on each. Two hundred of them, with all that works above: `spec/pull/test_bad_networks`."""
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path):
        await end.session()
        tasks, files = 0, 0
        for flap in range(FLAPS):
            session = await end.session()
            stream = await session.open("echo/1")
            await stream.write(b"on its way")
            wire.cut()
            with pytest.raises(LinkError):
                await stream.read()
            if flap == 20:
                await end.session()
                gc.collect()
                tasks, files = len(asyncio.all_tasks()), open_files()
        assert await talk(await end.session(), b"after all ") == b"after all over"
        await asyncio.sleep(1.5)  # what was closed in good order has a second to say so
        gc.collect()
        assert len(asyncio.all_tasks()) <= tasks + 2
        assert open_files() <= files + 2
        assert wire.connections >= FLAPS


async def test_what_a_stream_carried_is_whole_or_the_stream_breaks(end: HubEnd, tmp_path: Path) -> None:
    """Never a part that looks like the whole."""
    data = hashlib.shake_128(b"x").digest(4_000_000)
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path):
        broken = 0
        for after in (0.0, 0.005, 0.01, 0.02, 0.03):
            session = await end.session()
            talking = asyncio.create_task(talk(session, data))
            await asyncio.sleep(after)
            wire.cut()
            try:
                assert await talking == data + b"over"
            except (LinkError, ExceptionGroup):
                broken += 1
            await asyncio.wait_for(session.wait_lost(), 10)  # what was said may have come before the cut was noticed
        assert broken > 0
        assert await talk(await end.session(), data) == data + b"over"


async def test_a_stall_is_noticed_and_what_comes_after_works(
    end: HubEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from atoll.link import connection

    monkeypatch.setattr(connection, "SILENCE", 0.6)
    monkeypatch.setattr(connection, "PING_EVERY", 0.2)
    monkeypatch.setattr(connection, "PULSE", 0.1)
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path):
        session = await end.session()
        stream = await session.open("echo/1")
        resume = wire.stall()
        lost = await asyncio.wait_for(session.wait_lost(), 5)
        assert lost.reason in {"PeerSilent", "Closed"}  # whichever end notices first
        with pytest.raises(LinkError):
            await stream.read()
        resume()
        await eventually(lambda: end.listener.session("m1") not in {None, session}, 10)
        assert await talk(await end.session(), b"again ") == b"again over"


async def test_a_slow_and_jittery_way_loses_nothing(end: HubEnd, tmp_path: Path) -> None:
    data = hashlib.shake_128(b"y").digest(100_000)
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path):
        session = await end.session()
        wire.latency = (0.2, 0.4)
        assert await asyncio.wait_for(talk(session, data), 30) == data + b"over"
        wire.latency, wire.rate = (0.0, 0.0), 64_000
        assert await asyncio.wait_for(talk(session, data), 30) == data + b"over"
        assert session.alive


async def test_of_connections_side_by_side_one_that_is_lost_is_made_anew(end: HubEnd, tmp_path: Path) -> None:
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path, connections=3):
        session = await end.session()
        await eventually(lambda: len(session.connections) == 3)
        for _ in range(2):
            first = session.connections[0]
            first.close(Lost("Closed", "this one alone"))
            await eventually(lambda: len(session.connections) == 3 and first not in session.connections)  # noqa: B023
        assert session.alive
        assert await talk(session, b"all the while ") == b"all the while over"
        wire.cut()
        await asyncio.wait_for(session.wait_lost(), 5)
        assert await talk(await end.session(), b"again ") == b"again over"


async def test_of_addresses_that_lead_to_one_hub_process_one_is_used_and_another_steps_in(
    end: HubEnd, tmp_path: Path
) -> None:
    async with (
        BadWire("127.0.0.1", port_of(end)) as first,
        BadWire("127.0.0.1", port_of(end)) as second,
        connected(end, first, tmp_path, second) as connector,
    ):
        await eventually(lambda: len(connector.doors()) == 2)
        assert sorted(door.reason for door in connector.doors()) == ["", "AlreadyConnected"]
        session = await end.session()
        assert len(session.connections) == 1
        used = next(wire for wire in (first, second) if wire.open)
        await used.__aexit__(None, None, None)  # nobody answers there any more
        await eventually(lambda: end.listener.session("m1") not in {None, session})
        assert await talk(await end.session(), b"again ") == b"again over"
        assert len(end.arrivals) == 2


def test_a_thousand_agents_do_not_dial_in_one_moment() -> None:
    first = sorted(Back().next() for _ in range(1000))
    assert first[-1] - first[0] > 1.5
    most = max(sum(1 for t in first if start <= t < start + 0.1) for start in first)
    assert most < 120  # in any tenth of a second
    backs = [Back() for _ in range(200)]
    for _ in range(8):
        last = [back.next() for back in backs]
    assert 2 < max(last) <= 4  # a hub that was away for long is found again within 5 s
    assert max(sum(1 for t in last if start <= t < start + 0.4) for start in last) < 60  # 200 over 4 s
    assert min(Back().long() for _ in range(100)) >= 15


@pytest.mark.parametrize("kind", TROUBLES)
async def test_memory_is_bounded_whatever_the_wire_does(end: HubEnd, tmp_path: Path, kind: str) -> None:
    async with BadWire("127.0.0.1", port_of(end)) as wire, connected(end, wire, tmp_path), asyncio.TaskGroup() as scope:
        await end.session()
        writers = [scope.create_task(echoes(end)) for _ in range(STREAMS)]
        with grows_by_less_than(HELD_MOST):
            async with trouble(wire, kind):
                await asyncio.sleep(1.0)
        for writer in writers:
            writer.cancel()


async def echoes(end: HubEnd) -> None:
    """Write without a pause, while what comes back is read; from the beginning when the stream breaks."""
    data = bytes(1 << 20)
    while True:
        with contextlib.suppress(LinkError, TimeoutError):
            stream = await (await end.session()).open("echo/1")
            reading = asyncio.create_task(drained(stream))
            try:
                for _ in range(EACH // len(data)):
                    await stream.write(data)
                await stream.close_write()
                await asyncio.wait([reading])
            finally:
                await cancel_and_wait(reading)
        await asyncio.sleep(0.01)


async def drained(stream: Stream) -> None:
    with contextlib.suppress(LinkError):
        while await stream.read(1 << 16):
            pass
