"""When no answer comes, the reason is one word, and the text says where and what to do."""

import asyncio
import errno
import os
import socket
import ssl
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError, CredentialError, Unreachable
from atoll.kube.resources import CONFIGMAPS
from atoll.kube.tls import context_for
from tests.spec.kube.conftest import Authority, Connect, Listen, Serve, answer


async def fine(_: web.BaseRequest) -> web.StreamResponse:
    return answer({"ok": True})


async def why(client: Client) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await client.request("GET", "/x", timeout=10)
    assert caught.value.__cause__ is not None
    return caught.value


async def test_a_certificate_of_the_right_authority(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server())
    client = await connect(Config(server=served.url, ca=authority.pem))
    assert await client.request("GET", "/x") == {"ok": True}


async def test_an_unknown_authority(serve: Serve, connect: Connect, authority: Authority, tmp_path: Path) -> None:
    served = await serve(fine, authority.server())
    other = Authority(tmp_path, "another authority")
    error = await why(await connect(Config(server=served.url, ca=other.pem)))
    assert error.reason == "CertificateUntrusted"
    assert f"127.0.0.1:{served.port} is not signed by the kubeconfig's certificate authority" in str(error)
    assert "certificate-authority-data" in str(error)
    error = await why(await connect(Config(server=served.url)))
    assert error.reason == "CertificateUntrusted"
    assert "any authority that this machine trusts" in str(error)


async def test_insecure_only_when_the_user_says_so(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server("other.example", days=(-3, -2)))
    client = await connect(Config(server=served.url, insecure=True))
    assert await client.request("GET", "/x") == {"ok": True}


async def test_an_expired_certificate(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server(days=(-3, -1)))
    error = await why(await connect(Config(server=served.url, ca=authority.pem)))
    assert error.reason == "CertificateExpired"
    assert "expired" in str(error)


async def test_a_certificate_of_tomorrow(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server(days=(1, 2)))
    error = await why(await connect(Config(server=served.url, ca=authority.pem)))
    assert error.reason == "CertificateNotYetValid"
    assert "clocks" in str(error)


async def test_a_certificate_for_another_name(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server("kube.example"))
    error = await why(await connect(Config(server=served.url, ca=authority.pem)))
    assert error.reason == "NameMismatch"
    assert "not for 127.0.0.1" in str(error)
    assert "tls-server-name" in str(error)
    client = await connect(Config(server=served.url, ca=authority.pem, tls_server_name="kube.example"))
    assert await client.request("GET", "/x") == {"ok": True}


async def test_a_client_certificate(serve: Serve, connect: Connect, authority: Authority) -> None:
    served = await serve(fine, authority.server(ask_clients=True))
    certificate, key = authority.issue("admin")
    config = Config(server=served.url, ca=authority.pem, client_certificate=certificate, client_key=key)
    assert await (await connect(config)).request("GET", "/x") == {"ok": True}
    config = Config(server=served.url, ca=authority.pem)
    assert (await why(await connect(config))).reason in {"ClientCertificateRefused", "Reset"}  # asyncio sends no alert


async def test_a_client_certificate_that_the_server_refuses(
    connect: Connect, authority: Authority, tmp_path: Path
) -> None:
    """A server (not asyncio's) says so in an alert, after what is a finished handshake for us (TLS 1.3)."""
    tls = authority.server(ask_clients=True)
    certificate, key = Authority(tmp_path, "a stranger").issue("admin")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def meet() -> None:
            accepted = tls.wrap_socket(server.accept()[0], server_side=True, do_handshake_on_connect=False)
            with suppress(ssl.SSLError):
                accepted.do_handshake()
            with socket.socket(fileno=accepted.detach()) as plain:
                plain.shutdown(socket.SHUT_WR)
                while plain.recv(4096):  # else the kernel resets the connection, and the alert is lost
                    pass

        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        client = await connect(
            Config(server=url, ca=authority.pem, client_certificate=certificate, client_key=key),
        )
        meeting = asyncio.create_task(asyncio.to_thread(meet))
        error = await why(client)
        await meeting
    assert error.reason == "ClientCertificateRefused"


