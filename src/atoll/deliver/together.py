"""Many small jobs of one application at once, but not so many that other applications wait behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

LANES = 16
"""Half of the member's requests: one large application leaves room for others."""


async def together(jobs: Iterable[T], do: Callable[[T], Awaitable[None]], lanes: int = LANES) -> None:
    """`do` each of `jobs`, begun in order, at most `lanes` at a time."""
    jobs = list(jobs)
    if len(jobs) == 1:
        await do(jobs[0])
        return
    queue = iter(jobs)

    async def lane() -> None:
        for job in queue:
            await do(job)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(lanes, len(jobs))):
            group.create_task(lane())
