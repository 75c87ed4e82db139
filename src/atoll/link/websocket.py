"""WebSocket frames (RFC 6455) round the link's bytes, without the connection. A message is a piece of a byte stream.

A client's frames carry the masking key 0. Masks keep a script in a browser from writing bytes of its choice that a
proxy on the way may read; here no script writes, and nobody reads on the way: both ends of the TLS are ours. It saves a
pass over all that is sent. Whatever key comes is honoured.
"""

import base64
import hashlib
import struct

from atoll.link.frames import ProtocolError

SUBPROTOCOL = "atoll-link"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FIN, MASKED = 0x80, 0x80
_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_U16, _U64 = struct.Struct("!H"), struct.Struct("!Q")
_SHORT, _SHORT_MASKED = struct.Struct("!BB"), struct.Struct("!BBI")
"""Heads of messages of less than 126 bytes."""
FIRST = _FIN | _BINARY
"""The first byte of a whole message."""
NEAR_MOST, FAR_MOST = 125, (1 << 16) - 1
"""Bytes of a message whose length takes one byte, and three."""


class Closed(Exception):  # noqa: N818  an ordinary end
    """The peer said goodbye."""


def accept_key(key: str) -> str:
    """What a server answers to a client's Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324  RFC 6455 says so


def head(length: int, *, masked: bool, opcode: int = _BINARY) -> bytes:
    """What precedes a whole message of `length` bytes."""
    if length <= NEAR_MOST:
        if masked:
            return _SHORT_MASKED.pack(_FIN | opcode, MASKED | length, 0)
        return _SHORT.pack(_FIN | opcode, length)
    mark, key = (MASKED, b"\0\0\0\0") if masked else (0, b"")
    first = bytes((_FIN | opcode,))
    if length <= FAR_MOST:
        return first + bytes((mark | 126,)) + _U16.pack(length) + key
    return first + bytes((mark | 127,)) + _U64.pack(length) + key


def goodbye(*, masked: bool) -> bytes:
    """Status 1001: going away."""
    return head(2, masked=masked, opcode=_CLOSE) + _U16.pack(1001)


class Unwrapper:
    """Bytes of frames, cut anywhere, to the bytes inside. `answers` collects what is to be sent back (pongs)."""

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        """Whether the peer is the client."""
        self._held = b""
        self._left = 0
        self._key = b""
        self._at = 0
        """Where in the payload we are, for the mask."""
        self.answers: list[bytes] = []

    @property
    def between(self) -> bool:
        """The next byte begins a message."""
        return not (self._left or self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Raises Closed, ProtocolError."""
        found: list[bytes] = []
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                stop = min(end, at + self._left)
                found.append(self._unmask(data[at:stop]))
                self._left -= stop - at
                at = stop
                continue
            size = self._begin(data, at)
            if not size:
                self._held = data[at:]
                break
            at += size
        return found

    def _begin(self, data: bytes, at: int) -> int:
        """Read a head, and a control frame as a whole; how many bytes that took, 0 when some are missing."""
        if len(data) - at < 2:
            return 0
        opcode, mark = data[at] & 0x7F, data[at + 1]
        if bool(mark & MASKED) != self._masked:
            raise ProtocolError("a WebSocket frame is masked, or isn't, against the rules")
        short = mark & 0x7F
        size = 2 + {126: 2, 127: 8}.get(short, 0) + (4 if self._masked else 0)
        if len(data) - at < size:
            return 0
        length = short
        if short == 126:
            length = _U16.unpack_from(data, at + 2)[0]
        elif short == 127:
            length = _U64.unpack_from(data, at + 2)[0]
        self._key = data[at + size - 4 : at + size] if self._masked else b""
        self._at = 0
        if opcode in {_BINARY, _CONTINUATION}:
            self._left = length
            return size
        if length > 125 or opcode not in {_CLOSE, _PING, _PONG}:
            raise ProtocolError(f"a WebSocket frame of kind {opcode} and {length} bytes")
        if len(data) - at < size + length:
            return 0
        self._control(opcode, self._unmask(data[at + size : at + size + length]))
        return size + length

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _CLOSE:
            raise Closed
        if opcode == _PING:
            self.answers[:] = [head(len(payload), masked=not self._masked, opcode=_PONG) + payload]

    def _unmask(self, data: bytes) -> bytes:
        if not self._key.strip(b"\0"):
            return data
        turned = self._key[self._at % 4 :] + self._key[: self._at % 4]
        key = (turned * (len(data) // 4 + 1))[: len(data)]
        self._at += len(data)
        return (int.from_bytes(data) ^ int.from_bytes(key)).to_bytes(len(data))