def test_keys_do_not_stay_on_disk(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL reads them from a file only: it is nobody else's, and gone at once."""
    seen: list[tuple[str, int]] = []
    make = tempfile.mkstemp

    def spy(**options: str) -> tuple[int, str]:
        handle, path = make(**options)  # type: ignore[call-overload]
        seen.append((path, stat.S_IMODE(os.fstat(handle).st_mode)))
        return handle, path

    monkeypatch.setattr(tempfile, "mkstemp", spy)
    certificate, key = authority.issue("admin")
    context_for(Config(server="https://a", ca=authority.pem, client_certificate=certificate, client_key=key))
    with pytest.raises(ConfigError, match="not a matching pair"):
        context_for(Config(server="https://a", client_certificate=certificate, client_key=authority.issue("x")[1]))
    assert [mode for _, mode in seen] == [0o600, 0o600]
    assert not any(Path(path).exists() for path, _ in seen)


async def test_a_full_disk_is_told_in_our_own_words(
    connect: Connect, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: str) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    certificate, key = authority.issue("admin")
    with pytest.raises(CredentialError, match="No space left"):
        await connect(Config(server="https://a", ca=authority.pem, client_certificate=certificate, client_key=key))


async def test_broken_certificates_are_a_matter_of_the_kubeconfig(connect: Connect) -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(ConfigError, match=r"f: context 'c': certificate-authority-data holds no certificate"):
        await connect(Config(server="https://a", ca=broken, source="f", context="c"))
    with pytest.raises(ConfigError, match=r"f: context 'c': client-certificate and client-key"):
        await connect(Config(server="https://a", client_certificate=broken, client_key=broken, source="f", context="c"))


async def test_https_to_a_plain_server(serve: Serve, connect: Connect) -> None:
    served = await serve(fine)
    error = await why(await connect(served.url.replace("http:", "https:")))
    assert error.reason == "NotTLS"
    assert "http://" in str(error)


async def test_http_to_an_api_server(serve: Serve, connect: Connect) -> None:
    """Go's server answers in plain text then."""

    async def go(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=400, text="Client sent an HTTP request to an HTTPS server.\n")

    served = await serve(go)
    client = await connect(served.url)
    with pytest.raises(Unreachable, match="use https://") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "NeedsTLS"


async def test_nothing_listens(connect: Connect, unused_port: int) -> None:
    error = await why(await connect(f"https://127.0.0.1:{unused_port}"))
    assert error.reason == "Refused"
    assert f"127.0.0.1:{unused_port} refused" in str(error)


async def test_an_unknown_name(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = await why(await connect("https://atoll-test.invalid:6443"))
    assert error.reason == "DNS"
    assert "atoll-test.invalid" in str(error)


async def test_no_answer_in_time(serve: Serve, connect: Connect) -> None:
    async def late(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(9)
        return answer({})

    served = await serve(late)
    client = await connect(served.url, timeout=0.2)
    with pytest.raises(Unreachable, match="did not answer in time") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "Timeout"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"", "Reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "Reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "Protocol"),
    ],
)
async def test_what_breaks_off_or_is_no_http(connect: Connect, listen: Listen, words: bytes, reason: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        writer.close()

    port = await listen(talk)
    assert (await why(await connect(f"http://127.0.0.1:{port}"))).reason == reason


@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"{}x", b"\xff", b"[]", b'{"metadata":{}}', b'{"error":"log in"}']
)
async def test_another_service(serve: Serve, connect: Connect, body: bytes) -> None:
    async def page(_: web.BaseRequest) -> web.StreamResponse:
        return answer(body)

    served = await serve(page)
    client = await connect(served.url)
    for question in (client.get(CONFIGMAPS, "a", "demo"), client.list(CONFIGMAPS), client.discovery.all()):
        with pytest.raises(Unreachable, match="does not answer as an API server") as caught:
            await question
        assert caught.value.reason == "NotKubernetes"


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{}}',
        b'{"error":"log in"}',
        b'{"kind":"Status","metadata":{},"status":"Success"}',
        b"<html></html>",
    ],
)
async def test_a_write_that_a_proxy_took_is_none(serve: Serve, connect: Connect, body: bytes) -> None:
    async def page(_: web.BaseRequest) -> web.StreamResponse:
        return answer(body)

    client, about = await connect((await serve(page)).url), {"metadata": {"name": "a", "namespace": "demo"}}
    for writing in (
        client.apply(CONFIGMAPS, about, name="a", namespace="demo", manager="m"),
        client.create(CONFIGMAPS, about),
        client.replace(CONFIGMAPS, about),
        client.patch(CONFIGMAPS, "a", "demo", about),
    ):
        with pytest.raises(Unreachable) as caught:
            await writing
        assert caught.value.reason == "NotKubernetes"


async def test_a_redirect_is_not_followed(serve: Serve, connect: Connect) -> None:
    """A login page, mostly; credentials must not travel there."""

    async def elsewhere(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "https://login.example/"})

    served = await serve(elsewhere)
    client = await connect(served.url)
    with pytest.raises(Unreachable, match="redirects to https://login") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "Redirected"


async def test_a_closed_client_says_so(serve: Serve) -> None:
    served = await serve(fine)
    async with Client(Config(server=served.url)) as client:
        assert await client.request("GET", "/x") == {"ok": True}
    with pytest.raises(Unreachable, match="async with") as caught:
        await client.request("GET", "/x")
    assert caught.value.reason == "Closed"
