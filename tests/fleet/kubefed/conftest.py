"""A fleet of its own: a host that is a member too, one more member, both joined as KubeFed joins them, and a spare one.

$ATOLL_KUBEFED_FLEET is the folder of one that runs already.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess
from tests.fleet.kubefed.world import CONTROL_PLANE, FederatedWorld, furnish

SHAPE = FleetShape(members=2, nodes=1, host="shared")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    given = os.environ.get("ATOLL_KUBEFED_FLEET")
    local = LocalFleet(Path(given) if given else tmp_path_factory.mktemp("kubefed"), Binaries(Lines()).find, Lines())
    try:
        local.up(SHAPE)
        yield Fleet(local)
    finally:
        if not given:
            local.down(purge=True)


@pytest.fixture(scope="session")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    asyncio.run(furnish(fleet))
    process = HubProcess(fleet.kubeconfig, tmp_path_factory.mktemp("hub") / "hub.log")
    process.start("--kubefed", CONTROL_PLANE)
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
async def world(hub: HubProcess, fleet: Fleet, namespace: str) -> AsyncIterator[FederatedWorld]:
    """The one federated namespace on the host and the member, which all tests share, and a name for each's objects."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        world = FederatedWorld(hub, clients, name=namespace)
        await world.open()
        try:
            yield world
        finally:
            await world.close()
