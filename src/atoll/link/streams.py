"""A stream as an asyncio transport: whatever runs over TCP runs over it, TLS and HTTP included."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import structlog

from atoll.link.expiry import Expiry
from atoll.link.mux import Channel, Mux
from atoll.link.session import LinkError, Lost, Reset

log = structlog.get_logger(__name__)

HIGH, LOW = 128 << 10, 32 << 10
"""Bytes written and not yet sent, from which on a writer is held up, and down to which it is let go."""
LINGER = 10.0
"""Seconds that the peer may take to finish, once we closed and all was sent; or in which it takes some of that."""
CLOSED = "Closed"
"""Why a stream is reset whose peer has not finished then."""


class Way(Protocol):
    """The connection, as a stream sees it."""

    def wake(self) -> None:
        """Something may be to be sent."""

    def say(self, channel: Channel, data: bytes) -> bool:
        """Send a short message at once; False when it has to be written."""
        ...


class StreamTransport(asyncio.Transport):
    """One end of one stream; also its sink in the mux. Nothing is read before a protocol is set.

    A reset reaches the protocol as `connection_lost(LinkError)`.
    """

    _start_tls_compatible = True  # asyncio.loop.start_tls asks for it

    def __init__(self, mux: Mux, way: Way, lingering: "Expiry[StreamTransport]", peer: str) -> None:
        super().__init__({"peername": peer})
        self._loop = asyncio.get_running_loop()
        self._mux = mux
        self._wake, self._say = way.wake, way.say
        self._lingering = lingering
        self._channel: Channel
        self._protocol: asyncio.BaseProtocol | None = None
        self._feed: Callable[[bytes], None] = _ignore
        """The protocol's way to take what comes."""
        self._held: deque[bytes] = deque()
        self._paused = False
        self._writer_held = False
        self._closing = False
        self._finished = False
        self._told_end = False
        self._gone = False
        self._left = 0
        """Bytes that were still to be sent, when that was looked at last after the end."""
        self.answer: asyncio.Future[None] = self._loop.create_future()
        """Done when the peer has accepted; its exception is why not."""
        self.on_datagram: Callable[[bytes], None] = lambda _: None
        self.error: LinkError | None = None
        """Why the stream ended before its time."""

    # How it begins.

    def attach(self, channel: Channel) -> None:
        self._channel = channel
        channel.sink = self

    @property
    def target(self) -> str:
        return self._channel.target

    def accept(self) -> bool:
        """Take a stream that the peer has opened; False when it has given it up."""
        self._mux.accept(self._channel)
        self._wake()
        return not self._gone

    def refuse(self, reason: str, message: str = "") -> None:
        """Don't take it."""
        self._mux.refuse(self._channel, reason, message)
        self._leave()
        self._loop.call_soon(self._lose, None)
        self._wake()

    # What the mux says.

    def opened(self) -> None:
        if not self.answer.done():
            self.answer.set_result(None)

    def received(self, data: bytes) -> None:
        if self._closing:
            self._mux.consumed(self._channel, len(data))
            self._wake()
            return
        if self._paused or self._held or self._protocol is None:
            self._held.append(data)
            return
        try:  # as `_deliver`; whoever brought it looks afterwards whether there is something to send
            self._feed(data)
        except Exception as error:
            self._failed(error)
        if not self._gone:
            self._mux.consumed(self._channel, len(data))

    def ended(self) -> None:
        self._finished = True
        if not self._held:
            self._tell_end()

    def taken(self) -> None:
        if self._writer_held and self._channel.queued <= LOW:
            self._writer_held = False
            if isinstance(self._protocol, asyncio.BaseProtocol):
                self._protocol.resume_writing()

    def datagram(self, data: bytes) -> None:
        self.on_datagram(data)

    def gone(self, error: LinkError | None) -> None:
        self._leave()
        self.error = error
        if self._finished and isinstance(error, Reset) and error.reason == CLOSED:
            error = self.error = None  # the peer had said all, and waits no longer for our end: what it said holds
        if not self.answer.done() and error is not None:
            self.answer.set_exception(error)
            self.answer.exception()  # nobody has to ask
        if error is not None:
            self._held.clear()
        if not self._held:
            self._loop.call_soon(self._lose, error)

    # What the protocol says.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            self._feed = partial(_fill, protocol)
        else:
            self._feed = protocol.data_received if isinstance(protocol, asyncio.Protocol) else _ignore
        self._loop.call_soon(self._deliver_held)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self._held or self._finished:
            self._loop.call_soon(self._deliver_held)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._gone or self._closing:
            return
        if type(data) is not bytes:
            data = bytes(data)
        if self._say(self._channel, data):
            return
        self._mux.write(self._channel, data)
        self._wake()
        if self._channel.queued > HIGH and not self._writer_held and self._protocol is not None:
            self._writer_held = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._mux.end(self._channel)
        self._wake()

    def send_datagram(self, data: bytes) -> bool:
        """One message that may be lost; False when it was dropped here."""
        sent = self._mux.datagram(self._channel, data)
        self._wake()
        return sent

    def get_write_buffer_size(self) -> int:
        return self._channel.queued

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The limits are the link's."""

    def is_closing(self) -> bool:
        return self._closing or self._gone

    def close(self) -> None:
        """What was written is still sent. The peer may finish for LINGER seconds, unheard."""
        if self._closing or self._gone:
            return
        self._closing = True
        for data in self._held:
            self._mux.consumed(self._channel, len(data))
        self._held.clear()
        self._mux.end(self._channel)
        self._wake()
        self._left = self._channel.queued
        self._lingering.add(self)
        self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self._gone:
            self._give_up("Aborted")
            self._loop.call_soon(self._lose, None)

    def _force_close(self, exc: BaseException | None) -> None:
        """Asyncio's TLS calls this on the transport under it when it gives up."""
        if not self._gone:
            self._give_up("Aborted", str(exc) if exc else "")
            self._loop.call_soon(self._lose, None)

    def reset(self, reason: str, message: str = "") -> None:
        """Tell both this end's protocol and the peer."""
        if not self._gone:
            self.error = Reset(reason, message or "this end gave the stream up")
            self._give_up(reason, message)
            self._loop.call_soon(self._lose, self.error)

    # Between the two.

    def lingered(self) -> None:
        """The peer has had its time, unless it still takes what was written."""
        left, self._left = self._left, self._channel.queued
        if 0 < self._left < left:
            self._lingering.add(self)
        else:
            self._give_up(CLOSED)

    def _leave(self) -> None:
        self._gone = True
        self._lingering.discard(self)
        self._channel.sink = _NOBODY

    def _give_up(self, reason: str, message: str = "") -> None:
        self._closing = True
        self._leave()
        self._held.clear()
        self._mux.reset(self._channel, reason, message)
        self._wake()

    def _deliver_held(self) -> None:
        while self._held and not self._paused and not self._closing:
            self._deliver(self._held.popleft())
            self._wake()
        if self._held:
            return
        if self._finished:
            self._tell_end()
        if self._gone:
            self._lose(self.error)

    def _deliver(self, data: bytes) -> None:
        try:
            self._feed(data)
        except Exception as error:
            self._failed(error)
        if not self._gone:
            self._mux.consumed(self._channel, len(data))

    def _failed(self, error: Exception) -> None:
        """A protocol that fails loses its own stream, not the connection and with it everybody's."""
        log.error("a stream's protocol failed", target=self.target, exc_info=error)
        self.reset("Failed", "the other end's protocol failed")

    def _tell_end(self) -> None:
        if self._told_end or self._closing:
            return
        if not isinstance(self._protocol, asyncio.Protocol | asyncio.BufferedProtocol):
            return
        self._told_end = True
        if not self._protocol.eof_received():
            self.close()

    def _lose(self, error: LinkError | None) -> None:
        """Once."""
        protocol, self._protocol, self._feed = self._protocol, None, _ignore
        if protocol is not None:
            protocol.connection_lost(error)


