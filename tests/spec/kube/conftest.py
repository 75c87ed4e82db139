"""A scripted API server, certificates made on the spot, and clients of both."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from atoll.kube.client import Client
from atoll.kube.config import Config

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Served:
    """A server that answers as the test says, and remembers what it was asked."""

    def __init__(self, port: int, secure: bool) -> None:
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
        self.port = port
        self.requests: list[web.BaseRequest] = []
        self.bodies: list[bytes] = []


Serve = Callable[..., Awaitable[Served]]
Connect = Callable[..., Awaitable[Client]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Listen = Callable[..., Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler, tls=None)` starts a server that lives as long as the test."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler, tls: ssl.SSLContext | None = None) -> Served:
            async def record(request: web.BaseRequest) -> web.StreamResponse:
                served.requests.append(request)
                served.bodies.append(await request.read())
                return await handler(request)

            runner = web.ServerRunner(web.Server(record), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            served = Served(runner.addresses[0][1], tls is not None)
            return served

        yield start


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`await connect(url or Config, **options)` gives an open client."""
    async with AsyncExitStack() as stack:

        async def open_client(to: str | Config, **options: float) -> Client:
            config = to if isinstance(to, Config) else Config(server=to)
            return await stack.enter_async_context(Client(config, **options))  # type: ignore[arg-type]

        yield open_client


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(body=data, status=status, content_type="application/json", headers=headers)


def failure(code: int, reason: str, message: str = "", **details: object) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return answer(body | {"message": message or reason, "details": details}, code)


def configmap(name: str, version: str = "7", **metadata: object) -> dict[str, object]:
    about = {"name": name, "namespace": "demo", "uid": f"uid-{name}", "resourceVersion": version, **metadata}
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": about, "data": {"key": "value"}}


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            self._builder(self._name, self._key, now - dt.timedelta(days=900), now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begin: dt.datetime,
        end: dt.datetime,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )

    def issue(self, *names: str, days: tuple[int, int] = (-1, 1)) -> tuple[bytes, bytes]:
        """Certificate and key in PEM, for names and addresses, valid between two days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        begin, end = (now + dt.timedelta(days=day) for day in days)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = (
            self._builder(subject, key, begin, end)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def server(self, *names: str, days: tuple[int, int] = (-1, 1), ask_clients: bool = False) -> ssl.SSLContext:
        """The TLS context of a server with such a certificate; `ask_clients` wants one of ours from them, too."""
        certificate, key = self.issue(*(names or ("127.0.0.1",)), days=days)
        path = self._folder / f"{x509.random_serial_number()}.pem"
        path.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if ask_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=self.pem.decode())
        return context


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """`await listen(talk, tls=None)` gives the port of a bare TCP server."""
    async with AsyncExitStack() as stack:

        async def start(talk: Talk, tls: ssl.SSLContext | None = None) -> int:
            writers: list[asyncio.StreamWriter] = []

            async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writers.append(writer)
                await talk(reader, writer)

            server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=tls)

            def stop() -> None:
                for writer in writers:
                    writer.close()
                server.close()

            stack.callback(stop)
            port: int = server.sockets[0].getsockname()[1]
            return port

        yield start


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
