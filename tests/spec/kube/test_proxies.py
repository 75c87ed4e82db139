"""Requests go through the kubeconfig's proxy, else through the environment's, unless NO_PROXY says otherwise."""

import asyncio

import pytest

from atoll.kube.config import Config
from atoll.kube.errors import Unreachable
from atoll.kube.proxies import proxy_for
from tests.spec.kube.conftest import Authority, Connect, Listen, Serve, answer


@pytest.mark.parametrize(
    ("server", "environment", "expected"),
    [
        ("https://kube.example", {}, ""),
        ("https://kube.example", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://kube.example", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://kube.example", {"HTTP_PROXY": "http://p:1"}, ""),
        ("http://kube.example", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://localhost", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://kube.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, ""),
        ("https://kube.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other, kube.example"}, ""),
        ("https://eu.kube.example", {"HTTPS_PROXY": "http://p:1", "no_proxy": "kube.example"}, ""),
        ("https://eu.kube.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".kube.example"}, ""),
        ("https://eu.kube.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.kube.example"}, ""),
        ("https://mykube.example", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "kube.example"}, "http://p:1"),
        ("https://kube.example:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "kube.example:6443"}, ""),
        ("https://kube.example:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "kube.example:1"}, "http://p:1"),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://10.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.1.2.3:6443"}, ""),
        ("https://11.1.2.3:6443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8,10.1.2.3"}, "http://p:1"),
    ],
)
def test_the_environment(server: str, environment: dict[str, str], expected: str) -> None:
    assert proxy_for(server, environment=environment) == expected


def test_the_kubeconfigs_own_comes_first() -> None:
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}
    assert proxy_for("https://127.0.0.1", "http://mine:1", environment) == "http://mine:1"


class Proxy:
    """Answers CONNECT, and passes bytes on to where it leads."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.heads: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass(reader, there_writer))
            group.create_task(self._pass(there_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@pytest.mark.parametrize("secure_proxy", [False, True])
async def test_tls_runs_through_a_proxy(
    serve: Serve, connect: Connect, listen: Listen, authority: Authority, secure_proxy: bool
) -> None:
    """CONNECT with the proxy's own credentials; the server's certificate is still checked, end to end."""
    served = await serve(lambda _: asyncio.sleep(0, answer({"ok": True})), authority.server("kube.example"))
    proxy = Proxy(served.port)
    port = await listen(proxy.talk, authority.server("127.0.0.1") if secure_proxy else None)
    scheme = "https" if secure_proxy else "http"
    url = f"{scheme}://user:pass@127.0.0.1:{port}"
    client = await connect(Config(server="https://kube.example:6443", ca=authority.pem, proxy_url=url))
    assert await client.request("GET", "/x") == {"ok": True}
    assert proxy.heads[0].startswith("CONNECT kube.example:6443 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n" in proxy.heads[0]


async def test_tls_server_name_holds_behind_a_proxy(
    serve: Serve, connect: Connect, listen: Listen, authority: Authority
) -> None:
    served = await serve(lambda _: asyncio.sleep(0, answer({"ok": True})), authority.server("kube.example"))
    port = await listen(Proxy(served.port).talk)
    url = f"http://127.0.0.1:{port}"
    server = "https://10.9.9.9:6443"
    client = await connect(
        Config(server=server, ca=authority.pem, proxy_url=url, tls_server_name="kube.example"),
    )
    assert await client.request("GET", "/x") == {"ok": True}
    wrong = await connect(Config(server=server, ca=authority.pem, proxy_url=url))
    with pytest.raises(Unreachable) as caught:
        await wrong.request("GET", "/x")
    assert caught.value.reason == "NameMismatch"


async def test_a_proxy_that_refuses(connect: Connect, listen: Listen) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    port = await listen(refuse)
    client = await connect(Config(server="https://kube.example", proxy_url=f"http://user:s3cret@127.0.0.1:{port}"))
    with pytest.raises(Unreachable, match=f"proxy 127.0.0.1:{port} refused.*407") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "Proxy"
    assert "s3cret" not in str(caught.value)


async def test_a_proxy_that_is_not_there(connect: Connect, unused_port: int) -> None:
    client = await connect(Config(server="https://kube.example", proxy_url=f"http://127.0.0.1:{unused_port}"))
    with pytest.raises(Unreachable, match=f"proxy 127.0.0.1:{unused_port}") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "Proxy"
