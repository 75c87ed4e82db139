"""Two transports joined: what comes in at one goes out at the other, ends and breaks included."""

import asyncio
import socket
import struct
from typing import Any, cast

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends a reset."""


class Half(asyncio.Protocol):
    """One side of a splice. Whoever reads slowly holds up who writes on the other side."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Half | None = None
        self.ended = False
        """Nothing more comes in here."""
        self._over: asyncio.Future[None] | None = None
        self._lost = False

    @property
    def over(self) -> asyncio.Future[None]:
        """Done when this side is gone."""
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
            if self._lost:
                self._over.set_result(None)
        return self._over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        other = self.other
        if other is not None and (far := other.transport) is not None:
            far.write(data)

    def eof_received(self) -> bool:
        """The other direction goes on, unless it has ended before, or the far side (TLS) can't be closed by half."""
        self.ended = True
        far = self._far
        if far.can_write_eof() and not (self.other is not None and self.other.ended):
            far.write_eof()
            return True
        far.close()
        return False

    def pause_writing(self) -> None:
        self._far.pause_reading()

    def resume_writing(self) -> None:
        self._far.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        far = self.other.transport if self.other is not None else None
        self.transport = self.other = None  # no ring of objects is left for the garbage collector
        if far is None:
            return
        if exc is None:
            far.close()
        else:
            break_off(far)

    @property
    def _far(self) -> Any:
        """The transport of the other side, or nobody."""
        return (self.other.transport if self.other is not None else None) or _NOBODY


class _Nobody:
    """Where bytes go whose reader has left."""

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


_NOBODY = _Nobody()


def splice(first: asyncio.Transport, second: asyncio.Transport) -> tuple[Half, Half]:
    """Join them; both have been connected, and nothing of either has been read."""
    a = facing(first)
    b = cast("Half", a.other)
    b.connection_made(second)
    second.set_protocol(b)
    return a, b


def facing(transport: asyncio.Transport) -> Half:
    """The side of `transport`, with its other side already there for a connection that is yet to be made."""
    near, far = Half(), Half()
    near.other, far.other = far, near
    near.connection_made(transport)
    transport.set_protocol(near)
    return near


def break_off(transport: asyncio.WriteTransport) -> None:
    """End it so that the other side can't take it for a proper end."""
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