def _ignore(data: bytes) -> None:
    """What nobody takes."""


def _fill(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    view = memoryview(data)
    while view:
        buffer = memoryview(protocol.get_buffer(len(view)))
        count = min(len(buffer), len(view))
        buffer[:count] = view[:count]
        protocol.buffer_updated(count)
        view = view[count:]


class _Nobody:
    """The sink of a stream that is gone: what held it is free at once, without the garbage collector."""

    def opened(self) -> None: ...
    def received(self, data: bytes) -> None: ...
    def ended(self) -> None: ...
    def taken(self) -> None: ...
    def datagram(self, data: bytes) -> None: ...
    def gone(self, error: LinkError | None) -> None: ...


_NOBODY = _Nobody()


class AsyncStream:
    """`session.Stream` over a transport."""

    def __init__(self, transport: StreamTransport) -> None:
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._reader = asyncio.StreamReader(limit=32 << 10, loop=loop)
        protocol = asyncio.StreamReaderProtocol(self._reader, loop=loop)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        transport.set_protocol(protocol)

    @property
    def target(self) -> str:
        return self._transport.target

    async def read(self, n: int = -1) -> bytes:
        return await self._reader.read(n)

    async def write(self, data: bytes) -> None:
        self._check()
        self._writer.write(data)
        try:
            await self._writer.drain()
        except ConnectionResetError as error:
            self._check()
            raise Reset("Closed", "the stream was closed") from error

    def _check(self) -> None:
        if self._transport.error is not None:
            raise self._transport.error
        if self._transport.is_closing():
            raise Lost("Closed", "the stream was closed")

    async def close_write(self) -> None:
        self._transport.write_eof()

    def reset(self, reason: str) -> None:
        self._transport.reset(reason)

    def close(self) -> None:
        """End both directions in good order."""
        self._transport.close()
