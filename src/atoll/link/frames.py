"""The frames on a link: eight bytes of header (kind, length of the payload, stream), then the payload.

Numbers are big-endian. Streams that the agent opens have odd numbers, the hub's even ones; none is used twice. Text is
UTF-8; a reason is one CamelCase word, a line feed, and a sentence.
"""

import struct

VERSION = 1
"""Of the protocol; both ends name theirs when they connect."""

OPEN = 1
"""A stream begins: the opener's receive window (u32), and the target."""
OPENED = 2
"""It was accepted: the other end's receive window (u32)."""
REFUSED = 3
"""It was not: a reason."""
DATA = 4
"""Bytes, no more than the receiver gave credit for."""
WINDOW = 5
"""Credit for so many more bytes (u32)."""
END = 6
"""The sender's direction is over; TLS transports can't say that, so we do."""
RESET = 7
"""Both directions are given up: a reason."""
PING = 8
"""Eight bytes that come back."""
PONG = 9
DRAIN = 10
"""No new streams, please; those that are may finish: a reason."""
DATAGRAM = 11
"""A message of a stream that may be lost; needs no credit."""
STARVED = 12
"""The sender has more than it has credit for."""

KINDS = range(OPEN, STARVED + 1)
HEADER = struct.Struct("!II")
U32 = struct.Struct("!I")

PAYLOAD_MOST = 1 << 16
"""Bytes of one frame: no turn of the writer is longer."""
CONTROL_MOST = 2048
"""Bytes of a frame that is neither DATA nor DATAGRAM: these are put together before they are read."""
TARGET_MOST = 1024
_SENTENCE_MOST = 1024


class ProtocolError(Exception):
    """The peer broke the protocol: nothing more that it says can be understood."""


def frame(kind: int, stream: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind << 24 | len(payload), stream) + payload


def header(kind: int, stream: int, length: int) -> bytes:
    return HEADER.pack(kind << 24 | length, stream)


def reason_frame(kind: int, stream: int, reason: str, message: str) -> bytes:
    return frame(kind, stream, f"{reason[:64]}\n{message}".encode()[:_SENTENCE_MOST])


def read_reason(payload: bytes) -> tuple[str, str]:
    """The word and the sentence; a peer's text is bounded by its frame, and never trusted to be UTF-8."""
    reason, _, message = payload.decode(errors="replace").partition("\n")
    return reason or "Failed", message


def number(payload: bytes) -> int:
    if len(payload) < U32.size:
        raise ProtocolError("a frame is too short for its number")
    return int(U32.unpack_from(payload)[0])


class Parser:
    """Bytes, cut anywhere, to frames. DATA comes in the pieces it comes in; other frames come whole."""

    def __init__(self) -> None:
        self._held = b""
        """The beginning of a header or of a control frame."""
        self._stream = 0
        self._left = 0
        """Bytes that are missing of the DATA frame that has begun."""

    @property
    def between(self) -> bool:
        """The next byte begins a frame."""
        return not (self._left or self._held)

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """(kind, stream, payload) of what is there. Raises ProtocolError."""
        found: list[tuple[int, int, bytes]] = []
        at = 0
        if self._held:
            data, self._held = self._held + data, b""
        end = len(data)
        while at < end:
            if self._left:
                stop = min(end, at + self._left)
                found.append((DATA, self._stream, data[at:stop]))
                self._left -= stop - at
                at = stop
                continue
            if end - at < HEADER.size:
                break
            word, stream = HEADER.unpack_from(data, at)
            kind, length = word >> 24, word & 0xFFFFFF
            _check(kind, length)
            if kind == DATA:
                self._stream, self._left = stream, length
                at += HEADER.size
                continue
            stop = at + HEADER.size + length
            if stop > end:
                break
            found.append((kind, stream, data[at + HEADER.size : stop]))
            at = stop
        if at < end:
            self._held = data[at:]
        return found


def _check(kind: int, length: int) -> None:
    if kind not in KINDS:
        raise ProtocolError(f"there is no frame of kind {kind}")
    if length > (PAYLOAD_MOST if kind in {DATA, DATAGRAM} else CONTROL_MOST):
        raise ProtocolError(f"a frame of kind {kind} has {length} bytes")
