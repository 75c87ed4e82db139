"""Connections for ordinary requests: one request at a time on each, kept for the next.

The HTTP library does the same for several times the CPU time (a tenth of a millisecond and more a request), which is
most of what an apply costs its sender. It keeps the streams, and the way by an HTTP proxy.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohappyeyeballs
import aiohttp

from atoll.kube.http1 import AnswerReader, NotHttpError
from atoll.kube.through import Dial

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_ASKED: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], asyncio.Future[list[Any]]]]
_ASKED = WeakKeyDictionary()
"""Names that are being resolved."""
_SECOND_ADDRESS = 0.25
"""Seconds until another address of the same name is tried beside the first (RFC 8305)."""


class Wire:
    """The connections to one server. Raises what `diagnose` knows: errors of the system, of TLS, and aiohttp's."""

    def __init__(
        self,
        server: str,
        *,
        tls_name: str,
        dial: Dial | None,
        open_socket: Callable[[Any], Any],
        patience: float,
        keep: float,
    ) -> None:
        """`patience`: seconds in which there must be a connection; `keep`: seconds that an idle one is kept."""
        url = urlsplit(server)
        self._host, self._port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
        self._tls_name = tls_name or self._host.rstrip(".")
        self._dial, self._open_socket = dial, open_socket
        self._patience, self._keep = patience, keep
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def exchange(self, method: str, request: bytes, tls: ssl.SSLContext | None, limit: float) -> AnswerReader:
        """Send `request` and await its whole answer, `limit` seconds at most.

        One that may be sent twice is, when a kept connection turns out to be dead.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + limit
        connection = self._kept(tls)
        if connection is not None:
            try:
                return await self._ask(connection, method, request, until)
            except (OSError, aiohttp.ServerDisconnectedError) as error:
                if isinstance(error, TimeoutError) or method not in _IDEMPOTENT:
                    raise
        async with asyncio.timeout_at(until):
            connection = await self._connect(tls)
        return await self._ask(connection, method, request, until)

    async def close(self) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in tuple(self._open):
            connection.end()
        self._idle.clear()
        await asyncio.sleep(0)  # a transport takes one turn of the loop to let go of its socket

    async def _ask(self, connection: "_Connection", method: str, request: bytes, until: float) -> AnswerReader:
        answer = await connection.ask(request, until, bodiless=method == "HEAD")
        if answer.keep and not self._closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweep()
        else:
            connection.end()
        return answer

    def _kept(self, tls: ssl.SSLContext | None) -> "_Connection | None":
        """The one that was used last. Those of another context were made with a certificate that isn't ours now."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.tls is tls:
                return connection
            connection.end()
        return None

    def _sweep(self) -> None:
        """End what has been idle for too long, and look again when the next will have been."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._idle and (not self._idle[0].usable or self._idle[0].idle_since + self._keep <= now):
            self._idle.pop(0).end()
        self._sweeper = loop.call_at(self._idle[0].idle_since + self._keep, self._sweep) if self._idle else None

    async def _connect(self, tls: ssl.SSLContext | None) -> "_Connection":
        made = _Connection(tls, self._open)
        try:
            async with asyncio.timeout(self._patience):
                await (self._reach(made) if self._dial is None else self._dialled(made, self._dial))
        except TimeoutError as error:
            made.end()
            raise aiohttp.ConnectionTimeoutError from error
        except BaseException:
            made.end()
            raise
        return made

    async def _reach(self, made: "_Connection") -> None:
        loop = asyncio.get_running_loop()
        found = await _addresses(loop, self._host, self._port)
        connected = await aiohappyeyeballs.start_connection(
            found, happy_eyeballs_delay=_SECOND_ADDRESS, interleave=1, socket_factory=self._open_socket
        )
        try:
            name = self._tls_name if made.tls else None
            await loop.create_connection(lambda: made, sock=connected, ssl=made.tls, server_hostname=name)
        except BaseException:
            connected.close()
            raise

    async def _dialled(self, made: "_Connection", dial: Dial) -> None:
        transport = await dial(self._host, self._port)
        if made.tls is None:
            transport.set_protocol(made)
            made.connection_made(transport)
            return
        try:
            loop = asyncio.get_running_loop()
            encrypted = await loop.start_tls(transport, made, made.tls, server_hostname=self._tls_name)
        except BaseException:
            transport.abort()
            raise
        if encrypted is None:
            raise ConnectionResetError("the connection ended before TLS began")
        made.connection_made(encrypted)


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Any]:
    """Where `host` is. All who ask at once share one question: a name that nobody answers for takes a thread until the
    system gives up, and there are few, for the names of all clusters.
    """
    asked = _ASKED.setdefault(loop, {})
    question = asked.get((host, port))
    if question is None:
        question = asked[host, port] = asyncio.ensure_future(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))

        def answered(question: asyncio.Future[Any]) -> None:
            asked.pop((host, port), None)
            if not question.cancelled():
                question.exception()  # whoever waited for it may have gone

        question.add_done_callback(answered)
    return await asyncio.shield(question)


class _Connection(asyncio.Protocol):
    """One connection, and the request that is under way on it."""

    def __init__(self, tls: ssl.SSLContext | None, open_: set["_Connection"]) -> None:
        self.tls = tls
        self.idle_since = 0.0
        self.usable = True
        self._all = open_
        self._transport: asyncio.Transport | None = None
        self._answer: AnswerReader | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def ask(self, request: bytes, until: float, *, bodiless: bool) -> AnswerReader:
        """Send `request` and await its whole answer, until the loop's time is `until`."""
        if self._transport is None or not self.usable:
            raise aiohttp.ServerDisconnectedError
        loop = asyncio.get_running_loop()
        answer = self._answer = AnswerReader(bodiless=bodiless)
        waiter = self._waiter = loop.create_future()
        late = loop.call_at(until, self._fail, TimeoutError())
        try:
            self._transport.write(request)
            await waiter
        except BaseException:
            self.end()
            raise
        finally:
            late.cancel()
            self._answer = self._waiter = None
        return answer

    def end(self) -> None:
        """Let go of it. Whoever awaits an answer is told that there is none."""
        self.usable = False
        self._all.discard(self)
        if self._transport is not None:
            self._transport.abort()
        self._fail(aiohttp.ServerDisconnectedError())

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # of a stream
        self._all.add(self)
        if not self.usable:
            self.end()

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._waiter is None:  # nobody asked
            self.end()
            return
        try:
            if self._answer.feed(data) and not self._waiter.done():
                self._waiter.set_result(None)
        except NotHttpError as error:
            self._fail(error)

    def eof_received(self) -> None:
        """The other end sends no more; the transport closes, and tells so in a moment."""
        self.usable = False

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._all.discard(self)
        if self._answer is None or self._waiter is None or self._waiter.done():
            return
        if error is None and self._answer.ended():
            self._waiter.set_result(None)
        elif self._answer.begun:
            self._fail(aiohttp.ClientPayloadError())
        else:
            self._fail(error or aiohttp.ServerDisconnectedError())

    def _fail(self, error: BaseException) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
