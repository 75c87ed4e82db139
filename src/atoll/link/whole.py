"""The short way of a message that is one whole frame of DATA, as short ones are: both heads in one piece, and straight
between its stream and the wire.

Between two messages of a conversation everything waits, and whoever else works meanwhile takes the caches: what a
message costs then is the functions that it passes, more than what they do. So there are few on this way, and whatever
is unusual goes the long one, which says what is wrong.
"""

import struct

from atoll.link import frames
from atoll.link.mux import MESSAGE_MOST, Channel, Mux
from atoll.link.websocket import FAR_MOST, FIRST, MASKED, NEAR_MOST

_LINK = frames.HEADER.size
_DATA = frames.DATA << 24
_NEAR, _FAR = NEAR_MOST - _LINK, FAR_MOST - _LINK
"""Bytes of data that a head with a length of one byte, and of three bytes, tells of."""
_FAR_FIRST = FIRST << 24 | (NEAR_MOST + 1) << 16


class ShortWay:
    """What `mux` sends and receives of such messages. `dialled`: this end is the client, whose messages are masked, by
    the key 0.
    """

    def __init__(self, mux: Mux, *, dialled: bool) -> None:
        self._mux = mux
        self._channels = mux.channels
        out_near, out_far, _, self._out_mark, self._out_far_mark = _heads(masked=dialled)
        self._pack, self._pack_far = out_near.pack, out_far.pack
        near, far, self._size, self._mark, self._far_mark = _heads(masked=not dialled)
        self._unpack, self._unpack_far, self._far_size = near.unpack_from, far.unpack_from, far.size

    def message(self, channel: Channel, data: bytes) -> bytes:
        """What carries `data`, to be sent at once, if it may go and nothing else is to; else b"", then `mux.write`."""
        size = len(data)
        if (
            size > channel.credit
            or not 0 < size <= MESSAGE_MOST
            or self._mux.waits
            or not channel.open
            or channel.ending
            or channel.queued
        ):
            return b""
        channel.credit -= size
        if size <= _NEAR:
            return self._pack(self._out_mark + size, _DATA + size, channel.id) + data
        return self._pack_far(self._out_far_mark + size, _DATA + size, channel.id) + data

    def receive(self, data: bytes) -> bool:
        """Give it to its stream, if `data` is one such message and no more; else False, and nothing has been done."""
        at = self._size
        size = len(data) - at
        if size <= 0:
            return False
        if size <= _NEAR:
            mark, word, number = self._unpack(data)
            if mark != self._mark + size:
                return False
        else:
            at = self._far_size
            size = len(data) - at
            mark, word, number = self._unpack_far(data)
            if mark != self._far_mark + size:
                return False
        channel = self._channels.get(number)
        if word != _DATA + size or channel is None or size > channel.granted or not channel.open or channel.finished:
            return False
        channel.granted -= size
        channel.sink.received(data[at:])
        return True


def _heads(*, masked: bool) -> tuple[struct.Struct, struct.Struct, int, int, int]:
    """Both heads near and far: the WebSocket's first bytes and length; the key, and the frame's kind and length; the
    stream. Then the bytes of the near one, and what each begins with where there are no data.
    """
    mark = MASKED if masked else 0
    near, far = (struct.Struct(form) for form in (("!HQI", "!IQI") if masked else ("!HII", "!III")))
    return near, far, near.size, (FIRST << 8 | mark) + _LINK, (_FAR_FIRST | mark << 16) + _LINK
