"""A hub and an agent as processes, a bad network between them, and more wanted than it carries: nothing piles up.

What is lost and doubled on such ways is asked in CI by `spec/pull/test_bad_networks`, and what the link itself holds by
`spec/link/test_bad_networks`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from atoll.agent.state import STATE, State
from atoll.fleet.leave import leave
from atoll.kube.resources import CLUSTERS, CONFIGMAPS
from atoll.testing.badwire import BadWire
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import AgentProcess, registered
from tests.fleet.hub.world import HubProcess, World, condition_of, configmap
from tests.machines.effort import EFFORT
from tests.memory import grows_by_less_than
from tests.networks import TROUBLES, trouble

MEMBER = "member2"
STALLED = 30.0
CHANGES, SIZE = 150, 900_000
"""Contents that are wanted one after the other, and characters of each: 135 MB for hub and agent to be behind with."""
BEFORE = 100
"""Contents before these, over a good network: hub and agent take what such large objects need anywhere."""
MORE = 64 << 20
"""Bytes by which hub and agent may grow beyond that, each."""


@asynccontextmanager
async def dialled_over(wire: BadWire, world: World, agent: AgentProcess, mode: str) -> AsyncIterator[None]:
    """The member is in the fleet, and its agent knows no other way than this one."""
    agent.start(await asyncio.to_thread(registered, world.fleet, MEMBER, mode))
    try:
        await world.eventually(lambda: ready(world), 30)
        agent.stop()
        file = agent.folder / STATE
        state = msgspec.json.decode(file.read_bytes(), type=State)
        way = (f"https://127.0.0.1:{wire.port}",)
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(state, addresses=way, entered="")))
        agent.again()
        await world.eventually(lambda: wire.open, 20)
        yield
    finally:
        await leave(world.hub, MEMBER, timeout=60)
        agent.stop()


async def ready(world: World) -> bool:
    status = (await world.hub.get(CLUSTERS, MEMBER)).body().get("status") or {}
    return condition_of(status, "Ready").get("status") == "True"


@pytest.mark.skipif(EFFORT == 1, reason="ATOLL_EFFORT=2 takes some minutes for it")
@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize("mode", ["tunnel", "pull"])
async def test_what_a_bad_network_does_not_carry_is_held_by_nobody(
    fleet: Fleet, hub: HubProcess, namespace: str, tmp_path: Path, mode: str, kind: str
) -> None:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in ("hub", MEMBER)}
        world, agent = World(hub, fleet, clients, namespace), AgentProcess(fleet, MEMBER, tmp_path)
        await world.open()
        wire = await stack.enter_async_context(BadWire("127.0.0.1", hub.agents_port, seed=1))
        await stack.enter_async_context(dialled_over(wire, world, agent, mode))
        seen: list[str] = []
        for number in range(-BEFORE, 0):
            await wanted(world, str(number))
            await asyncio.sleep(0.05)
        await delivered(world, "0")
        assert hub.process and agent.process
        async with asyncio.TaskGroup() as scope:
            watching = scope.create_task(watch(world, seen))
            for process in (hub.process, agent.process):
                stack.enter_context(grows_by_less_than(MORE, process.pid))
            async with trouble(wire, kind, stalled=STALLED):
                for number in range(1, CHANGES + 1):
                    await wanted(world, str(number))
                    await asyncio.sleep(0.05)
                if kind == "stall":
                    await asyncio.sleep(STALLED)
            await delivered(world, str(CHANGES))
            watching.cancel()
        assert seen == sorted(set(seen), key=int)
        assert seen[-1] == str(CHANGES)
        await world.close()


def wanted(world: World, number: str) -> Awaitable[str]:
    """Much that can't be compressed."""
    return world.deploy("app", [configmap("one", v=number, x=secrets.token_hex(SIZE // 2))], [MEMBER])


async def delivered(world: World, number: str) -> None:
    await wanted(world, number)
    await world.ready("app", 60)


async def watch(world: World, seen: list[str]) -> None:
    client = world.clients[MEMBER]
    since = (await client.get(CONFIGMAPS, "one", world.namespace)).resource_version
    async for event in client.watch(CONFIGMAPS, since, world.namespace, fields="metadata.name=one"):
        if event.type in {"ADDED", "MODIFIED"} and event.object.body()["data"]["v"] not in seen[-1:]:
            seen.append(event.object.body()["data"]["v"])
