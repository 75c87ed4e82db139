"""A member that says no for a while, or nothing at all: few requests, the others go on, then all is as it should be."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.connect import read_secret
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import CLUSTERS, SECRETS
from atoll.testing.faultproxy import Answer, FaultProxy, Stall, to
from tests.fleet.hub.agents import AgentProcess
from tests.fleet.hub.world import CONFIGMAPS, World, condition_of, configmap


@asynccontextmanager
async def proxied(world: World, member: str) -> AsyncIterator[FaultProxy]:
    """The hub, or the agent where there is one, reaches the member through a proxy in between."""
    agent = world.process.agents.get(member)
    async with agent_through(agent) if agent is not None else hub_through(world, member) as proxy:
        await world.eventually(lambda: proxy.asked("GET", "/namespaces/kube-system$"), 20)
        await reachable(world, member)
        yield proxy
    await reachable(world, member)


@asynccontextmanager
async def hub_through(world: World, member: str) -> AsyncIterator[FaultProxy]:
    secret = await world.hub.get(SECRETS, member, SYSTEM_NAMESPACE)
    config, _ = read_secret(secret)

    async def use(kubeconfig: bytes) -> None:
        data = {"data": {"kubeconfig": base64.b64encode(kubeconfig).decode()}}
        await world.hub.patch(SECRETS, member, SYSTEM_NAMESPACE, data)

    async with FaultProxy(config) as proxy:
        await use(proxy.config.to_kubeconfig(member))
        try:
            yield proxy
        finally:
            await use(config.to_kubeconfig(member))
            await world.eventually(lambda: not proxy.under_way, 20)  # nobody comes this way any more


@asynccontextmanager
async def agent_through(agent: AgentProcess) -> AsyncIterator[FaultProxy]:
    own = agent.kubeconfig
    async with FaultProxy(load_kubeconfig(own, agent.name)) as proxy:
        agent.stop()
        agent.kubeconfig = agent.folder / "proxied"
        agent.kubeconfig.write_bytes(proxy.config.to_kubeconfig(agent.name))
        agent.again()
        try:
            yield proxy
        finally:
            agent.stop()
            agent.kubeconfig = own
            agent.again()


async def reachable(world: World, member: str) -> None:
    async def check() -> bool:
        status = (await world.hub.get(CLUSTERS, member)).body().get("status") or {}
        return condition_of(status, "Reachable").get("status") == "True"

    await world.eventually(check, 30)


async def test_429_for_a_while_is_no_hot_loop(world: World) -> None:
    first, second, third = world.members
    seconds = 15.0
    async with proxied(world, first) as proxy:
        await world.deploy("app", [configmap("zero", v="1")])
        await world.ready("app")
        overload = proxy.on(to(), Answer(429, "too many requests, please try again later", retry_after=1))
        began = time.monotonic()
        manifests = [configmap(f"c{i}", v="1") for i in range(20)]
        await world.patch("app", {"manifests": manifests})
        for member in (second, third):
            await world.row_becomes("app", member, state="Applied", health="Healthy")
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        asked = proxy.asked(since=began)
        writes = [e for e in asked if e.method != "GET"]
        assert writes, "it goes on trying"
        assert len(writes) <= 2 * seconds, f"{len(writes)} writes in {seconds} s"
        assert len(asked) <= 4 * seconds, f"{len(asked)} requests in {seconds} s"
        row = await world.row("app", first)
        assert row["state"] == "Applying", row
        await reachable(world, first)  # who says 429 is there
        overload.end()
        ended = time.monotonic()
        await world.ready("app", 60)
        assert time.monotonic() - ended < 45
        assert await world.find(first, CONFIGMAPS, "c19")
        settled = time.monotonic()
        await asyncio.sleep(2)
        assert not [e for e in proxy.asked(since=settled) if e.method != "GET"], "needless writes"


async def test_watches_that_stand_still_and_connections_that_break_lose_nothing(world: World) -> None:
    first = world.members[0]
    async with proxied(world, first) as proxy:
        await world.deploy("app", [configmap("one", v="1")], [first])
        await world.ready("app")
        stall = proxy.on(to(watch=True), Stall())
        await world.clients[first].delete(CONFIGMAPS, "one", world.namespace)  # unseen
        proxy.cut(to(watch=True))
        stall.end()

        async def back() -> bool:
            return await world.find(first, CONFIGMAPS, "one") is not None

        await world.eventually(back, 20)
        await world.ready("app")


async def test_a_black_hole_is_noticed_and_left_without_a_trace(world: World) -> None:
    first, second, _ = world.members
    async with proxied(world, first) as proxy:
        await world.deploy("app", [configmap("one", v="1")], [first, second])
        await world.ready("app")
        hole = proxy.blackhole()
        began = time.monotonic()
        await world.row_becomes("app", first, 20, state="Unreachable")
        assert time.monotonic() - began < 20
        await world.patch("app", {"manifests": [configmap("one", v="2")]})
        await world.row_becomes("app", second, state="Applied", health="Healthy")
        hole.end()
        await world.ready("app", 40)
        found = await world.find(first, CONFIGMAPS, "one")
        assert found is not None
        assert found["data"] == {"v": "2"}
