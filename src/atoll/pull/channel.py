"""Messages over one stream of a link."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

from atoll.link.session import LinkError, Stream
from atoll.pull.framing import ProtocolError, Reader, frame
from atoll.pull.protocol import AnyMessage, Bye

M = TypeVar("M")
PIECE = 1 << 16
PARTING = 2.0
"""Seconds that a peer has for reading the last word."""


class ChannelClosed(LinkError):  # noqa: N818  it says what happened
    """The peer ended the stream, between two messages or in one."""


class Channel(Generic[M]):
    """Sends any message, receives those of the union `kinds`, of `limit` bytes at most.

    One task receives; any number may send, whole messages after each other. Both raise LinkError when the stream is of
    no use any more, and receiving ProtocolError when the peer breaks the rules.
    """

    def __init__(self, stream: Stream, kinds: object, limit: int) -> None:
        self._stream = stream
        self._reader: Reader[M] = Reader(kinds, limit)
        self._come: deque[M] = deque()
        self._turn = asyncio.Lock()
        self.sent = self.received = 0
        """Bytes."""

    async def send(self, message: AnyMessage) -> None:
        """Returns when there is room for more."""
        data = frame(message)
        async with self._turn:
            await self._stream.write(data)
            self.sent += len(data)

    async def receive(self) -> M:
        """The next message. Raises ChannelClosed at the end."""
        while not self._come:
            data = await self._stream.read(PIECE)
            if not data:
                what = "the peer closed the stream" if self._reader.between else "the stream ended within a message"
                raise ChannelClosed("Closed", what)
            self.received += len(data)
            self._come.extend(self._reader.feed(data))
        return self._come.popleft()

    async def close(self) -> None:
        """Nothing more will be sent; the peer reads what was."""
        try:
            async with self._turn:
                await self._stream.close_write()
        except LinkError:
            return

    async def part(self, bye: Bye) -> None:
        """Say `bye`, and give the peer a moment to read it and go: a reset could overtake it."""
        try:
            async with asyncio.timeout(PARTING):
                await self.send(bye)
                await self._stream.close_write()
                while await self._stream.read(PIECE):
                    pass
        except (LinkError, TimeoutError):
            return

    def reset(self, reason: str) -> None:
        """Give the stream up."""
        self._stream.reset(reason)


__all__ = ["Channel", "ChannelClosed", "ProtocolError"]
