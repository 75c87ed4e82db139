"""Time that passes only when nobody has anything to do: an event loop whose clock jumps to the next timer.

A minute of back-off costs nothing, and a run is the same run each time: what is ready goes in order of arrival, timers
in order of their time. The work of one *process* can be frozen, as SIGSTOP does it, and go on later. Processes are
told apart by the context that their tasks inherit.
"""

# ruff: noqa: SLF001  what asyncio keeps for those who write event loops is underscored

import asyncio
import heapq
import itertools
import random
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar
from unittest import mock

T = TypeVar("T")

EPOCH = 1_790_000_000.0
"""Seconds since 1970 at which every run begins."""
PROCESS: ContextVar[str] = ContextVar("process", default="")
"""The process on whose behalf something runs; "" is everybody else: servers, users, the harness."""


MOST_AT_ONCE = 50_000
"""Steps of tasks at one instant: beyond them somebody runs in circles."""


MOST_ROUNDS_AT_END = 1000
TICK = 1e-6
"""Seconds that a round of steps takes: whoever waits for less than a float can tell must not wait for ever."""


class DeadlockError(Exception):
    """Everybody waits for somebody else, and no time is set; or time stands still, since somebody never waits."""


class VirtualTask(asyncio.Task[T]):
    """A task that knows its process. Sets of tasks are walked in the order in which they were made, in every run."""

    def __init__(
        self,
        number: int,
        work: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        context: Context | None,
        **options: Any,
    ) -> None:
        self._number = number
        self.process = process_in(context)
        super().__init__(work, context=context, **options)

    def __hash__(self) -> int:
        return self._number


class _Step:
    """Something to run, at once or at `when`: what asyncio calls a handle, as far as anybody asks for it."""

    __slots__ = ("_when", "args", "callback", "context")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Context | None, when: float = 0.0) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self._when = when

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when


def process_in(context: Context | None) -> str:
    """The process of `context`, or of who calls."""
    return PROCESS.get() if context is None else context.get(PROCESS, "")


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs tasks and timers, and nothing else: no sockets, threads, signals or processes.

    `unhandled` holds what nobody caught.
    """

    def __init__(self) -> None:
        self.unhandled: list[str] = []
        self._now = 0.0
        self._ready: deque[_Step] = deque()
        self._timers: list[tuple[float, int, _Step]] = []
        self._order, self._tasks = itertools.count(), itertools.count()
        self._frozen: dict[str, list[_Step]] = {}
        self._at_once = 0

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def wall_time(self) -> float:
        return EPOCH + self._now

    def wall_time_ns(self) -> int:
        """Never twice the same: names are made of it."""
        return int(self.wall_time() * 1e9) + next(self._order)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> asyncio.Task[Any]:
        return VirtualTask(next(self._tasks), coro, loop=self, name=name, context=context)

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> _Step:  # type: ignore[override]  # a handle for all that asyncio does with one
        step = _Step(callback, args, context)
        if self._frozen:
            self._put(step)
        else:
            self._ready.append(step)
        return step

    def call_later(  # type: ignore[override]  # as above
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Step:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]  # as above
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> _Step:
        step = _Step(callback, args, context, when)
        heapq.heappush(self._timers, (when, next(self._order), step))
        return step

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")

    def run_until_complete(self, future: Any) -> Any:
        """Run until `future` is done; its result. Raises DeadlockError."""
        main = asyncio.ensure_future(future, loop=self)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._finish)
        asyncio._set_running_loop(self)
        try:
            while not main.done():
                self._step()
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
        return main.result()

    def _finish(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Nobody has this generator any more: let it clean up."""
        self.create_task(generator.aclose())

    def close(self) -> None:
        """Cancel what still runs, and see it end as far as it does."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        asyncio._set_running_loop(self)
        try:
            for _ in range(MOST_ROUNDS_AT_END):
                if self._ready:
                    self._step()
        finally:
            asyncio._set_running_loop(None)

    def _step(self) -> None:
        if not self._ready:
            self._jump()
            self._at_once = 0
        self._at_once += len(self._ready)
        self._now += TICK
        if self._at_once > MOST_AT_ONCE:
            self._at_once = 0
            raise DeadlockError(f"at {self._now:.3f} s time stands still: {sorted(map(repr, self._ready))}")
        take = self._ready.popleft
        for _ in range(len(self._ready)):
            step = take()
            if step.callback is not None:
                try:
                    step.context.run(step.callback, *step.args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.unhandled.append(f"exception in a callback: {error!r}")

    def _jump(self) -> None:
        """Time passes until the next timer."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        if not timers:
            raise DeadlockError(f"at {self._now:.3f} s everybody waits, and nobody for a time")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            step = heapq.heappop(timers)[2]
            if step.callback is not None:
                self._put(step)

    def _put(self, step: _Step) -> None:
        parked = self._frozen.get(process_in(step.context)) if self._frozen else None
        (self._ready if parked is None else parked).append(step)

    # Processes

    def freeze(self, process: str) -> None:
        """Nothing of `process` goes on until `thaw`, as if it had got SIGSTOP. Its clocks go on."""
        self._frozen[process] = [step for step in self._ready if process_in(step.context) == process]
        for step in self._frozen[process]:
            self._ready.remove(step)

    def thaw(self, process: str) -> None:
        self._ready.extend(self._frozen.pop(process, ()))

    def tasks_of(self, process: str) -> list[asyncio.Task[Any]]:
        """The tasks of `process` that haven't ended."""
        return [t for t in asyncio.all_tasks(self) if isinstance(t, VirtualTask) and t.process == process]


@contextmanager
def virtual_time(seed: int) -> Iterator[VirtualLoop]:
    """A loop, and while the context lasts the clocks of module `time` are its clock, and chance is that of `seed`."""
    loop = VirtualLoop()  # type: ignore[abstract]  # all that a loop could do besides is never asked for
    before = random.getstate()
    random.seed(seed)
    try:
        with (
            mock.patch.object(time, "monotonic", loop.time),
            mock.patch.object(time, "perf_counter", loop.time),
            mock.patch.object(time, "time", loop.wall_time),
            mock.patch.object(time, "time_ns", loop.wall_time_ns),
        ):
            yield loop
            loop.close()
    finally:
        random.setstate(before)
