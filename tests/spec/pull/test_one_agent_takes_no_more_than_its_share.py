"""An agent that opens as many streams as it may, or reports what can't be: its own cluster's matter alone."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atoll.agent.state import Folder
from atoll.hub.agents import endpoint
from atoll.link.dialling import DialError, dial
from atoll.link.report import TARGET, Report, encode
from atoll.link.session import LinkError, Lost
from atoll.link.sessions import LinkSession
from atoll.pull.framing import HEAD, TO_HUB
from atoll.pull.protocol import CONTROL
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually

from .linked import Linked, opened


@asynccontextmanager
async def impostor(linked: Linked) -> AsyncIterator[LinkSession]:
    """With the credential of `a`, whose agent is gone."""
    await cancel_and_wait(linked.working.pop("a"))
    state = await Folder(linked.folder / "a").load()
    assert state is not None
    session = LinkSession(state.hub)
    await dial(state.config(f"https://127.0.0.1:{linked.port}"), session, instance="another")
    try:
        yield session
    finally:
        session.close(Lost("Closed", "the test is over"))


@pytest.mark.parametrize(
    ("target", "most", "beginning"),
    [(CONTROL, 8, HEAD.pack(TO_HUB - 1, 0) + b"[" * 1_000), (TARGET, 2, b"{" * 1_000)],
)
async def test_beginnings_of_messages_on_many_streams_are_not_all_kept(
    linked: Linked, target: str, most: int, beginning: bytes
) -> None:
    async with impostor(linked) as session:
        streams = [await session.open(target) for _ in range(40)]
        for stream in streams:
            try:
                await stream.write(beginning)
            except LinkError:
                continue

        async def ended(number: int) -> bool:
            try:
                async with asyncio.timeout(1.0):
                    await streams[number].read()
            except TimeoutError:
                return False
            except LinkError:
                return True
            return True

        over = await asyncio.gather(*(ended(number) for number in range(40)))
        assert sum(not one for one in over) <= most
    await linked.deploy("app", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}, clusters=("b",))
    await linked.ready("app")


@pytest.mark.parametrize(
    "server",
    [
        "https://[::1",
        "http://h:99999",
        "https://h:-1",
        "https://\u2100.com",
        "ftp://x",
        "",
        "http://",
        "http://" + "a" * 3_000,
    ],
)
async def test_a_report_of_what_can_not_be_dialled_is_refused(
    apis: dict[str, FakeApi], tmp_path: Path, server: str
) -> None:
    """It would end in whoever dials, who takes it for a fault of his own."""
    async with opened(apis, tmp_path, "tunnel") as linked, impostor(linked) as session:
        stream = await session.open(TARGET)
        await stream.write(encode(Report(server, "", "token", "uid", 0.0, 1e12)))
        with pytest.raises(LinkError):
            await asyncio.wait_for(stream.read(1), 2.0)


async def test_two_agents_with_one_state_do_not_take_turns(linked: Linked) -> None:
    """The later one is the agent; the other, which comes again, waits until that one is gone."""
    hub = linked.side.hub
    assert hub is not None
    listener = hub.ends.listener
    await eventually(lambda: listener.session("a"))
    state = await Folder(linked.folder / "a").load()
    assert state is not None
    config, later = state.config(f"https://127.0.0.1:{linked.port}"), time.time_ns()
    await cancel_and_wait(linked.working.pop("a"))
    second = LinkSession(state.hub)
    await dial(config, second, instance="second", began=later)
    with pytest.raises(DialError) as refused:
        await dial(config, LinkSession(state.hub), instance="first", began=later - 1)
    assert refused.value.reason == "Replaced"
    assert second.alive
    third = LinkSession(state.hub)
    await dial(config, third, instance="third", began=later + 1)
    assert (await second.wait_lost()).reason in {"Replaced", "Closed"}
    third.close(Lost("Closed", "it stops"))
    await eventually(lambda: listener.session("a") is None)
    first = LinkSession(state.hub)
    await dial(config, first, instance="first", began=later - 1)
    first.close(Lost("Closed", "the test is over"))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /agents/ca HTTP/1.1\r\nHo",
        b"GET /agents/ca HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /agents/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
    ],
    ids=["nothing", "half a head", "no more", "half a body"],
)
async def test_who_is_nobody_holds_no_connection_for_long(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Else a few thousand of them would take every place that agents come in by."""
    monkeypatch.setattr(endpoint, "IDLE", 0.3)
    async with opened(apis, tmp_path) as linked:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", linked.port, ssl=context)
        writer.write(said)
        async with asyncio.timeout(5.0):
            while piece := await reader.read(1 << 16):
                if b" 408 " in piece:
                    break  # the server closes it a little later
        writer.close()
