"""Connections are kept, and let go in time; a request that breaks off is asked again only where that is safe."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import BadRequest
from atoll.kube.transport import open_socket
from atoll.kube.wire import Wire
from tests.spec.kube.conftest import Connect, Listen

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ASK = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


class Script:
    """A server that answers the first request on a connection, and does with the second as it is told."""

    def __init__(self, second: bytes | None = OK) -> None:
        self.connections = 0
        self.asked: list[str] = []
        self._second = second

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers = [OK, *([self._second] * 9)]
        for words in answers:
            try:
                asked = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            self.asked.append(asked.split(b"\r\n")[0].decode())
            if words is None:
                writer.close()
                return
            writer.write(words)


@asynccontextmanager
async def wire(port: int, keep: float = 9.0) -> AsyncIterator[Wire]:
    made = Wire(f"http://127.0.0.1:{port}", tls_name="", dial=None, open_socket=open_socket, patience=5.0, keep=keep)
    try:
        yield made
    finally:
        await made.close()


async def test_a_connection_is_kept_for_the_next_request(listen: Listen) -> None:
    script = Script()
    async with wire(await listen(script.talk)) as way:
        for _ in range(5):
            assert (await way.exchange("GET", ASK, None, 5.0)).body == b"{}"
    assert script.connections == 1


async def test_one_that_was_idle_for_too_long_is_let_go(listen: Listen) -> None:
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.read()
        ended.set()

    async with wire(await listen(talk), keep=0.01) as way:
        await way.exchange("GET", ASK, None, 5.0)
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_read_on_a_kept_connection_that_died_is_asked_again_and_a_write_is_not(listen: Listen) -> None:
    script = Script(second=None)
    async with wire(await listen(script.talk)) as way:
        await way.exchange("GET", ASK, None, 5.0)
        assert (await way.exchange("GET", ASK, None, 5.0)).status == 200
        with pytest.raises((aiohttp.ServerDisconnectedError, OSError)):
            await way.exchange("PATCH", ASK.replace(b"GET", b"PATCH"), None, 5.0)
    assert script.connections == 2
    assert [line.split()[0] for line in script.asked] == ["GET", "GET", "GET", "PATCH"]


async def test_a_connection_that_the_server_has_closed_takes_no_request(listen: Listen) -> None:
    """Its end is known a moment before the transport has gone; a write that went there would have failed."""
    script = Script()
    async with wire(await listen(script.talk)) as way:
        await way.exchange("PATCH", ASK, None, 5.0)
        way._idle[0].eof_received()
        await way.exchange("PATCH", ASK, None, 5.0)
    assert script.connections == 2


async def test_a_name_is_asked_for_once_at_a_time(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are resolved in few threads, for all clusters: one that nobody answers for must not take them all."""
    loop, asked = asyncio.get_running_loop(), 0
    known, answered = loop.getaddrinfo, asyncio.Event()

    async def slow(*place: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        await answered.wait()
        return await known(*place, **options)

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    script = Script()
    port = await listen(script.talk)
    async with wire(port) as way, wire(port) as anew:
        waiting = [asyncio.create_task(w.exchange("GET", ASK, None, 5.0)) for w in (way, way, way, anew)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # whoever asked first may go
        await asyncio.sleep(0)
        answered.set()
        assert [answer.status for answer in await asyncio.gather(*waiting[1:])] == [200] * 3
        assert asked == 1
        await way.exchange("GET", ASK, None, 5.0)
        later = [way.exchange("GET", ASK, None, 5.0) for _ in range(3)]
        await asyncio.gather(*later)
    assert asked == 2  # what was heard is not kept


async def test_an_answer_that_does_not_come_in_time_costs_the_connection(listen: Listen) -> None:
    script = Script(second=b"")
    async with wire(await listen(script.talk)) as way:
        await way.exchange("GET", ASK, None, 5.0)
        with pytest.raises(TimeoutError):
            await way.exchange("GET", ASK, None, 0.05)
        await way.exchange("GET", ASK, None, 5.0)
    assert script.connections == 2


async def test_who_stops_waiting_leaves_no_answer_to_the_next(listen: Listen) -> None:
    script = Script(second=b"")
    async with wire(await listen(script.talk)) as way:
        await way.exchange("GET", ASK, None, 5.0)
        waiting = asyncio.create_task(way.exchange("GET", ASK, None, 5.0))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await way.exchange("GET", ASK, None, 5.0)).status == 200
    assert script.connections == 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/x y", {}), ("/x\r\nA: b", {}), ("/ü", {}), ("/x", {"A": "b\r\nC: d"}), ("/x", {"A\n": "b"})],
)
async def test_nothing_becomes_another_request_or_header(
    connect: Connect, listen: Listen, path: str, headers: dict[str, str]
) -> None:
    script = Script()
    client = await connect(f"http://127.0.0.1:{await listen(script.talk)}")
    with pytest.raises(BadRequest):
        await client.request("GET", path, headers=headers)
    assert script.connections == 0


async def test_what_is_sent(listen: Listen) -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        heard.append(await reader.readexactly(7))
        writer.write(OK)

    port = await listen(talk)
    async with Client(Config(server=f"http://127.0.0.1:{port}/prefix/", token="t"), user_agent="me") as client:
        await client.request("POST", "/x", body={"a": 1}, params={"q": "ü &"}, headers={"accept": "*/*"})
    head = heard[0].decode().split("\r\n")
    assert head[0] == "POST /prefix/x?q=%C3%BC+%26 HTTP/1.1"
    assert sorted(head[1:-2]) == sorted(
        (
            f"Host: 127.0.0.1:{port}",
            "User-Agent: me",
            "Accept-Encoding: gzip",
            "Content-Type: application/json",
            "accept: */*",
            "Authorization: Bearer t",
            "Content-Length: 7",
        )
    )
    assert heard[1] == b'{"a":1}'
