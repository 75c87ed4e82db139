"""A link over Unix sockets, for agents in processes of their own. Nothing authenticates anybody.

A connection is a stream, and begins with a line that names the cluster.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from atoll.link.session import Handler, Lost, Refused, Reset, Stream
from atoll.pull.protocol import CONTROL
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.pulledfleet import HubSide


class SocketStream:
    """One connection."""

    def __init__(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader, self._writer = reader, writer

    @property
    def target(self) -> str:
        return self._target

    async def read(self, n: int = -1) -> bytes:
        try:
            return await self._reader.read(n)
        except OSError as error:
            raise Reset("Failed", str(error)) from error

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise Reset("Failed", str(error)) from error

    async def close_write(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()

    def reset(self, reason: str) -> None:  # noqa: ARG002  there is nobody to tell
        self._writer.close()


class SocketSession:
    """One end's view of the other; a hub can't open streams to an agent here."""

    def __init__(self, peer: str, socket: Path | None, cluster: str = "") -> None:
        self.peer = peer
        self._socket, self._cluster = socket, cluster
        self.handler: Handler | None = None

    async def open(self, target: str, *, timeout: float = 10.0) -> Stream:
        if self._socket is None:
            raise Refused("NotAllowed", "questions are not asked here")
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_unix_connection(self._socket)
        except (OSError, TimeoutError) as error:
            raise Lost("Closed", str(error)) from error
        writer.write(f"{self._cluster}\n".encode())
        return SocketStream(target, reader, writer)

    def serve(self, handler: Handler, accepts: Callable[[str], bool]) -> None:  # noqa: ARG002  there is one target
        self.handler = handler

    async def wait_lost(self) -> Lost:
        await asyncio.Event().wait()
        raise Lost("Closed")


class Taken:
    """A call that the hub took, as long as it lasts."""

    def __init__(self, task: "asyncio.Task[None] | None") -> None:
        self._task = task

    async def close(self) -> None:
        """End it, as the death of a hub's process would."""
        if self._task is not None:
            await cancel_and_wait(self._task)


class SocketHub:
    """Listens for agents, for the hub `side`."""

    def __init__(self, side: HubSide, socket: Path) -> None:
        self._side, self._socket = side, socket

    async def __aenter__(self) -> Self:
        self._socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._take, self._socket, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cluster = (await reader.readline()).decode().strip()
        line = Taken(asyncio.current_task())
        self._side.wires.add(line)
        try:
            if self._side.hub is not None:
                await self._side.hub.pulled.attend(SocketSession(cluster, None), SocketStream(CONTROL, reader, writer))
        finally:
            self._side.wires.discard(line)
            writer.close()


class SocketWire:
    """A call, as `AgentSide` wants it."""

    def __init__(self, cluster: str, socket: Path) -> None:
        self.agent = SocketSession("hub", socket, cluster)

    async def close(self) -> None:
        """Nothing is kept between streams."""


class SocketWires:
    """Where agents call."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def call(self, cluster: str) -> SocketWire:
        return SocketWire(cluster, self._socket)
