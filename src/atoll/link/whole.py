"""A message that is one whole frame of DATA, as short ones are: the WebSocket's head and the link's in one piece.

Between two messages of a conversation everything waits: a core falls asleep and forgets, and each function that is
looked for anew costs more than what it does. So the usual case is a short way of its own.
"""

import struct

from atoll.link import frames
from atoll.link.websocket import FAR_MOST, FIRST, MASKED, NEAR_MOST

_LINK = frames.HEADER.size
_DATA = frames.DATA << 24
_NEAR, _FAR = NEAR_MOST - _LINK, FAR_MOST - _LINK
"""Bytes of data that a head with a length of one byte, and of three bytes, tells of."""


class Heads:
    """Writes and reads both heads of such messages; `masked`: the client's, with the key 0."""

    def __init__(self, *, masked: bool) -> None:
        mark = MASKED if masked else 0
        near, far = (struct.Struct(f) for f in (("!HQI", "!IQI") if masked else ("!HII", "!III")))
        """The WebSocket's first bytes and length; the key, which is 0, and the frame's kind and length; the stream."""
        self._near_mark = (FIRST << 8 | mark) + _LINK
        self._far_mark = (FIRST << 24 | (mark | 126) << 16) + _LINK
        self._near_size, self._far_size = near.size, far.size
        self._pack_near, self._pack_far = near.pack, far.pack
        self._read_near, self._read_far = near.unpack_from, far.unpack_from

    def write(self, stream: int, data: bytes) -> bytes:
        """The message that carries `data`, of which are 1 to 65,527 bytes."""
        size = len(data)
        if size <= _NEAR:
            return self._pack_near(self._near_mark + size, _DATA + size, stream) + data
        return self._pack_far(self._far_mark + size, _DATA + size, stream) + data

    def read(self, data: bytes) -> tuple[int, bytes] | None:
        """The stream and what it gets, if `data` is one such message and no more; else None."""
        size = len(data) - self._near_size
        if size <= _NEAR:
            if size > 0:
                mark, word, stream = self._read_near(data)
                if word == _DATA + size and mark == self._near_mark + size:
                    return stream, data[self._near_size :]
            return None
        size = len(data) - self._far_size
        if size <= _FAR:
            mark, word, stream = self._read_far(data)
            if word == _DATA + size and mark == self._far_mark + size:
                return stream, data[self._far_size :]
        return None
