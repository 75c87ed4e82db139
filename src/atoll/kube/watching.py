"""A watch's bytes to events, without sockets: the server sends one JSON object a line, cut anywhere."""

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from atoll.kube.errors import Unreachable, api_error
from atoll.kube.objects import Object, Resource, decode_object

EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class WatchEvent(msgspec.Struct, frozen=True, gc=False):
    """One change. A BOOKMARK's object has only its kind and the resourceVersion up to which all was sent."""

    type: EventType
    object: Object


class _Envelope(msgspec.Struct, gc=False):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Version(msgspec.Struct, rename="camel", gc=False):
    resource_version: str = ""


class _Glance(msgspec.Struct, gc=False):
    metadata: _Version = msgspec.field(default_factory=_Version)


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_glance = msgspec.json.Decoder(_Glance).decode
LONGEST_EVENT = 64 << 20
"""Bytes. Objects have a few MiB at most: what sends more without an end would fill the memory of all."""
_CHANGED = frozenset({"ADDED", "MODIFIED"})


class Lines:
    """Bytes, cut anywhere, to lines. The cost is linear, however long a line and small the pieces are."""

    def __init__(self) -> None:
        self.waiting = 0
        """Bytes of the line whose end is still to come."""
        self._unfinished: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends."""
        *lines, rest = data.split(b"\n")
        if lines and self._unfinished:
            lines[0] = b"".join((*self._unfinished, lines[0]))
            self._unfinished.clear()
            self.waiting = 0
        if rest:
            self._unfinished.append(rest)
            self.waiting += len(rest)
        return lines

    @property
    def rest(self) -> bytes:
        """What came after the last line's end."""
        return b"".join(self._unfinished)

    def cut(self) -> bytes:
        """`rest`, as if its line ended here."""
        rest = self.rest
        self._unfinished.clear()
        self.waiting = 0
        return rest


class WatchDecoder:
    """Feed it bytes as they come. An ERROR event raises its ApiError (`Expired` for 410): the watch is over then.

    `known(version)` is asked about each object that came or changed; what is known already is passed over unread.
    """

    def __init__(self, resource: Resource, known: Callable[[str], bool] | None = None) -> None:
        self._resource = resource
        self._known = known
        self._lines = Lines()

    def feed(self, data: bytes) -> Iterator[WatchEvent]:
        """The events that `data` completes, in order; iterate to the end before feeding more."""
        for line in self._lines.feed(data):
            if line and not line.isspace() and (event := self._event(line)) is not None:
                yield event
        if self._lines.waiting > LONGEST_EVENT:
            raise Unreachable("Protocol", f"the watch sent {self._lines.waiting >> 20} MiB without a line's end")

    def close(self) -> None:
        """The stream has ended. Raises Unreachable when that was in the middle of an event."""
        if self._lines.rest.strip():
            raise Unreachable("Reset", "the watch broke off in the middle of an event")

    def _event(self, line: bytes) -> WatchEvent | None:
        try:
            envelope = _decode_envelope(line)
            if envelope.type == "ERROR":
                raise api_error(0, bytes(envelope.object))
            if envelope.type in _CHANGED and self._knows(envelope.object):
                return None
            return WatchEvent(envelope.type, decode_object(envelope.object, self._resource))
        except msgspec.DecodeError as error:
            text = line[:200].decode(errors="replace")
            raise Unreachable("Protocol", f"the watch sent something that is no event ({error}): {text}") from error

    def _knows(self, live: msgspec.Raw) -> bool:
        return self._known is not None and self._known(_decode_glance(live).metadata.resource_version)
