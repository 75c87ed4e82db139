"""The hub's endpoint passes a member's API on, byte by byte, to who shows a grant, and to nobody else."""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest
from aiohttp import web

from atoll.fleet.grants import LABEL_GRANT, Grant, proxy_path
from atoll.hub.agents.endpoint import refusals
from atoll.hub.agents.proxy import Proxy
from atoll.kube.connection import Config
from atoll.kube.objects import Object, decode_object
from atoll.telemetry.serving import running

CREDENTIAL = "grant-0123456789ab.secret"


def stored(cluster: str = "eu", life: float = 60.0, secret: str = "secret") -> Object:
    grant = Grant(cluster, time.time() + life, hashlib.sha256(secret.encode()).hexdigest())
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "grant-0123456789ab", "namespace": "atoll-system", "labels": {LABEL_GRANT: "true"}},
        "data": {"grant": base64.b64encode(msgspec.json.encode(grant)).decode()},
    }
    return decode_object(msgspec.json.encode(body))


class Member:
    """An API server of a kind: says what it was asked, and echoes after an upgrade."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.reads = asyncio.Event()
        """Before this a request to /slow is not read."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(asked)
        if "upgrade: spdy/3.1" in asked.lower():
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
            while data := await reader.read(1 << 16):
                writer.write(data.upper())
        else:
            if "/slow" in asked:
                await self.reads.wait()
            length = [line for line in asked.lower().split("\r\n") if line.startswith("content-length:")]
            self.bodies.append(await reader.readexactly(int(length[0].split(":")[1])) if length else b"")
            size = 3_000_000 if "/large" in asked else 2
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size + b"ok" * (size // 2)
            )
        writer.close()


@pytest.fixture
async def member() -> AsyncIterator[tuple[Member, str]]:
    made = Member()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    async with server:
        yield made, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Door:
    """The hub's endpoint with one cluster, eu, behind it."""

    def __init__(self) -> None:
        self.grant: Object | None = stored()
        self.url = ""


@pytest.fixture
async def door(member: tuple[Member, str]) -> AsyncIterator[Door]:
    made = Door()

    async def grant(_: str) -> Object | None:
        return made.grant

    proxy = Proxy(lambda name: Config(server=member[1], token="the-hubs") if name == "eu" else None, grant)
    app = web.Application(middlewares=[refusals])
    app.add_routes([web.route("*", proxy_path("{cluster}") + "/{path:.*}", proxy.serve)])
    async with running(app, "127.0.0.1:0") as bound:
        made.url = f"http://{bound}{proxy_path('eu')}"
        yield made


async def ask(
    url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    sent = {"Authorization": f"Bearer {CREDENTIAL}"} | (headers or {})
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, data=body, headers=sent) as answer,
    ):
        return answer.status, await answer.read()


async def test_a_request_arrives_with_the_hubs_credential_and_nothing_smuggled(
    door: Door, member: tuple[Member, str]
) -> None:
    headers = {"Impersonate-User": "root", "X-Remote-Group": "system:masters", "Connection": "Accept, X-Secret"}
    status, body = await ask(f"{door.url}/api/v1/pods?limit=5", headers=headers | {"X-Secret": "1", "X-Kept": "2"})
    assert (status, body) == (200, b"ok")
    head = member[0].heads[0]
    assert head.startswith("GET /api/v1/pods?limit=5 HTTP/1.1\r\n")
    assert "Authorization: Bearer the-hubs" in head
    assert "grant-" not in head
    assert "X-Kept: 2" in head
    for gone in ("Impersonate-User", "X-Remote-Group", "X-Secret"):
        assert gone.lower() not in head.lower()


async def test_a_body_keeps_its_length_whatever_connection_names(door: Door, member: tuple[Member, str]) -> None:
    """Without it, what is in the body would read as a request of its own, with nobody's leave."""
    status, _ = await ask(f"{door.url}/api", "POST", b"GET /smuggled", {"Connection": "close, Content-Length"})
    assert status == 200
    assert member[0].bodies == [b"GET /smuggled"]


async def test_bodies_both_ways(door: Door, member: tuple[Member, str]) -> None:
    status, body = await ask(f"{door.url}/large", "POST", bytes(2_000_000))
    assert (status, len(body)) == (200, 3_000_000)
    assert member[0].bodies == [bytes(2_000_000)]


async def test_a_body_that_the_member_does_not_take_waits_at_its_sender(door: Door, member: tuple[Member, str]) -> None:
    host, _, port = door.url.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    size = 32 << 20
    head = f"POST {proxy_path('eu')}/slow HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {CREDENTIAL}\r\n"
    writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode())
    sent, piece = 0, bytes(1 << 18)

    async def send() -> None:
        nonlocal sent
        while sent < size:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()

    sending = asyncio.create_task(send())
    await asyncio.sleep(1.0)  # what it can't send in a second it never could
    at_first = sent
    member[0].reads.set()
    await asyncio.wait_for(sending, 20)
    assert at_first < size * 3 // 4  # what the kernel holds, and a little
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert member[0].bodies == [bytes(size)]
    writer.close()


async def test_after_an_upgrade_all_is_bytes(door: Door) -> None:
    host, _, port = door.url.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = proxy_path("eu") + "/api/v1/namespaces/d/pods/p/exec"
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {CREDENTIAL}\r\n"
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    writer.write(b"shout" * 100_000)
    assert await reader.readexactly(500_000) == b"SHOUT" * 100_000
    writer.close()


@pytest.mark.parametrize(
    "grant",
    [None, stored("us"), stored(life=-1), stored(secret="another")],
    ids=["no grant", "another cluster's", "one that has ended", "one with another secret"],
)
async def test_without_a_grant_for_it_nothing_gets_through(
    door: Door, member: tuple[Member, str], grant: Object | None
) -> None:
    door.grant = grant
    status, body = await ask(f"{door.url}/api/v1/secrets")
    assert status == 401
    assert msgspec.json.decode(body)["reason"] == "Unauthorized"
    assert member[0].heads == []


async def test_a_member_that_is_away_is_named(door: Door) -> None:
    status, body = await ask(door.url.replace("/clusters/eu/", "/clusters/us/") + "/api")
    assert (status, msgspec.json.decode(body)["reason"]) == (401, "Unauthorized")
    door.grant = stored("us")
    status, body = await ask(door.url.replace("/clusters/eu/", "/clusters/us/") + "/api")
    assert (status, msgspec.json.decode(body)["reason"]) == (404, "UnknownCluster")
