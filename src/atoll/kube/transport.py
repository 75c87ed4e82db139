"""Requests to one API server: connections, credentials, time limits; what leaves are bytes and our own errors."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from atoll.kube.connection import Config
from atoll.kube.credentials import Credential, credentials_for, impersonation_headers
from atoll.kube.diagnosis import diagnose
from atoll.kube.errors import ApiError, BadRequest, Unauthorized, Unreachable, api_error
from atoll.kube.http1 import NotHttpError
from atoll.kube.proxies import proxy_for
from atoll.kube.socks import dial_by, is_socks
from atoll.kube.through import Through
from atoll.kube.tls import context_for
from atoll.kube.wire import Wire

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
KEEP_ALIVE = 45.0  # less than the idle limit of common load balancers (60 s)
_HTTP_TO_HTTPS = b"Client sent an HTTP request to an HTTPS server"
_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError, NotHttpError)


class Statistics(msgspec.Struct, frozen=True):
    """What a client has done since it was opened: requests by verb, answers by status (0: none), bytes of bodies.

    `waiting` requests are under way now, or wait for a place among those that may be.
    """

    requests: dict[str, int]
    answers: dict[int, int]
    sent: int
    received: int
    waiting: int


class Request(msgspec.Struct, frozen=True):
    """One request; `verb` is its name in the statistics, `timeout` (seconds, 0: the client's) is for all of it."""

    verb: str
    method: str
    path: str
    params: Mapping[str, str] = {}
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    timeout: float = 0.0


class Answer(msgspec.Struct):
    """A whole answer that is no error; status 304 only to requests with If-None-Match."""

    status: int
    body: bytes
    etag: str = ""


class Transport:
    """A pool of connections. At most `connections` ordinary requests run at once; streams (watches, logs) come on top,
    so that they cannot use the pool up.
    """

    def __init__(self, config: Config, *, user_agent: str, connections: int, timeout: float) -> None:
        self.config = config
        self._user_agent = user_agent
        self._timeout = timeout
        self._slots = asyncio.Semaphore(connections)
        self._credentials = credentials_for(config)
        proxy = "" if config.dial else proxy_for(config.server, config.proxy_url)
        self._dial = dial_by(proxy, CONNECT_TIMEOUT) if is_socks(proxy) else config.dial
        self._proxy = "" if self._dial else proxy
        self._contexts: tuple[Credential, ssl.SSLContext] | None = None
        self._prefix = urlsplit(config.server).path.rstrip("/")
        self._headers: tuple[tuple[str, str], ...] = ()
        self._connections: Wire | None = None
        self._session: aiohttp.ClientSession | None = None
        self._requests: Counter[str] = Counter()
        self._answers: Counter[int] = Counter()
        self._sent = self._received = self._waiting = 0

    async def __aenter__(self) -> Self:
        self._ssl(Credential())  # a broken certificate is found here
        if self._dial:
            connector: aiohttp.TCPConnector = Through(self._dial, limit=0, keepalive_timeout=KEEP_ALIVE)
        else:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=open_socket)
        headers = (
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip" if self.config.compression else "identity"),
            *impersonation_headers(self.config),
        )
        if not self._proxy:
            self._headers = (("Host", _host(self.config.server)), *headers)
            self._connections = Wire(
                self.config.server,
                tls_name=self.config.tls_server_name,
                dial=self._dial,
                open_socket=open_socket,
                patience=CONNECT_TIMEOUT,
                keep=KEEP_ALIVE,
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_TIMEOUT),
            read_bufsize=1 << 18,
            max_field_size=1 << 16,  # the warnings of an API server are headers
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connections is not None:
            await self._connections.close()
            self._connections = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    def renew(self, token: str) -> None:
        """Authenticate by `token` from the next request on."""
        self.config = msgspec.structs.replace(self.config, token=token)
        self._credentials = credentials_for(self.config)

    def statistics(self) -> Statistics:
        return Statistics(dict(self._requests), dict(self._answers), self._sent, self._received, self._waiting)

    async def send(self, request: Request, *, again: bool = False) -> Answer:
        """One request, its whole answer. `again`: safe to repeat when a kept connection turns out to be dead.

        Raises ApiError for statuses from 400, else Unreachable or CredentialError.
        """
        self._waiting += 1
        try:
            async with self._slots:
                try:
                    return await self._exchange(request)
                except Unreachable as error:
                    if not again or error.reason != "Reset":
                        raise
                    return await self._exchange(request)
        finally:
            self._waiting -= 1

    async def _exchange(self, request: Request) -> Answer:
        if self._connections is None:
            limit = aiohttp.ClientTimeout(total=request.timeout or self._timeout, sock_connect=CONNECT_TIMEOUT)
            async with await self._authorized(lambda credential: self._open(request, limit, credential)) as response:
                data = await self._read(response)
                return Answer(response.status, data, response.headers.get("ETag", ""))
        connections = self._connections
        return await self._authorized(lambda credential: self._ask(connections, request, credential))

    async def _ask(self, connections: Wire, request: Request, credential: Credential) -> Answer:
        data = self._text(request, credential)
        context = self._ssl(credential)
        self._requests[request.verb] += 1
        self._sent += len(request.body or b"")
        try:
            answer = await connections.exchange(request.method, data, context, request.timeout or self._timeout)
            body = answer.body
        except _ERRORS as error:
            self._answers[0] += 1
            raise diagnose(error, self.config) from error
        self._answers[answer.status] += 1
        self._received += len(body)
        if _refused(answer.status):
            raise self._refusal(answer.status, body, answer.headers.get("location"), answer.headers.get("retry-after"))
        return Answer(answer.status, body, answer.headers.get("etag", ""))

    def _text(self, request: Request, credential: Credential) -> bytes:
        """The request as it is sent."""
        query = _query(tuple(request.params.items())) if request.params else ""
        path = f"{self._prefix}{request.path}{query}"
        if not path.isascii() or not path.isprintable() or " " in path:
            raise BadRequest(400, "BadRequest", f"{path!r} is no path of a URL")
        fields = _fields(self._headers, tuple(request.headers.items()), credential.authorization)
        body = request.body
        if body is None:
            return f"{request.method} {path} HTTP/1.1\r\n{fields}\r\n".encode()
        return f"{request.method} {path} HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer that has no end: pieces as they come. Raises Unreachable("Idle") after `idle` silent seconds."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle)
        async with (
            await self._authorized(lambda credential: self._open(request, limit, credential)) as response,
            aclosing(self._pieces(response, idle)) as pieces,
        ):
            yield pieces

    async def _pieces(self, response: aiohttp.ClientResponse, idle: float | None) -> AsyncGenerator[bytes, None]:
        pieces = response.content.iter_any()
        while True:
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise Unreachable("Idle", f"{self.config.server} has been silent for {idle or 0:g} s") from error
            except _ERRORS as error:
                raise diagnose(error, self.config, self._proxy) from error
            self._received += len(piece)
            yield piece

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            data = await response.read()
        except _ERRORS as error:
            raise diagnose(error, self.config, self._proxy) from error
        self._received += len(data)
        return data

    async def _authorized(self, attempt: Callable[[Credential], Awaitable[T]]) -> T:
        """What `attempt` answers. A credential that was refused is renewed once."""
        credential = await self._credentials.current()
        try:
            return await attempt(credential)
        except Unauthorized:
            if not self._credentials.refused(credential):
                raise
            renewed = await self._credentials.current()
            if renewed == credential:
                raise
            return await attempt(renewed)

    async def _open(
        self, request: Request, limit: aiohttp.ClientTimeout, credential: Credential
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise Unreachable("Closed", f"the client of {self.config.server} is not open; use it in `async with`")
        query = _query(tuple(request.params.items())) if request.params else ""
        headers = dict(request.headers)
        if credential.authorization:
            headers["Authorization"] = credential.authorization
        self._requests[request.verb] += 1
        self._sent += len(request.body or b"")
        try:
            response = await self._session.request(
                request.method,
                URL(f"{self.config.server}{request.path}{query}", encoded=True),
                data=request.body,
                headers=headers,
                timeout=limit,
                ssl=self._ssl(credential) or True,
                server_hostname=self.config.tls_server_name or None,
                proxy=self._proxy or None,
                allow_redirects=False,
            )
        except _ERRORS as error:
            self._answers[0] += 1
            raise diagnose(error, self.config, self._proxy) from error
        self._answers[response.status] += 1
        if _refused(response.status):
            async with response:
                body = await self._read(response)
            told = response.headers
            raise self._refusal(response.status, body, told.get("Location"), told.get("Retry-After"))
        return response

    def _refusal(
        self, status: int, body: bytes, location: str | None, retry_after: str | None
    ) -> ApiError | Unreachable:
        if status < 400:
            place = location or "nowhere"
            return Unreachable(
                "Redirected",
                f"{self.config.server} redirects to {place}: it is no API server; give the address behind it",
            )
        if _HTTP_TO_HTTPS in body:
            return Unreachable("NeedsTLS", f"{self.config.server} speaks TLS only: use https://")
        return api_error(status, body, _seconds(retry_after))

    def _ssl(self, credential: Credential) -> ssl.SSLContext | None:
        """The context is part of a connection's key in the pool: a new certificate gets new connections."""
        if not self.config.server.startswith("https"):
            return None
        if self._contexts is None or self._contexts[0].certificate != credential.certificate:
            context = context_for(self.config, credential.certificate, credential.key)
            self._contexts = (credential, context)
        return self._contexts[1]


@lru_cache(maxsize=1024)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    """Most requests have one of a few."""
    return f"?{urlencode(params)}"


@lru_cache(maxsize=256)
def _fields(always: tuple[tuple[str, str], ...], own: tuple[tuple[str, str], ...], authorization: str) -> str:
    """The header's fields, as text: `own` ones take the place of those of the same name that `always` go along."""
    named = {name.lower() for name, _ in own}
    fields = [*(field for field in always if field[0].lower() not in named), *own]
    if authorization:
        fields.append(("Authorization", authorization))
    for name, value in fields:
        if any(sign in name + value for sign in "\r\n\0"):
            raise BadRequest(400, "BadRequest", f"a line's end in header {name!r} would begin another header")
    return "".join(f"{name}: {value}\r\n" for name, value in fields)


def _host(server: str) -> str:
    """As the Host header has it: without a name, a password, or the scheme's own port."""
    url = urlsplit(server)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    return f"{host}:{url.port}" if url.port not in {None, 443 if url.scheme == "https" else 80} else host


def _refused(status: int) -> bool:
    return status >= 300 and status != 304


def _seconds(retry_after: str | None) -> float | None:
    """API servers send seconds; the other form, a date, is for caches."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def open_socket(address: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
    """A socket that notices within about 30 s that the other side is gone, as client-go does by HTTP/2 pings."""
    made = socket.socket(address[0], address[1], address[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, option):  # not on every system
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
