"""Requests to one API server: connections, credentials, time limits; what leaves are bytes and our own errors."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from atoll.kube.connection import Config
from atoll.kube.credentials import Credential, credentials_for, impersonation_headers
from atoll.kube.diagnosis import diagnose
from atoll.kube.errors import ApiError, Unauthorized, Unreachable, api_error
from atoll.kube.proxies import proxy_for
from atoll.kube.socks import dial_by, is_socks
from atoll.kube.through import Through
from atoll.kube.tls import context_for

CONNECT_TIMEOUT = 10.0
KEEP_ALIVE = 45.0  # less than the idle limit of common load balancers (60 s)
_HTTP_TO_HTTPS = b"Client sent an HTTP request to an HTTPS server"
_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


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
        self._session: aiohttp.ClientSession | None = None
        self._requests: Counter[str] = Counter()
        self._answers: Counter[int] = Counter()
        self._sent = self._received = self._waiting = 0

    async def __aenter__(self) -> Self:
        self._ssl(Credential())  # a broken certificate is found here
        if self._dial:
            connector: aiohttp.TCPConnector = Through(self._dial, limit=0, keepalive_timeout=KEEP_ALIVE)
        else:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=_socket)
        headers = [
            ("User-Agent", self._user_agent),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip" if self.config.compression else "identity"),
            *impersonation_headers(self.config),
        ]
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
        limit = aiohttp.ClientTimeout(total=request.timeout or self._timeout, sock_connect=CONNECT_TIMEOUT)
        async with await self._response(request, limit) as response:
            data = await self._read(response)
            return Answer(response.status, data, response.headers.get("ETag", ""))

    @asynccontextmanager
    async def stream(self, request: Request, *, idle: float | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """An answer that has no end: pieces as they come. Raises Unreachable("Idle") after `idle` silent seconds."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle)
        async with (
            await self._response(request, limit) as response,
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

    async def _response(self, request: Request, limit: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        """The answer's head has come and is no error. A credential that was refused is renewed once."""
        credential = await self._credentials.current()
        try:
            return await self._open(request, limit, credential)
        except Unauthorized:
            if not self._credentials.refused(credential):
                raise
            renewed = await self._credentials.current()
            if renewed == credential:
                raise
            return await self._open(request, limit, renewed)

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
                ssl=self._ssl(credential),
                server_hostname=self.config.tls_server_name or None,
                proxy=self._proxy or None,
                allow_redirects=False,
            )
        except _ERRORS as error:
            self._answers[0] += 1
            raise diagnose(error, self.config, self._proxy) from error
        self._answers[response.status] += 1
        if response.status >= 300 and response.status != 304:
            raise await self._error(response)
        return response

    async def _error(self, response: aiohttp.ClientResponse) -> ApiError | Unreachable:
        async with response:
            body = await self._read(response)
        if response.status < 400:
            place = response.headers.get("Location", "nowhere")
            return Unreachable(
                "Redirected",
                f"{self.config.server} redirects to {place}: it is no API server; give the address behind it",
            )
        if _HTTP_TO_HTTPS in body:
            return Unreachable("NeedsTLS", f"{self.config.server} speaks TLS only: use https://")
        return api_error(response.status, body, _seconds(response.headers.get("Retry-After")))

    def _ssl(self, credential: Credential) -> ssl.SSLContext | bool:
        """The context is part of a connection's key in the pool: a new certificate gets new connections."""
        if not self.config.server.startswith("https"):
            return True
        if self._contexts is None or self._contexts[0].certificate != credential.certificate:
            context = context_for(self.config, credential.certificate, credential.key)
            self._contexts = (credential, context)
        return self._contexts[1]


@lru_cache(maxsize=1024)
def _query(params: tuple[tuple[str, str], ...]) -> str:
    """Most requests have one of a few."""
    return f"?{urlencode(params)}"


def _seconds(retry_after: str | None) -> float | None:
    """API servers send seconds; the other form, a date, is for caches."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _socket(address: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
    """A socket that notices within about 30 s that the other side is gone, as client-go does by HTTP/2 pings."""
    made = socket.socket(address[0], address[1], address[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000)):
        if hasattr(socket, option):  # not on every system
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
