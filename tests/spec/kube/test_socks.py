"""A SOCKS proxy in a kubeconfig, as `ssh -D` makes one: names are resolved there, and refusals say who refused what."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import web

from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import Unreachable
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi import FakeApi
from tests.spec.kube.conftest import Authority, Connect, Listen, Serve, answer, configmap


class SocksProxy:
    """RFC 1928 and 1929: the names that it was asked for; all of them lead to `port` of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[str] = []
        self.name, self.password = b"", b""
        self.answer = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        offered = await reader.readexactly(methods)
        method = 2 if self.name else 0
        assert method in offered
        writer.write(bytes((5, method)))
        if self.name:
            _, length = await reader.readexactly(2)
            name = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            right = (name, password) == (self.name, self.password)
            writer.write(bytes((1, 0 if right else 1)))
            if not right:
                return
        *_, kind = await reader.readexactly(4)
        assert kind == 3, "a name was expected: the proxy resolves it"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        await reader.readexactly(2)
        self.asked.append(host.decode())
        writer.write(bytes((5, self.answer, 0, 1, 0, 0, 0, 0, 0, 0)))
        if self.answer:
            return
        there, further = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(_copy(reader, further), _copy(there, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        sink.write(data)
        await sink.drain()
    sink.close()


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def proxy(api: FakeApi) -> AsyncIterator[tuple[SocksProxy, int]]:
    served = SocksProxy(urlsplit(api.config.server).port or 0)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with server:
        yield served, server.sockets[0].getsockname()[1]


def client(api: FakeApi, proxy: str) -> Client:
    scheme = urlsplit(api.config.server).scheme
    return Client(
        msgspec.structs.replace(api.config, server=f"{scheme}://api.far.example:6443", proxy_url=proxy), timeout=5
    )


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_it_is_the_way_and_resolves_the_name(api: FakeApi, proxy: tuple[SocksProxy, int], scheme: str) -> None:
    served, port = proxy
    async with client(api, f"{scheme}://127.0.0.1:{port}") as far:
        await far.create(NAMESPACES, {"metadata": {"name": "demo"}})
        assert (await far.get(NAMESPACES, "demo")).name == "demo"
    assert set(served.asked) == {"api.far.example"}


async def test_a_name_and_a_password_are_given(api: FakeApi, proxy: tuple[SocksProxy, int]) -> None:
    served, port = proxy
    served.name, served.password = b"me", b"secret"
    async with client(api, f"socks5://me:secret@127.0.0.1:{port}") as far:
        await far.create(NAMESPACES, {"metadata": {"name": "demo"}})
    async with client(api, f"socks5://me:wrong@127.0.0.1:{port}") as far:
        with pytest.raises(Unreachable, match=f"127.0.0.1:{port} refused the way to api.far.example:6443") as refused:
            await far.get(NAMESPACES, "demo")
    assert refused.value.reason == "Proxy"
    assert "wrong" not in str(refused.value)


async def test_tls_is_with_the_server_and_not_with_the_proxy(
    serve: Serve, connect: Connect, authority: Authority, listen: Listen
) -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return answer(configmap("web"))

    there = await serve(handler, authority.server("api.far.example"))
    port = await listen(SocksProxy(there.port).serve)
    far = await connect(
        Config(server="https://api.far.example:6443", ca=authority.pem, proxy_url=f"socks5://127.0.0.1:{port}")
    )
    assert (await far.get(CONFIGMAPS, "web", "demo")).name == "web"


async def test_what_it_refuses_is_told(api: FakeApi, proxy: tuple[SocksProxy, int]) -> None:
    served, port = proxy
    served.answer = 5
    async with client(api, f"socks5://127.0.0.1:{port}") as far:
        with pytest.raises(Unreachable, match=r"refused the way to api.far.example:6443: .*refused"):
            await far.get(NAMESPACES, "demo")


async def test_one_that_is_not_there_is_told(api: FakeApi, unused_port: int) -> None:
    async with client(api, f"socks5://127.0.0.1:{unused_port}") as far:
        with pytest.raises(Unreachable, match="cannot be reached") as missing:
            await far.get(NAMESPACES, "demo")
    assert missing.value.reason == "Proxy"
