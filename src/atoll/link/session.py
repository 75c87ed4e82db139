"""The contract of the link, all of it. Lifetime is scope: what a session carried ends with it, nothing is resumed.

Either end may open a stream to a target by name, and each end says which targets it accepts:

- an agent opens `pull/1`, the pull protocol, on the hub;
- the hub opens `tcp/<host>:<port>` on an agent, which dials what its allow-list holds and refuses everything else.
"""

# ruff: noqa: N818  the exceptions say what happened; LinkError is their family

from collections.abc import Awaitable, Callable
from typing import Protocol


class LinkError(ConnectionError):
    """A stream or session that is of no use (any more). `reason` is one CamelCase word, the text says what to do.

    A ConnectionError, since whatever speaks over a stream as over a socket meets it where a socket would have one.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason


class Refused(LinkError):
    """The peer is there and said no: NotAllowed, Unreachable, Busy, Draining, Timeout, Failed."""


class Reset(LinkError):
    """The peer gave this stream up; the session lives on."""


class Lost(LinkError):
    """The connection is gone, and with it every stream on it: Closed, PeerSilent, Replaced, Revoked, Protocol."""


class Stream(Protocol):
    """A pipe in both directions, each of which ends by itself; what is not read holds the writer up, nobody else."""

    @property
    def target(self) -> str:
        """What it was opened to."""
        ...

    async def read(self, n: int = -1) -> bytes:
        """At most `n` bytes, at least one; with -1 all until the end. b"" at the end. Raises Reset, Lost."""
        ...

    async def write(self, data: bytes) -> None:
        """Hand `data` over; returns when there is room for more. Raises Reset, Lost."""
        ...

    async def close_write(self) -> None:
        """The peer will read the end after what was written. Reading goes on."""
        ...

    def reset(self, reason: str) -> None:
        """Give both directions up, at once; the peer's calls raise Reset. Nothing when it has ended already."""
        ...


Handler = Callable[[Stream], Awaitable[None]]
"""Works on one accepted stream. When it returns our direction is closed, when it raises the stream is reset."""


class Session(Protocol):
    """What two ends have while they are connected, over one connection or several side by side."""

    @property
    def peer(self) -> str:
        """Who the other end has proved to be: to a hub the cluster's name, to an agent the hub's id."""
        ...

    async def open(self, target: str, *, timeout: float = 10.0) -> Stream:
        """A stream to `target`, accepted by the peer within `timeout` seconds. Raises Refused, Lost."""
        ...

    def serve(self, handler: Handler, accepts: Callable[[str], bool]) -> None:
        """Let `handler` work on streams that the peer opens to a target of which `accepts(target)` is true.

        Several may serve; the first that accepts gets the stream. Nobody accepting refuses it: NotAllowed.
        """
        ...

    async def wait_lost(self) -> Lost:
        """Return when the session has ended, with why."""
        ...
