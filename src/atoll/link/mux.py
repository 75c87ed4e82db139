"""Many streams on one connection, without the connection: bytes in, bytes out, and calls to each stream's sink.

Each direction of a stream has credit: its receiver says how much it will hold, so that a reader who stands still holds
up its own writer, not the connection, and memory is bounded whatever the peer does. Writers take turns of at most
64 KiB.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from atoll.link import frames
from atoll.link.frames import Parser, ProtocolError
from atoll.link.session import LinkError, Refused, Reset

WINDOW_FIRST = 256 << 10
"""Bytes that a new stream may send unasked."""
WINDOW_LEAST = 32 << 10
"""The same, once the windows of all streams together have come to WINDOWS_MOST."""
WINDOW_MOST = 4 << 20
"""What a stream's window grows to, where a long way needs it: 4 MiB are 100 Mbit/s over 300 ms."""
WINDOWS_MOST = 64 << 20
STREAMS_MOST = 16_384
"""That a peer may have open; with the least of windows they are 512 MiB, were none of them read."""
REPLIES_MOST = 4 << 20
"""Bytes of answers that wait for a peer who asks and doesn't read."""
DATAGRAMS_MOST = 256 << 10
MESSAGE_MOST = 16 << 10
"""Bytes of a write that needs no turn of its own, while nobody waits for one."""
MESSAGES_MOST = 64 << 10
"""The same, of all that is to go out."""
CREDIT_MOST = 2**31
_LAST = 2**32 - 2


class Sink(Protocol):
    """Who a stream is for. None of these may raise."""

    def opened(self) -> None:
        """The peer accepted."""

    def received(self, data: bytes) -> None:
        """Holds `data` until it says `Mux.consumed`."""

    def ended(self) -> None:
        """Nothing more will be received."""

    def taken(self) -> None:
        """Some of what was written is on its way: `Channel.queued` has shrunk."""

    def datagram(self, data: bytes) -> None:
        """One message."""

    def gone(self, error: LinkError | None) -> None:
        """The stream is no more, and none of these is called again. None: both directions have ended."""


class Channel:
    """One stream, as one end sees it. Only the mux changes it."""

    __slots__ = (
        "backlog", "consumed", "credit", "ended", "ending", "finished", "granted", "id", "open", "queued", "scheduled",
        "sink", "target", "window",
    )  # fmt: skip

    def __init__(self, number: int, target: str, window: int) -> None:
        self.id = number
        self.target = target
        self.sink: Sink
        self.open = False
        """Accepted, and not gone: else no data goes either way."""
        self.credit = 0
        """Bytes that the peer will still take."""
        self.backlog: deque[bytes | memoryview] = deque()
        self.queued = 0
        """Bytes written and not yet on their way."""
        self.ending = False
        """We have written all that we will."""
        self.ended = False
        """And the peer has been told."""
        self.scheduled = False
        self.window = window
        self.granted = window
        """Bytes that we will still take."""
        self.consumed = 0
        """Bytes read since credit was last given."""
        self.finished = False
        """The peer has written all that it will."""

    @property
    def unread(self) -> int:
        """Bytes that the sink holds."""
        return self.window - self.granted - self.consumed


