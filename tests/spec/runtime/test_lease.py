"""One of several candidates leads."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.kube.client import Client
from atoll.kube.resources import LEASES
from atoll.runtime.lease import LeaderElection
from atoll.runtime.locks import LEASE
from atoll.testing.fakeapi import FakeApi, Refuse, Reset, Rule, SlowBody
from tests.spec.runtime.conftest import until

TIMES = {"duration": 0.6, "renew": 0.4, "retry": 0.05}


class Candidates:
    """Who leads now, and who led in which order."""

    def __init__(self, api: FakeApi, client: Client) -> None:
        self.api, self.client = api, client
        self.leading: set[str] = set()
        self.led: list[str] = []
        self.most = 0

    def candidate(self, name: str, **times: float) -> LeaderElection:
        return LeaderElection(self.client, "hub", "default", name, lock=LEASE, **{**TIMES, **times})

    async def lead(self, name: str) -> None:
        self.leading.add(name)
        self.led.append(name)
        self.most = max(self.most, len(self.leading))
        try:
            await asyncio.sleep(60)
        finally:
            self.leading.discard(name)

    def start(self, name: str, **times: float) -> asyncio.Task[None]:
        return asyncio.create_task(self.candidate(name, **times).run(lambda: self.lead(name)))

    async def spec(self) -> Any:
        return (await self.client.get(LEASES, "hub", "default")).body()["spec"]


@pytest.fixture
async def candidates() -> AsyncIterator[Candidates]:
    async with FakeApi() as api, Client(api.config) as client:
        yield Candidates(api, client)


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_one_leads_and_renews(candidates: Candidates) -> None:
    tasks = [candidates.start(name) for name in ("a", "b", "c")]
    await until(lambda: len(candidates.leading) == 1)
    first = await candidates.spec()
    await asyncio.sleep(0.9)
    later = await candidates.spec()
    assert candidates.most == 1
    assert len(candidates.led) == 1
    assert later["holderIdentity"] == candidates.led[0]
    assert later["renewTime"] > first["renewTime"]
    assert later["acquireTime"] == first["acquireTime"]
    await stop(*tasks)


async def test_who_leaves_releases_and_the_next_one_leads_at_once(candidates: Candidates) -> None:
    first = candidates.start("a", duration=30, renew=20)
    await until(lambda: candidates.leading == {"a"})
    second = candidates.start("b")
    await asyncio.sleep(0.1)
    await stop(first)
    assert (await candidates.spec())["holderIdentity"] in {"", "b"}
    await until(lambda: candidates.leading == {"b"}, 1)
    spec = await candidates.spec()
    assert spec["leaseTransitions"] == 1
    await stop(second)


async def test_who_dies_is_followed_when_the_lease_has_run_out(candidates: Candidates) -> None:
    dead = candidates.candidate("dead")
    assert await dead._try(1)
    began = asyncio.get_running_loop().time()
    next_one = candidates.start("b")
    await until(lambda: candidates.leading == {"b"})
    waited = asyncio.get_running_loop().time() - began
    assert waited >= 1.0  # the API knows whole seconds only: 0.6 s are told as 1 s
    await stop(next_one)


async def test_errors_are_survived_while_there_is_time_to_renew(candidates: Candidates) -> None:
    task = candidates.start("a")
    await until(lambda: candidates.leading == {"a"})
    candidates.api.faults.rules += [
        Rule(Refuse(500, "InternalError"), verb="update", times=2),
        Rule(Reset(after=True), verb="update", times=1),  # it took effect, and we don't know
        Rule(Reset(), times=1),
    ]
    await asyncio.sleep(0.5)
    assert candidates.led == ["a"]
    assert candidates.leading == {"a"}
    assert [rule.times for rule in candidates.api.faults.rules] == [0, 0, 0]
    await stop(task)


async def test_who_cannot_renew_in_time_stops_leading_before_another_may_begin(candidates: Candidates) -> None:
    task = candidates.start("a")
    await until(lambda: candidates.leading == {"a"})
    candidates.api.faults.rules.append(Rule(Refuse(503, "ServiceUnavailable")))
    began = asyncio.get_running_loop().time()
    await until(lambda: not candidates.leading)
    assert asyncio.get_running_loop().time() - began <= TIMES["duration"]
    candidates.api.faults.heal()
    await until(lambda: candidates.leading == {"a"})
    assert candidates.led == ["a", "a"]
    await stop(task)


async def test_a_server_that_hangs_is_no_answer(candidates: Candidates) -> None:
    task = candidates.start("a")
    await until(lambda: candidates.leading == {"a"})
    candidates.api.faults.rules.append(Rule(SlowBody(size=1, pause=60)))
    began = asyncio.get_running_loop().time()
    await until(lambda: not candidates.leading)
    assert asyncio.get_running_loop().time() - began <= TIMES["duration"]
    await stop(task)


async def test_a_lease_that_somebody_took_by_hand_is_lost_at_once(candidates: Candidates) -> None:
    task = candidates.start("a")
    await until(lambda: candidates.leading == {"a"})
    patch = {"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 60}}
    await candidates.client.patch(LEASES, "hub", "default", patch)
    await until(lambda: not candidates.leading, 0.3)
    await stop(task)
    assert (await candidates.spec())["holderIdentity"] == "thief"


async def test_a_deleted_lease_is_made_again(candidates: Candidates) -> None:
    task = candidates.start("a")
    await until(lambda: candidates.leading == {"a"})
    await candidates.client.delete(LEASES, "hub", "default")
    await asyncio.sleep(0.2)
    assert (await candidates.spec())["holderIdentity"] == "a"
    assert candidates.led == ["a"]
    await stop(task)


async def test_what_leading_returns_or_raises_ends_the_election(candidates: Candidates) -> None:
    async def fail() -> None:
        raise ValueError("cannot lead")

    with pytest.raises(ValueError, match="cannot lead"):
        await candidates.candidate("a").run(fail)
    assert (await candidates.spec())["holderIdentity"] == ""

    async def nothing() -> None:
        return

    await candidates.candidate("b").run(nothing)
    assert not candidates.leading


def test_times_must_leave_room_for_each_other() -> None:
    with pytest.raises(ValueError, match="retry must be less"):
        LeaderElection(None, "n", "ns", "me", duration=1, renew=2, retry=1)  # type: ignore[arg-type]
