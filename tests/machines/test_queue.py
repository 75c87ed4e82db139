"""The queue against a model: a set of dirty keys, a set of active ones, and the times at which delayed ones are due.

No key is lost, none is worked on twice at once, none comes that nobody added, groups take turns. Time is virtual.
"""

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.runtime.queue import FairQueue, QueueShutDown
from tests.machines.effort import effort

KEYS = st.builds("{}{}".format, st.sampled_from("abc"), st.integers(1, 2))
SECONDS = st.integers(-4, 400).map(lambda quarters: quarters / 4)
FIRST, MOST = 0.5, 30.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is moved by hand."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """Run what can run now."""

        async def turns() -> None:
            for _ in range(6):
                await asyncio.sleep(0)

        self.run_until_complete(turns())


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.dirty: set[str] = set()
        self.active: set[str] = set()
        self.due: dict[str, float] = {}
        self.failures: dict[str, int] = {}
        self.takers: list[asyncio.Task[str]] = []
        self.shut = False
        self.overtaken: dict[str, dict[str, int]] = {}

    @initialize(most_active=st.integers(0, 2))
    def begin(self, most_active: int) -> None:
        self.most_active = most_active

        async def make() -> FairQueue[str]:
            return FairQueue(
                "q", group=lambda k: k[0], most_active=most_active, first=FIRST, most=MOST, draw=lambda: 1.0
            )

        self.queue = self.loop.run_until_complete(make())

    def teardown(self) -> None:
        for taker in self.takers:
            taker.cancel()
        self.loop.settle()
        self.loop.close()

    def do(self, action: Any, *arguments: Any) -> Any:
        """Call `action` inside the loop, then let takers take."""

        async def call() -> Any:
            return action(*arguments)

        result = self.loop.run_until_complete(call())
        self.collect()
        return result

    def collect(self) -> None:
        """What takers got must be theirs to get."""
        self.loop.settle()
        for taker in [taker for taker in self.takers if taker.done()]:
            self.takers.remove(taker)
            if isinstance(taker.exception(), QueueShutDown):
                assert self.shut
                assert not self.dirty
                continue
            key = taker.result()
            assert key in self.dirty, f"{key}: nobody added it, or it was handed out already"
            assert key not in self.active, f"{key}: worked on twice"
            self.dirty.discard(key)
            self.active.add(key)
            self.count_turn(key[0])

    def count_turn(self, group: str) -> None:
        for waiting in self.takable_groups() - {group}:
            turns = self.overtaken.setdefault(waiting, {})
            turns[group] = turns.get(group, 0) + 1
        self.overtaken.pop(group, None)

    def takable_groups(self) -> set[str]:
        groups = {key[0] for key in self.dirty - self.active}
        busy = {g: sum(key[0] == g for key in self.active) for g in groups}
        return {g for g in groups if not self.most_active or busy[g] < self.most_active}

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        if not self.shut:
            self.dirty.add(key)
        self.do(self.queue.add, key)

    @rule(keys=st.lists(KEYS, max_size=8))
    def flood(self, keys: list[str]) -> None:
        for key in keys:
            self.add(key)

    @rule(key=KEYS, seconds=SECONDS)
    def add_after(self, key: str, seconds: float) -> None:
        self.expect_after(key, seconds)
        self.do(self.queue.add_after, key, seconds)

    def expect_after(self, key: str, seconds: float) -> None:
        if self.shut:
            return
        if seconds <= 0:
            self.dirty.add(key)
        else:
            self.due[key] = min(self.due.get(key, float("inf")), self.loop.now + seconds)

    @rule(key=KEYS)
    def fail(self, key: str) -> None:
        failures = self.failures.get(key, 0)
        self.failures[key] = failures + 1
        pause = min(MOST, FIRST * 2**failures)
        self.expect_after(key, pause)
        assert self.do(self.queue.add_rate_limited, key) == pause

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.failures.pop(key, None)
        self.do(self.queue.forget, key)

    @rule()
    def take(self) -> None:
        self.takers.append(self.loop.create_task(self.queue.get()))
        self.collect()

    @precondition(lambda self: self.takers)
    @rule(data=st.data(), key=KEYS, with_add=st.booleans())
    def cancel_a_taker(self, data: Any, key: str, *, with_add: bool) -> None:
        taker = data.draw(st.sampled_from(self.takers))

        def cancel() -> None:
            if with_add:  # the worst moment: it has just been woken
                self.queue.add(key)
            taker.cancel()

        if with_add and not self.shut:
            self.dirty.add(key)
        self.takers.remove(taker)
        self.do(cancel)
        assert taker.cancelled()

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.active)))
        self.active.discard(key)
        self.do(self.queue.done, key)

    @rule(seconds=st.integers(1, 240).map(lambda quarters: quarters / 4))
    def time_goes_by(self, seconds: float) -> None:
        self.loop.now += seconds
        for key, when in list(self.due.items()):
            if when <= self.loop.now:
                del self.due[key]
                self.dirty.add(key)
        self.collect()

    @precondition(lambda self: not self.shut)
    @rule(chance=st.integers(0, 9))
    def shut_down(self, chance: int) -> None:
        if chance:
            return
        self.shut = True
        self.due.clear()
        self.do(self.queue.shutdown)

    @invariant()
    def nobody_waits_while_there_is_work(self) -> None:
        if self.takers:
            assert not self.takable_groups()

    @invariant()
    def groups_take_turns(self) -> None:
        for waiting in list(self.overtaken):
            if waiting not in self.takable_groups():
                del self.overtaken[waiting]
        for waiting, turns in self.overtaken.items():
            assert all(count <= 1 for count in turns.values()), (waiting, turns)

    @invariant()
    def statistics_agree(self) -> None:
        if not hasattr(self, "queue"):
            return
        counts = self.queue.statistics()
        assert (counts.waiting, counts.working, counts.later, counts.failing) == (
            len(self.dirty),
            len(self.active),
            len(self.due),
            len(self.failures),
        )
        assert self.queue._idle.is_set() == (not self.dirty and not self.active)


TestQueue = QueueMachine.TestCase
TestQueue.settings = effort(200)
