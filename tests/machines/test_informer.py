"""The informer against a server that loses connections, delays, refuses, compacts and repeats itself.

In the end the copy is what the server has. On the way each object's changes are told in the order in which they
happened, none twice, each starting from what was told before.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from structlog.testing import capture_logs

from atoll.kube.client import Client
from atoll.kube.objects import Object, of_body
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.changes import Change
from atoll.runtime.informer import Informer
from atoll.runtime.ratelimit import Backoff
from atoll.testing.fakeapi import (
    BreakWatch,
    Delay,
    EndWatch,
    FakeApi,
    FakeCluster,
    Fault,
    Faults,
    Gone,
    HangWatch,
    Refuse,
    Repeat,
    Reset,
    Rule,
    SlowBody,
)
from tests.machines.effort import effort

NAMES = st.sampled_from("abc")
APPS = st.sampled_from(["ours", "theirs"])
EVENTS = st.integers(0, 3)
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Delay, st.floats(0, 0.005)),
    st.builds(Refuse, st.sampled_from([429, 500, 503]), st.just("Refused")),
    st.builds(Reset),
    st.builds(SlowBody, st.integers(50, 500), st.just(0.0005), st.booleans()),
    st.builds(BreakWatch, EVENTS, st.booleans()),
    st.builds(EndWatch, EVENTS),
    st.builds(HangWatch, EVENTS),
    st.builds(Gone, st.booleans(), EVENTS),
    st.builds(Repeat, st.integers(1, 9)),
)
State = str | None
"""What the informer may see of an object: the number of its write, or that it isn't there, or not selected."""


class InformerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.logs = capture_logs()
        self.logs.__enter__()
        self.writes = 0
        self.happened: dict[str, list[State]] = defaultdict(lambda: [None])
        self.told: dict[str, list[State]] = defaultdict(lambda: [None])
        self.mistakes: list[str] = []
        self.answers: list[Object] = []

    @initialize(seed=st.integers(0, 1000), selected=st.booleans(), page=st.sampled_from([1, 2, 500]))
    def begin(self, seed: int, page: int, *, selected: bool) -> None:
        self.selected = selected
        self.cluster = FakeCluster(seed)
        found = self.cluster.kinds.of(CONFIGMAPS.group_kind)
        assert found is not None
        self.kind = found
        self.api = FakeApi(self.cluster, Faults(seed), bookmark_every=0.01)
        self.loop.run_until_complete(self.start(page))

    async def start(self, page: int) -> None:
        await self.api.__aenter__()
        self.client = await Client(self.api.config).__aenter__()
        self.informer: Informer[str] = Informer(
            self.client,
            CONFIGMAPS,
            labels="app=ours" if self.selected else "",
            transform=lambda o: str(o.body()["data"]["x"]),
            page=page,
            idle=0.1,
            backoff=Backoff(0.001, 0.01),
        )
        self.informer.subscribe(self.hear)
        self.task = asyncio.create_task(self.informer.run())

    def hear(self, change: Change[str]) -> None:
        """Each change goes on from the one before."""
        told = self.told[change.id.name]
        if change.old != told[-1]:
            self.mistakes.append(f"{change}: told from {change.old}, but {told[-1]} was told before")
        if change.old == change.new:
            self.mistakes.append(f"{change}: changes nothing")
        if self.informer.get(change.id) != change.new:
            self.mistakes.append(f"{change}: the copy says {self.informer.get(change.id)}")
        told.append(change.new)

    # What others do

    @rule(name=NAMES, app=APPS)
    def put(self, name: str, app: str) -> None:
        self.writes += 1
        body: dict[str, Any] = {
            "metadata": {"name": name, "labels": {"app": app}},
            "data": {"x": str(self.writes)},
        }
        self.cluster.apply(self.kind, "default", name, body, manager="test")
        self.happened[name].append(str(self.writes) if app == "ours" or not self.selected else None)

    @rule(name=NAMES, at_once=st.booleans())
    def write(self, name: str, *, at_once: bool) -> None:
        """A write of our own: its answer comes now or later, before or after the watch tells it."""
        self.put(name, "ours")
        answer = of_body(self.cluster.get(self.kind, "default", name))
        if at_once:
            self.informer.saw(answer)
        else:
            self.answers.append(answer)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def an_answer_comes(self, data: st.DataObject) -> None:
        self.informer.saw(self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1))))

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if self.cluster.store.get(self.kind.group_kind, ("default", name)) is not None:
            self.cluster.delete(self.kind, "default", name)
            self.happened[name].append(None)

    @rule()
    def other_kinds_move_the_revision(self) -> None:
        found = self.cluster.kinds.find("", "v1", "secrets")
        assert found is not None
        body: dict[str, Any] = {"metadata": {"generateName": "s"}}
        self.cluster.create(found, "default", body)

    # What goes wrong

    @rule(fault=FAULTS, times=st.integers(1, 3))
    def something_goes_wrong(self, fault: Fault, times: int) -> None:
        self.api.faults.rules.append(Rule(fault, times=times))

    @rule()
    def compact(self) -> None:
        self.cluster.store.compact()

    @rule()
    def break_connections(self) -> None:
        self.api.break_connections()

    # Time

    @rule(milliseconds=st.sampled_from([0, 1, 5, 20]))
    def time_goes_by(self, milliseconds: int) -> None:
        self.loop.run_until_complete(asyncio.sleep(milliseconds / 1000))
        self.check()

    @rule()
    def it_watches(self) -> None:
        """So that what goes wrong next has something to go wrong with."""
        self.loop.run_until_complete(self.wait_briefly(lambda: self.api.watching > 0))
        self.check()

    @rule()
    def it_catches_up_in_spite_of_it_all(self) -> None:
        self.loop.run_until_complete(self.wait_briefly(lambda: self.copy() == self.truth()))
        self.check()

    async def wait_briefly(self, condition: Callable[[], bool]) -> None:
        ends = self.loop.time() + 0.1
        while not condition() and self.loop.time() < ends:  # noqa: ASYNC110  any condition can be waited for
            await asyncio.sleep(0.001)

    def check(self) -> None:
        assert not self.mistakes
        assert not self.task.done()

    @rule()
    def it_catches_up(self) -> None:
        self.api.faults.heal()
        self.loop.run_until_complete(self.catch_up())

    async def catch_up(self) -> None:
        async with asyncio.timeout(20):
            while self.copy() != self.truth() or not self.informer.synced:  # noqa: ASYNC110  it is the server we wait for
                await asyncio.sleep(0.001)

    def copy(self) -> dict[str, str]:
        return {identity.name: x for identity, x in self.informer.items()}

    def truth(self) -> dict[str, str]:
        return {name: states[-1] for name, states in self.happened.items() if states[-1] is not None}

    def teardown(self) -> None:
        if hasattr(self, "task"):
            self.loop.run_until_complete(self.end())
        self.logs.__exit__(None, None, None)
        self.loop.close()

    async def end(self) -> None:
        try:
            self.api.faults.heal()
            await self.catch_up()
            assert not self.mistakes
            for name, told in self.told.items():
                assert is_in_order(told, self.happened[name]), (name, told, self.happened[name])
        finally:
            self.task.cancel()
            await asyncio.wait([self.task])
            await self.client.__aexit__(None, None, None)
            await self.api.__aexit__(None, None, None)


def is_in_order(told: list[State], happened: list[State]) -> bool:
    """Whether `told` are states of `happened`, in its order; some may be passed over."""
    rest = iter(happened)
    return all(any(state == found for found in rest) for state in told)


TestInformer = InformerMachine.TestCase
TestInformer.settings = effort(60, steps=40)


def test_the_check_itself_finds_what_is_out_of_order() -> None:
    assert is_in_order([None, "1", None, "3"], [None, "1", "2", None, "3"])
    assert not is_in_order([None, "2", "1"], [None, "1", "2"])
    assert not is_in_order([None, "1", "1"], [None, "1", "2"])
