"""Leader election on a real API server."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import LEASES, NAMESPACES
from atoll.runtime.lease import LeaderElection
from atoll.testing.faultproxy import FaultProxy, Rule
from tests.fleet.conftest import Fleet


class Candidate:
    """One process's view: its own connection, which can be cut off."""

    def __init__(self, name: str, namespace: str, proxy: FaultProxy, client: Client) -> None:
        self.name, self.proxy = name, proxy
        self.leading = False
        self.led = 0
        self.election = LeaderElection(client, "hub", namespace, name, duration=3, renew=2, retry=0.2)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.election.run(self.lead))

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait([self.task])

    async def lead(self) -> None:
        self.leading, self.led = True, self.led + 1
        try:
            await asyncio.sleep(3600)
        finally:
            self.leading = False

    def cut_off(self) -> Rule:
        return self.proxy.blackhole()


class Pair:
    def __init__(self, namespace: str, writer: Client, one: Candidate, two: Candidate) -> None:
        self.namespace, self.writer, self.one, self.two = namespace, writer, one, two

    async def holder(self) -> str:
        spec = (await self.writer.get(LEASES, "hub", self.namespace)).body()["spec"]
        return str(spec.get("holderIdentity") or "")

    async def wait(self, one: bool, two: bool, seconds: float = 10) -> float:
        """Until exactly these lead; both together never do. The seconds it took."""
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(seconds):
            while (self.one.leading, self.two.leading) != (one, two):
                assert not (self.one.leading and self.two.leading)
                await asyncio.sleep(0.01)
        return asyncio.get_running_loop().time() - began


@pytest.fixture
async def pair(fleet: Fleet, namespace: str) -> AsyncIterator[Pair]:
    config = load_kubeconfig(fleet.kubeconfig, "hub")
    async with (
        fleet.client("hub") as writer,
        FaultProxy(config) as first,
        FaultProxy(config) as second,
        Client(first.config) as one,
        Client(second.config) as two,
    ):
        await writer.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        pair = Pair(
            namespace, writer, Candidate("one", namespace, first, one), Candidate("two", namespace, second, two)
        )
        yield pair
        await writer.delete(NAMESPACES, namespace)


async def test_one_leads_the_other_waits_and_follows_at_once_on_release(pair: Pair) -> None:
    pair.one.start()
    await pair.wait(one=True, two=False)
    pair.two.start()
    await asyncio.sleep(4)  # longer than the lease lasts: it is renewed
    assert (pair.one.leading, pair.two.leading) == (True, False)
    assert await pair.holder() == "one"
    await pair.one.stop()
    assert await pair.wait(one=False, two=True) < 1.5
    assert await pair.holder() == "two"
    await pair.two.stop()
    assert await pair.holder() == ""


async def test_who_is_cut_off_stops_before_the_other_begins(pair: Pair) -> None:
    pair.one.start()
    await pair.wait(one=True, two=False)
    pair.two.start()
    await asyncio.sleep(0.5)
    hole = pair.one.cut_off()
    stopped = await pair.wait(one=False, two=False)
    assert stopped <= 2.5
    await pair.wait(one=False, two=True)
    hole.end()
    await asyncio.sleep(1)
    assert (pair.one.leading, pair.two.leading) == (False, True)
    await pair.two.stop()
    await pair.wait(one=True, two=False)
    assert pair.one.led == 2
    await pair.one.stop()