class Mux:
    """One end. `offered(channel)` is called for a stream that the peer opens: it sets a sink, then says `accept` or
    `refuse`, now or later. `dialled`: this end made the connection.
    """

    def __init__(
        self,
        *,
        dialled: bool,
        offered: Callable[[Channel], None],
        ponged: Callable[[bytes], None] = lambda _: None,
        drained: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._offered = offered
        self._ponged = ponged
        self._drained = drained
        self._parser = Parser()
        self._next = 1 if dialled else 2
        self._theirs = 0 if dialled else -1
        """The highest number that the peer has used; its numbers have this parity."""
        self.channels: dict[int, Channel] = {}
        self._peers = 0
        """Of them, those that the peer opened."""
        self._control: list[bytes] = []
        self._control_size = 0
        self._datagrams: deque[bytes] = deque()
        self._datagrams_size = 0
        self._pong: bytes | None = None
        self._ready: deque[Channel] = deque()
        self._windows = 0
        self.waits = False
        """Something is to go out."""
        self.draining = False
        """One of both ends wants no new streams."""

    # What this end does.

    def open(self, target: str, sink: Sink) -> Channel:
        """Ask for a stream. Raises ProtocolError when the connection's numbers are used up: it is to be replaced."""
        name = target.encode(errors="replace")
        if len(name) > frames.TARGET_MOST:
            raise ValueError(f"a target has at most {frames.TARGET_MOST} bytes")
        if self._next > _LAST:
            raise ProtocolError("this connection has no numbers left for streams")
        channel = self._add(self._next, target)
        channel.sink = sink
        self._next += 2
        self._say(frames.frame(frames.OPEN, channel.id, frames.U32.pack(channel.window) + name))
        return channel

    def accept(self, channel: Channel) -> None:
        """What was written to it before goes now."""
        if self._alive(channel):
            channel.open = True
            self._say(frames.frame(frames.OPENED, channel.id, frames.U32.pack(channel.window)))
            self._schedule(channel)

    def refuse(self, channel: Channel, reason: str, message: str) -> None:
        if self._alive(channel):
            self._forget(channel)
            self._say(frames.reason_frame(frames.REFUSED, channel.id, reason, message))

    def write(self, channel: Channel, data: bytes | memoryview) -> None:
        """Queue `data`, which must not change any more. Nothing once the stream is gone or was ended by us."""
        size = len(data)
        if not size or channel.ending or channel.id not in self.channels:
            return
        if (
            size <= MESSAGE_MOST
            and size <= channel.credit
            and channel.open
            and not channel.queued
            and not self._ready
            and self._control_size < MESSAGES_MOST
        ):
            channel.credit -= size
            self._control.append(frames.HEADER.pack(frames.DATA << 24 | size, channel.id) + data)
            self._control_size += frames.HEADER.size + size
            self.waits = True
            return
        channel.backlog.append(data)
        channel.queued += size
        self._schedule(channel)

    def end(self, channel: Channel) -> None:
        """After what was written, nothing more."""
        if not channel.ending and self._alive(channel):
            channel.ending = True
            self._schedule(channel)

    def reset(self, channel: Channel, reason: str, message: str = "") -> None:
        if self._alive(channel):
            self._forget(channel)
            self._say(frames.reason_frame(frames.RESET, channel.id, reason, message))

    def consumed(self, channel: Channel, count: int) -> None:
        """The sink let go of `count` bytes. Credit is given back in halves of the window."""
        channel.consumed += count
        if channel.consumed * 2 < channel.window or channel.finished or not self._alive(channel):
            return
        self._give(channel, channel.consumed)
        channel.consumed = 0

    def datagram(self, channel: Channel, data: bytes) -> bool:
        """Send one message, or drop it: False when it is too long, or too many wait already."""
        size = len(data) + frames.HEADER.size
        if len(data) > frames.PAYLOAD_MOST or self._datagrams_size + size > DATAGRAMS_MOST:
            return False
        if not channel.open or channel.ending or not self._alive(channel):
            return False
        self._datagrams.append(frames.frame(frames.DATAGRAM, channel.id, data))
        self._datagrams_size += size
        self.waits = True
        return True

    def ping(self, payload: bytes) -> None:
        """Eight bytes; `ponged` gets them back."""
        self._say(frames.frame(frames.PING, 0, payload))

    def drain(self, reason: str, message: str = "") -> None:
        """No new streams from now on."""
        self.draining = True
        self._say(frames.reason_frame(frames.DRAIN, 0, reason, message))

    def abandon(self, error: LinkError) -> None:
        """The connection is gone, and every stream with it."""
        for channel in list(self.channels.values()):
            self._forget(channel)
            channel.sink.gone(error)

    # Bytes out.

    def take(self, limit: int) -> list[bytes | memoryview]:
        """What goes out next: all that is short and urgent, then turns of streams until `limit` bytes are reached."""
        parts: list[bytes | memoryview] = [*self._control]
        size = self._control_size
        self._control.clear()
        self._control_size = 0
        if self._pong is not None:
            parts.append(frames.frame(frames.PONG, 0, self._pong))
            self._pong = None
        if self._datagrams:
            parts += self._datagrams
            size += self._datagrams_size
            self._datagrams.clear()
            self._datagrams_size = 0
        while self._ready and size < limit:
            size += self._turn(self._ready.popleft(), parts)
        self.waits = bool(self._ready or self._control or self._datagrams)
        return parts

    def _turn(self, channel: Channel, parts: list[bytes | memoryview]) -> int:
        channel.scheduled = False
        if not self._alive(channel):
            return 0
        size = min(channel.queued, channel.credit, frames.PAYLOAD_MOST)
        if size:
            parts.append(frames.header(frames.DATA, channel.id, size))
            self._move(channel.backlog, size, parts)
            channel.queued -= size
            channel.credit -= size
            if channel.queued and not channel.credit:
                parts.append(frames.frame(frames.STARVED, channel.id))
        if channel.ending and not channel.queued:
            parts.append(frames.frame(frames.END, channel.id))
            channel.ended = True
            if channel.finished:
                self._forget(channel)
                channel.sink.gone(None)
                return size
        self._schedule(channel)
        if size:
            channel.sink.taken()
        return size

    @staticmethod
    def _move(backlog: deque[bytes | memoryview], size: int, parts: list[bytes | memoryview]) -> None:
        while size:
            piece = backlog[0]
            if len(piece) <= size:
                parts.append(backlog.popleft())
                size -= len(piece)
            else:
                view = memoryview(piece)
                parts.append(view[:size])
                backlog[0] = view[size:]
                return

    # Bytes in.

    def receive(self, data: bytes) -> None:
        """Take what came. Raises ProtocolError, after which the connection is to be closed."""
        for kind, number, payload in self._parser.feed(data):
            if kind == frames.DATA:
                self._data(number, payload)
            elif kind in {frames.PING, frames.PONG, frames.DRAIN}:
                self._about_all(kind, payload)
            elif kind == frames.OPEN:
                self._opened_by_peer(number, payload)
            elif (channel := self._known(number)) is not None:
                self._about_one(kind, channel, payload)

    @property
    def between(self) -> bool:
        """The next byte that is received begins a frame."""
        return self._parser.between

    def _data(self, number: int, payload: bytes) -> None:
        channel = self.channels.get(number) or self._known(number)
        if channel is None:
            return
        channel.granted -= len(payload)
        if channel.granted < 0 or channel.finished or not channel.open:
            raise ProtocolError(f"stream {number}: data that nobody asked for")
        channel.sink.received(payload)

    def _about_all(self, kind: int, payload: bytes) -> None:
        if kind == frames.PING:
            self._pong = payload[:8]  # one is enough, however many were asked for
            self.waits = True
        elif kind == frames.PONG:
            self._ponged(payload)
        else:
            self.draining = True
            self._drained(*frames.read_reason(payload))

    def _opened_by_peer(self, number: int, payload: bytes) -> None:
        if number % 2 != self._theirs % 2 or number <= self._theirs:
            raise ProtocolError(f"a stream was opened with number {number} after {self._theirs}")
        self._theirs = number
        credit = frames.number(payload)
        if credit > CREDIT_MOST:  # before there is a stream that nobody is the sink of
            raise ProtocolError(f"stream {number}: more credit than any window")
        if self._peers >= STREAMS_MOST:
            self._say(frames.reason_frame(frames.REFUSED, number, "Busy", f"{STREAMS_MOST} streams are open"))
            self._bound_replies()
            return
        channel = self._add(number, payload[frames.U32.size :].decode(errors="replace"))
        self._peers += 1
        self._credited(channel, credit)
        self._offered(channel)
        self._bound_replies()

    def _about_one(self, kind: int, channel: Channel, payload: bytes) -> None:
        match kind:
            case frames.OPENED | frames.REFUSED if channel.open or channel.id % 2 == self._theirs % 2:
                raise ProtocolError(f"stream {channel.id}: an answer that nobody asked for")
            case frames.OPENED:
                channel.open = True
                self._credited(channel, frames.number(payload))
                channel.sink.opened()
            case frames.REFUSED:
                self._forget(channel)
                channel.sink.gone(Refused(*frames.read_reason(payload)))
            case frames.WINDOW:
                self._credited(channel, frames.number(payload))
            case frames.END:
                self._ended(channel)
            case frames.RESET:
                self._forget(channel)
                channel.sink.gone(Reset(*frames.read_reason(payload)))
            case frames.STARVED:
                self._grow(channel)
            case frames.DATAGRAM:
                channel.sink.datagram(payload)

    def _credited(self, channel: Channel, count: int) -> None:
        channel.credit += count
        if channel.credit > CREDIT_MOST:
            raise ProtocolError(f"stream {channel.id}: more credit than any window")
        self._schedule(channel)

    def _ended(self, channel: Channel) -> None:
        if channel.finished or not channel.open:
            raise ProtocolError(f"stream {channel.id}: an end that cannot be")
        channel.finished = True
        if channel.ended:
            self._forget(channel)
        channel.sink.ended()
        if channel.ended:
            channel.sink.gone(None)

    def _bound_replies(self) -> None:
        if self._control_size > REPLIES_MOST:
            raise ProtocolError("the peer asks and asks, and reads no answer")

    # The books.

    def _known(self, number: int) -> Channel | None:
        """None for one that is gone: what was on its way to it is dropped. ProtocolError for one that never was."""
        channel = self.channels.get(number)
        if channel is None:
            highest = self._theirs if number % 2 == self._theirs % 2 else self._next - 2
            if not 0 < number <= highest:
                raise ProtocolError(f"there never was a stream {number}")
        return channel

    def _add(self, number: int, target: str) -> Channel:
        window = WINDOW_FIRST if self._windows + WINDOW_FIRST <= WINDOWS_MOST else WINDOW_LEAST
        channel = self.channels[number] = Channel(number, target, window)
        self._windows += window
        return channel

    def _grow(self, channel: Channel) -> None:
        """Double the window of a stream whose reader has nothing left to do, while there is room."""
        more = min(channel.window, WINDOW_MOST - channel.window, WINDOWS_MOST - self._windows)
        if more > 0 and not channel.unread and not channel.finished:
            channel.window += more
            self._windows += more
            self._give(channel, more)

    def _give(self, channel: Channel, credit: int) -> None:
        channel.granted += credit
        self._say(frames.frame(frames.WINDOW, channel.id, frames.U32.pack(credit)))

    def _forget(self, channel: Channel) -> None:
        del self.channels[channel.id]
        channel.open = False
        self._windows -= channel.window
        if channel.id % 2 == self._theirs % 2:
            self._peers -= 1
        channel.backlog.clear()
        channel.queued = 0

    def _alive(self, channel: Channel) -> bool:
        return channel.id in self.channels

    def _schedule(self, channel: Channel) -> None:
        """Give it a turn when it has something to say and may."""
        if channel.scheduled or not channel.open or channel.ended:
            return
        if (channel.queued and channel.credit) or (channel.ending and not channel.queued):
            channel.scheduled = True
            self._ready.append(channel)
            self.waits = True

    def _say(self, data: bytes) -> None:
        self._control.append(data)
        self._control_size += len(data)
        self.waits = True
