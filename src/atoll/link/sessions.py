"""`session.Session` over the connections that two ends have side by side."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from atoll.link.connection import Connection
from atoll.link.session import Handler, LinkError, Lost
from atoll.link.streams import AsyncStream, StreamTransport

log = structlog.get_logger(__name__)

RETIRING_MOST = 600.0
"""Seconds that streams may stay on a connection that was renewed."""

Taker = Callable[[StreamTransport], None]
"""Gets a stream that the peer has opened, and accepts or refuses it, now or later."""


class LinkSession:
    """One end's view of its peer. It ends with the last of its connections, or by `close`."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._connections: dict[int, Connection] = {}
        self._takers: list[tuple[Callable[[str], bool], Taker]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: set[asyncio.Task[None]] = set()
        self._lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self.received = self.sent = 0
        """Bytes of connections that have ended."""

    @property
    def peer(self) -> str:
        return self._peer

    @property
    def connections(self) -> tuple[Connection, ...]:
        return tuple(self._connections.values())

    @property
    def alive(self) -> bool:
        return not self._lost.done()

    # What uses it.

    async def open(self, target: str, *, timeout: float = 10.0) -> AsyncStream:
        return AsyncStream(await self.open_transport(target, timeout=timeout))

    async def open_transport(self, target: str, *, timeout: float = 10.0) -> StreamTransport:
        """The same as a transport that has no protocol yet. Raises Refused, Lost."""
        return await self._least_busy().open(target, timeout=timeout)

    def begin(self, target: str) -> StreamTransport:
        """A stream that has been asked for: what is written waits until the peer accepts; `answer` says whether it did.
        Raises Refused, Lost.
        """
        return self._least_busy().begin(target)

    def _least_busy(self) -> Connection:
        """Where a new stream goes. Raises Lost."""
        usable = [c for c in self._connections.values() if c.usable] or list(self._connections.values())
        if not usable or self._lost.done():
            raise self._lost.result() if self._lost.done() else Lost("Closed", f"{self._peer} is not connected")
        return min(usable, key=lambda c: c.streams)

    def serve(self, handler: Handler, accepts: Callable[[str], bool]) -> None:
        def take(transport: StreamTransport) -> None:
            transport.accept()
            self.spawn(self._handle(handler, AsyncStream(transport)))

        self.take(take, accepts)

    def take(self, taker: Taker, accepts: Callable[[str], bool]) -> None:
        """As `serve`, for a taker that decides itself whether and when to accept."""
        self._takers.append((accepts, taker))

    async def wait_lost(self) -> Lost:
        return await asyncio.shield(self._lost)

    async def wait_without(self, index: int) -> None:
        """Until there is no connection with this number."""
        while (connection := self._connections.get(index)) is not None:
            await asyncio.shield(connection.lost)
            await asyncio.sleep(0)  # the session hears of it, too

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` until it ends or the session does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def spawn_last(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, whatever becomes of the session."""
        task = asyncio.get_running_loop().create_task(work)
        self._last.add(task)
        task.add_done_callback(self._last.discard)

    @staticmethod
    async def _handle(handler: Handler, stream: AsyncStream) -> None:
        try:
            await handler(stream)
        except LinkError as error:
            stream.reset(error.reason)
        except Exception:
            log.exception("a stream's handler failed", target=stream.target)
            stream.reset("Failed")
        except asyncio.CancelledError:
            stream.reset("Aborted")
            raise
        else:
            stream.close()

    # What makes it.

    def connected(self, index: int, connection: Connection, *, renews: bool = False) -> None:
        """One more connection; what had this index before is replaced: at once, or, when the new one `renews` it, after
        the streams on it.
        """
        former = self._connections.get(index)
        self._connections[index] = connection
        connection.lost.add_done_callback(lambda _: self._disconnected(index, connection))
        if former is not None and renews:
            self.spawn(former.retire(RETIRING_MOST))
        elif former is not None:
            former.close(Lost("Replaced", "the same connection was made anew"))

    def _disconnected(self, index: int, connection: Connection) -> None:
        self.received += connection.received
        self.sent += connection.sent
        if self._connections.get(index) is connection:
            del self._connections[index]
        if not self._connections:
            self._end(connection.lost.result())

    def offered(self, transport: StreamTransport) -> None:
        """A stream that the peer has opened."""
        for accepts, taker in self._takers:
            if accepts(transport.target):
                taker(transport)
                return
        transport.refuse("NotAllowed", f"{transport.target[:200]!r} is nothing that may be reached here")

    def drain(self, reason: str, message: str = "") -> None:
        for connection in self.connections:
            connection.drain(reason, message)

    def close(self, cause: Lost) -> None:
        """End it and all that is on it."""
        self._end(cause)
        for connection in self.connections:
            connection.close(cause)

    def _end(self, cause: Lost) -> None:
        if not self._lost.done():
            self._lost.set_result(cause)
        for task in self._tasks:
            task.cancel()
