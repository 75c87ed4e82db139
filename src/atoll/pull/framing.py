"""Messages as bytes: a length, a flag, and JSON, compressed where that saves something. Sans-IO.

A frame is four bytes of length, big-endian, one byte that is 0 for JSON and 1 for the same through zlib, and that many
bytes. Both the frame and what it inflates to are bounded, by who reads: a hub believes its agents less than they it.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import msgspec

from atoll.pull.protocol import AnyMessage

HEAD = struct.Struct(">IB")
PLAIN, DEFLATED = 0, 1
WORTHWHILE = 2048
"""Bytes from which on compression is tried."""
TO_HUB, TO_AGENT = 4 << 20, 64 << 20
"""Bytes of one message, inflated, that a hub takes from an agent, and an agent from its hub."""
LEVEL = 1

M = TypeVar("M")
_encode = msgspec.json.Encoder().encode


class ProtocolError(Exception):
    """What came can't be a message of this protocol, or is too large. The stream is of no use any more."""


class _Name(msgspec.Struct):
    name: str = msgspec.field(name="is")


_name = msgspec.json.Decoder(_Name)


def frame(message: AnyMessage) -> bytes:
    """`message` as it is sent."""
    body, flag = _encode(message), PLAIN
    if len(body) >= WORTHWHILE:
        small = zlib.compress(body, LEVEL)
        if len(small) < len(body):
            body, flag = small, DEFLATED
    return HEAD.pack(len(body), flag) + body


class Reader(Generic[M]):
    """Makes messages of the bytes that come, whatever their portions; `kinds` is the union of those to expect.

    Messages of names that are not among them are passed over: a newer peer says more than we know of.
    """

    def __init__(self, kinds: Any, limit: int) -> None:
        self._decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(kinds, strict=True)
        self._known = frozenset(_tags(kinds))
        self._limit = limit
        self._rest = bytearray()

    @property
    def between(self) -> bool:
        """Whether the last message is complete: an end here is no loss."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[M]:
        """The messages that `data` completes. Raises ProtocolError."""
        self._rest += data
        while len(self._rest) >= HEAD.size:
            length, flag = HEAD.unpack_from(self._rest)
            if length > self._limit:
                raise ProtocolError(f"a message of {length} bytes; at most {self._limit} are taken")
            if len(self._rest) < HEAD.size + length:
                return
            body = bytes(self._rest[HEAD.size : HEAD.size + length])
            del self._rest[: HEAD.size + length]
            message = self._decode(self._inflated(body, flag))
            if message is not None:
                yield message

    def _inflated(self, body: bytes, flag: int) -> bytes:
        if flag == PLAIN:
            return body
        if flag != DEFLATED:
            raise ProtocolError(f"a frame with the unknown flag {flag}")
        inflater = zlib.decompressobj()
        try:
            text = inflater.decompress(body, self._limit)
        except zlib.error as error:
            raise ProtocolError(f"a frame that can't be inflated: {error}") from error
        if not inflater.eof:
            raise ProtocolError(f"a message that is cut off, or inflates to more than {self._limit} bytes")
        return text

    def _decode(self, text: bytes) -> M | None:
        try:
            return self._decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            try:
                name = _name.decode(text).name
            except (msgspec.DecodeError, RecursionError):
                name = ""
            if name and name not in self._known:
                return None
            raise ProtocolError(f"a message `{name}` that can't be read: {error}") from error


def _tags(kinds: Any) -> Iterator[str]:
    for kind in getattr(kinds, "__args__", (kinds,)):
        yield str(kind.__struct_config__.tag)
