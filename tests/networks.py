"""What bad networks do to an agent's connection with its hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.badwire import BadWire

TROUBLES = ["cuts", "stall", "loss of 5 %", "300 ± 100 ms", "64 kB/s"]


@asynccontextmanager
async def trouble(wire: BadWire, kind: str, *, stalled: float = 2.0) -> AsyncIterator[None]:
    """Have `wire` do this; a stall lasts so many seconds."""
    task: asyncio.Task[None] | None = None
    match kind:
        case "cuts":
            task = asyncio.create_task(_again(wire))
        case "stall":
            task = asyncio.create_task(_stall(wire, stalled))
        case "loss of 5 %":
            wire.loss = 0.05
        case "300 ± 100 ms":
            wire.latency = (0.2, 0.4)
        case _:
            wire.rate = 64_000
    try:
        yield
    finally:
        wire.loss, wire.latency, wire.rate = 0.0, (0.0, 0.0), 0
        if task is not None:
            await cancel_and_wait(task)


async def _again(wire: BadWire) -> None:
    while True:
        await asyncio.sleep(0.15)
        wire.cut()


async def _stall(wire: BadWire, seconds: float) -> None:
    await asyncio.sleep(0.3)
    resume = wire.stall()
    try:
        await asyncio.sleep(seconds)
    finally:
        resume()
