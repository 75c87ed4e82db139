"""A TCP proxy on loopback that does to connections what bad networks do; what is inside them is none of its business.

async with BadWire("127.0.0.1", port) as wire:
…connect to 127.0.0.1:wire.port…
wire.latency = (0.2, 0.4)
wire.cut()
"""

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Self

from atoll.link.splice import break_off

CHUNK = 16 << 10


class BadWire:
    """Set what is to happen at any time: `latency` (least, most) seconds for each piece, in order; `rate` in bytes a
    second, 0 unlimited; `loss` is the share of pieces (up to 16 KiB each) that the connection doesn't survive. `stall`
    holds everything. `seed` makes chance repeatable.
    """

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self._behind = host, port
        self._random = random.Random(seed)
        self._open: set[asyncio.WriteTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._going = asyncio.Event()
        self._going.set()
        self.latency = (0.0, 0.0)
        self.rate = 0
        self.loss = 0.0
        self.port = 0
        self.connections = 0
        """How many there have been."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        self._going.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stall(self) -> Callable[[], None]:
        """Nothing moves until what is returned is called."""
        self._going.clear()
        return self._going.set

    def cut(self) -> int:
        """Reset all connections; how many."""
        found = list(self._open)
        for transport in found:
            break_off(transport)
        return len(found) // 2

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._open) // 2

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._behind, limit=CHUNK)
        except OSError:
            break_off(writer.transport)
            self._tasks.discard(task)
            return
        self._open |= {writer.transport, far_writer.transport}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer))
                both.create_task(self._pump(far_reader, writer))
        except* OSError:
            pass
        finally:
            self._tasks.discard(task)
            self._open -= {writer.transport, far_writer.transport}
            break_off(writer.transport)
            break_off(far_writer.transport)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its end. What waits for its time is bounded, as in a network."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        loop = asyncio.get_running_loop()

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._going.wait()
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
                if writer.is_closing():
                    raise ConnectionResetError("the other direction was lost")
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as one:
            one.create_task(deliver())
            while True:
                data = await reader.read(CHUNK)
                if self._random.random() < self.loss:
                    raise ConnectionResetError("lost")
                await under_way.put((loop.time() + self._random.uniform(*self.latency), data))
                if not data:
                    break
