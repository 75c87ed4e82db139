"""What the hub may reach through an agent: the addresses of a list, nothing else."""

import asyncio
from collections.abc import Iterable
from typing import cast

from atoll.link.expiry import Expiry
from atoll.link.sessions import LinkSession
from atoll.link.splice import Half, facing
from atoll.link.streams import StreamTransport

TCP = "tcp/"
CONNECT_TIMEOUT = 8.0


def tcp(host: str, port: int) -> str:
    """The target of a TCP connection."""
    return f"{TCP}[{host}]:{port}" if ":" in host else f"{TCP}{host}:{port}"


def address(target: str) -> tuple[str, int]:
    """Host and port of a TCP target. Raises ValueError."""
    host, _, port = target.removeprefix(TCP).rpartition(":")
    if not (target.startswith(TCP) and host and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{target!r} is no tcp/<host>:<port>")
    return host.removeprefix("[").removesuffix("]"), int(port)


class Destinations:
    """An allow-list of targets. They are compared as text: a name is resolved here, in the member, and only after it
    was found on the list, so that neither case nor DNS nor a second spelling of an address leads elsewhere.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)
        for target in self._allowed:
            address(target)

    def serve(self, session: LinkSession) -> None:
        """Connect streams that the peer opens to what is on the list; everything else is refused."""
        connecting = Expiry(CONNECT_TIMEOUT, asyncio.Task[None].cancel)

        def take(stream: StreamTransport) -> None:
            task = session.spawn(_connect(stream))
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        session.take(take, self._allowed.__contains__)


async def _connect(stream: StreamTransport) -> None:
    """Accept once the destination has: a client sees a refused connection as one, not as one that ends at once."""
    host, port = address(stream.target)
    near = facing(stream)
    far = cast("Half", near.other)  # there before the connection is: a server may speak, or leave, at once
    try:
        reached, _ = await asyncio.get_running_loop().create_connection(lambda: far, host, port)
    except OSError as error:
        stream.refuse("Unreachable", f"{host}:{port} is out of the agent's reach: {error}")
        return
    except asyncio.CancelledError:
        stream.refuse("Unreachable", f"{host}:{port} is out of the agent's reach: no answer")
        raise
    if not stream.accept():
        reached.abort()
