"""A real hub process on the real fleet, with all members joined; one for all tests of this folder.

ATOLL_TEST_MODE=tunnel or pull reaches them through agents instead, for the same tests.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import MODE, start_all
from tests.fleet.hub.world import HubProcess, World, prepare


@pytest.fixture(scope="session")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    asyncio.run(prepare(fleet, joined=MODE == "direct"))
    folder = tmp_path_factory.mktemp("hub")
    process = HubProcess(fleet.kubeconfig, folder / "hub.log")
    process.start()
    try:
        if MODE != "direct":
            process.agents = {agent.name: agent for agent in start_all(fleet, folder)}
        yield process
    finally:
        for agent in process.agents.values():
            agent.stop()
        process.stop()


@pytest.fixture
async def world(hub: HubProcess, fleet: Fleet, namespace: str) -> AsyncIterator[World]:
    """A fresh namespace on the hub, clients of all clusters; afterwards nothing of it is left."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        world = World(hub, fleet, clients, namespace)
        await eventually(lambda: all_reached(hub, fleet), 30)  # one that was started anew finds its agents in seconds
        await world.open()
        try:
            yield world
        finally:
            await world.close()


def all_reached(hub: HubProcess, fleet: Fleet) -> bool:
    told = hub.get("/metrics")[1].splitlines()
    return all(f'atoll_cluster_up{{cluster="{member}"}} 1.0' in told for member in fleet.members)
