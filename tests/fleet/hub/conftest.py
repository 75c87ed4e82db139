"""A real hub process on the real fleet, with all members joined; one for all tests of this folder.

ATOLL_TEST_MODE=tunnel or pull reaches them through agents instead, for the same tests.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import MODE, start_all
from tests.fleet.hub.world import HubProcess, World, prepare


@pytest.fixture(scope="session")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    asyncio.run(prepare(fleet, joined=MODE == "direct"))
    folder = tmp_path_factory.mktemp("hub")
    process = HubProcess(fleet.kubeconfig, folder / "hub.log")
    process.start()
    agents = start_all(fleet, folder) if MODE != "direct" else []
    try:
        yield process
    finally:
        for agent in agents:
            agent.stop()
        process.stop()


@pytest.fixture
async def world(hub: HubProcess, fleet: Fleet, namespace: str) -> AsyncIterator[World]:
    """A fresh namespace on the hub, clients of all clusters; afterwards nothing of it is left."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        world = World(hub, fleet, clients, namespace)
        await world.open()
        try:
            yield world
        finally:
            await world.close()
