"""One TLS WebSocket under a mux: moves bytes, notices a silent peer."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable

from atoll.link import websocket
from atoll.link.expiry import Expiry
from atoll.link.frames import ProtocolError
from atoll.link.mux import Channel, Mux
from atoll.link.session import Lost, Refused
from atoll.link.streams import LINGER, StreamTransport
from atoll.link.websocket import Unwrapper
from atoll.link.whole import ShortWay

PING_EVERY = 5.0
SILENCE = 12.0
"""Seconds without a byte after which a peer is dead: with PULSE, it is found within 15 s."""
PULSE = 2.5
BATCH = 128 << 10
"""Bytes of one message: what is short and urgent waits for no more than this, and what the kernel holds."""
KERNEL_HOLDS = 128 << 10
MOMENT, APART_MOST = 0.001, 8
"""Seconds, and messages that are sent each by itself in such a time: a TLS record and a system call each."""
_CLOCK = struct.Struct("!d")


class Connection(asyncio.Protocol):
    """An open connection. `dialled`: this end made it. Takes the place of the HTTP protocol that `former` is; that one
    is told of the end, too, so that the library's books are right.

    `offered(transport)` gets each stream that the peer opens.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        former: asyncio.BaseProtocol,
        *,
        dialled: bool,
        peer: str,
        offered: Callable[[StreamTransport], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._former = former
        self._dialled = dialled
        self._peer = peer
        self._take = offered
        self._mux = Mux(dialled=dialled, offered=self._offer, ponged=self._ponged)
        self._unwrapper = Unwrapper(masked=not dialled)
        self._short = ShortWay(self._mux, dialled=dialled)
        self._between = True
        """What comes next begins a message and a frame."""
        self._lingering = Expiry(LINGER, StreamTransport.lingered)
        self._flushing = False
        """Whatever comes now is sent at the end of this turn of the loop, or in the flush that is under way."""
        self._tick, self._in_tick = 0.0, 0
        self._held_up = False
        self._may_speak = dialled
        """The dialler speaks first: until then its HTTP library may still read, and would keep what we say."""
        self._pinged = self._heard = self._loop.time()
        self._pulse: asyncio.TimerHandle | None = None
        self._cause: Lost | None = None
        self.lost: asyncio.Future[Lost] = self._loop.create_future()
        self.round_trip = 0.0
        """Seconds; 0 before the first answer."""
        self.received = self.sent = 0
        """Bytes of this connection's life, as they are inside TLS."""

    def start(self) -> None:
        """Take the transport over."""
        transport = self._transport
        raw = transport.get_extra_info("socket")
        if raw is not None:
            _tune(raw)
        transport.set_write_buffer_limits(high=BATCH, low=BATCH // 4)
        transport.set_protocol(self)
        transport.resume_reading()
        self._heard = self._pinged = self._loop.time()
        self._pulse = self._loop.call_later(PULSE, self._beat)
        self.ping()

    # Of its streams.

    @property
    def streams(self) -> int:
        return len(self._mux.channels)

    @property
    def silent(self) -> float:
        """Seconds since something was heard."""
        return self._loop.time() - self._heard

    @property
    def usable(self) -> bool:
        """New streams may be opened."""
        return not (self._mux.draining or self.lost.done() or self._cause)

    def begin(self, target: str) -> StreamTransport:
        """Ask for a stream. Raises Refused, Lost."""
        if self.lost.done() or self._cause:
            raise self._cause or self.lost.result()
        if self._mux.draining:
            raise Refused("Draining", "the peer takes no new streams on this connection")
        made = StreamTransport(self._mux, self, self._lingering, self._peer)
        try:
            made.attach(self._mux.open(target, made))
        except ProtocolError as error:
            raise Refused("Draining", str(error)) from error
        except ValueError as error:
            raise Refused("NotAllowed", str(error)) from error
        self.wake()
        return made

    async def open(self, target: str, *, timeout: float) -> StreamTransport:
        """Raises Refused, Lost."""
        made = self.begin(target)
        try:
            async with asyncio.timeout(timeout):
                await made.answer
        except TimeoutError:
            made.reset("Timeout", "the answer came too late")
            raise Refused("Timeout", f"{self._peer} has not answered within {timeout:g} s") from None
        except asyncio.CancelledError:
            made.reset("Aborted")
            raise
        return made

    def _offer(self, channel: Channel) -> None:
        made = StreamTransport(self._mux, self, self._lingering, self._peer)
        made.attach(channel)
        self._take(made)

    # Out.

    def wake(self) -> None:
        """Something may be to be sent: once, at the end of this turn of the loop."""
        if not self._flushing and not self._held_up and self._may_speak:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def say(self, channel: Channel, data: bytes) -> bool:
        """Send a short message now, if nothing else is to be sent. Where many come in a moment, they go together."""
        if self._flushing or self._held_up or not self._may_speak or self._cause:
            return False
        self._in_tick += 1
        if self._in_tick > APART_MOST:
            now = self._loop.time()
            if now - self._tick < MOMENT:
                return False
            self._tick, self._in_tick = now, 1
        if not (message := self._short.message(channel, data)):
            return False
        self._transport.write(message)
        self.sent += len(message)
        return True

    def _flush(self) -> None:
        mux = self._mux
        while not (self._held_up or self._cause):
            parts = mux.take(BATCH)
            if size := sum(map(len, parts)):
                self._write(b"".join((websocket.head(size, masked=self._dialled), *parts)))
            if not mux.waits:
                break
        self._flushing = False

    def _write(self, data: bytes) -> None:
        self.sent += len(data)
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._held_up = True

    def resume_writing(self) -> None:
        self._held_up = False
        self.wake()

    # In.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It was made before us."""

    def data_received(self, data: bytes) -> None:
        self._may_speak = True
        try:
            if not (self._between and self._short.receive(data)):
                self._take_apart(data)
        except websocket.Closed:
            self.close(Lost("Closed", "the peer closed the connection"))
            return
        except ProtocolError as error:
            self.close(Lost("Protocol", f"the peer breaks the protocol: {error}"))
            return
        self._heard = self._loop.time()
        self.received += len(data)
        if self._mux.waits:
            self.wake()

    def _take_apart(self, data: bytes) -> None:
        """Several messages, pieces of them, or what is said about the connection. Raises Closed, ProtocolError."""
        for piece in self._unwrapper.feed(data):
            self._mux.receive(piece)
        self._between = self._unwrapper.between and self._mux.between
        if self._unwrapper.answers and not self._held_up:  # the last answer is enough for who asks and doesn't read
            self._write(self._unwrapper.answers.pop())

    def eof_received(self) -> bool:
        return False

    # Life and death.

    def ping(self) -> None:
        self._pinged = self._loop.time()
        self._mux.ping(_CLOCK.pack(time.perf_counter()))
        self.wake()

    def _ponged(self, payload: bytes) -> None:
        if len(payload) == _CLOCK.size:
            trip = time.perf_counter() - _CLOCK.unpack(payload)[0]
            self.round_trip = trip if 0 < trip < 3600 else 0.0  # a peer may send what it likes

    def _beat(self) -> None:
        now = self._loop.time()
        if now - self._heard > SILENCE:
            self.close(Lost("PeerSilent", f"{self._peer} has been silent for {now - self._heard:.0f} s"))
            return
        if now - self._pinged >= PING_EVERY - PULSE / 2:
            self.ping()
        self._pulse = self._loop.call_later(PULSE, self._beat)

    async def retire(self, within: float) -> None:
        """Take no new streams, and end when those that are have ended, or after `within` seconds; at once when this is
        cancelled: whose session has ended keeps nothing.
        """
        self.drain("Renewed", "another connection takes this one's place")
        until = self._loop.time() + within
        try:
            while self.streams and not self.lost.done() and self._loop.time() < until:  # noqa: ASYNC110
                await asyncio.sleep(0.5)
        finally:
            self.close(Lost("Renewed", "another connection took this one's place"))

    def drain(self, reason: str, message: str = "") -> None:
        """Ask the peer to open no more streams here."""
        self._mux.drain(reason, message)
        self.wake()

    def close(self, cause: Lost) -> None:
        """End it now, and all that is on it."""
        if self._cause or self.lost.done():
            return
        self._cause = cause
        if cause.reason == "PeerSilent" or self._held_up or not self._may_speak:
            self._transport.abort()
        else:
            self._transport.write(websocket.goodbye(masked=self._dialled))
            self._transport.close()
            self._loop.call_later(1.0, self._transport.abort)
        self._end(cause)

    def connection_lost(self, exc: Exception | None) -> None:
        self._former.connection_lost(exc)
        self._end(self._cause or Lost("Closed", f"the connection was lost{f': {exc}' if exc else ''}"))

    def _end(self, cause: Lost) -> None:
        if self.lost.done():
            return
        self._cause = cause
        self.lost.set_result(cause)
        if self._pulse is not None:
            self._pulse.cancel()
        self._mux.abandon(cause)
        self._lingering.clear()


def _tune(raw: socket.socket) -> None:
    """No waiting for more to send; and no more in the kernel than keeps it busy, or what is urgent stands in line."""
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_HOLDS)
