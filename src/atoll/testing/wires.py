"""A link without a network: two sessions in one process, whose wire can be cut, stalled and listened to."""

import asyncio
from collections.abc import Callable

from atoll.link.session import Handler, Lost, Refused, Reset, Stream
from atoll.runtime.supervise import cancel_and_wait

WINDOW = 256 << 10
"""Bytes that one direction of a stream holds before its writer waits."""


class Pipe:
    """One direction of a stream."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = False
        self.broken: Exception | None = None
        self.stalled = False
        self._stir = asyncio.Condition()

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), WINDOW):
            async with self._stir:
                await self._stir.wait_for(lambda: self.broken or len(self.data) < WINDOW)
                if self.broken:
                    raise self.broken
                self.data += data[start : start + WINDOW]
                self._stir.notify_all()

    async def read(self, n: int) -> bytes:
        async with self._stir:
            await self._stir.wait_for(lambda: self.broken or (not self.stalled and (self.data or self.ended)))
            if self.broken:
                raise self.broken
            taken = bytes(self.data[:n] if n >= 0 else self.data)
            del self.data[: len(taken)]
            self._stir.notify_all()
            return taken

    async def wake(self) -> None:
        async with self._stir:
            self._stir.notify_all()

    async def end(self) -> None:
        self.ended = True
        await self.wake()


class WireStream:
    """One end of a stream."""

    def __init__(self, target: str, incoming: Pipe, outgoing: Pipe, wire: "Wire") -> None:
        self._target = target
        self._incoming, self._outgoing = incoming, outgoing
        self._wire = wire

    @property
    def target(self) -> str:
        return self._target

    async def read(self, n: int = -1) -> bytes:
        if n >= 0:
            return await self._incoming.read(n)
        pieces = []
        while piece := await self._incoming.read(WINDOW):
            pieces.append(piece)
        return b"".join(pieces)

    async def write(self, data: bytes) -> None:
        await self._outgoing.write(data)

    async def close_write(self) -> None:
        await self._outgoing.end()

    def reset(self, reason: str) -> None:
        if not (self._incoming.ended and self._outgoing.ended):
            self._wire.break_pipes(Reset(reason, f"reset: {reason}"), (self._incoming, self._outgoing))


class WireSession:
    """One end of a wire (see link.session.Session)."""

    def __init__(self, peer: str, wire: "Wire") -> None:
        self._peer = peer
        self._wire = wire
        self.other: WireSession
        self.handlers: list[tuple[Handler, Callable[[str], bool]]] = []

    @property
    def peer(self) -> str:
        return self._peer

    async def open(self, target: str, *, timeout: float = 10.0) -> Stream:  # noqa: ARG002  nothing takes time here
        if self._wire.lost is not None:
            raise self._wire.lost
        for handler, accepts in self.other.handlers:
            if accepts(target):
                there, back = Pipe(), Pipe()
                self._wire.carry(handler, WireStream(target, there, back, self._wire), (there, back))
                return WireStream(target, back, there, self._wire)
        raise Refused("NotAllowed", f"{target} is not accepted")

    def serve(self, handler: Handler, accepts: Callable[[str], bool]) -> None:
        self.handlers.append((handler, accepts))

    async def wait_lost(self) -> Lost:
        await self._wire.ended.wait()
        return self._wire.lost or Lost("Closed")


class Wire:
    """The connection of the agent of `cluster` with the hub `hub`: `agent` and `hub` are its two ends."""

    def __init__(self, cluster: str, hub: str = "hub") -> None:
        self.agent, self.hub = WireSession(hub, self), WireSession(cluster, self)
        self.agent.other, self.hub.other = self.hub, self.agent
        self.lost: Lost | None = None
        self.ended = asyncio.Event()
        self._pipes: list[Pipe] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def carry(self, handler: Handler, stream: WireStream, pipes: tuple[Pipe, Pipe]) -> None:
        """Have `handler` work on `stream`."""
        self._pipes += pipes

        async def work() -> None:
            try:
                await handler(stream)
                await stream.close_write()
            except Exception as error:
                self.break_pipes(Reset("Failed", str(error)), pipes)

        self._keep(work())

    def break_pipes(self, error: Exception, pipes: tuple[Pipe, ...]) -> None:
        for pipe in pipes:
            pipe.broken = pipe.broken or error
            self._keep(pipe.wake())
            if pipe in self._pipes:
                self._pipes.remove(pipe)

    def cut(self) -> None:
        """The connection is gone, at both ends."""
        self.lost = Lost("Closed", "the wire was cut")
        self.ended.set()
        self.break_pipes(self.lost, tuple(self._pipes))

    def stall(self) -> None:
        """Nothing arrives any more, and nobody is told."""
        for pipe in self._pipes:
            pipe.stalled = True

    async def close(self) -> None:
        """Cut it, and see the end of those who worked on its streams."""
        self.cut()
        for task in tuple(self._tasks):
            await cancel_and_wait(task)

    def _keep(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
