"""A fleet of its own, whose parts are killed and stopped: two members, with audit logs.

$ATOLL_FAULTS_FLEET is the folder of one that runs already and may be torn at.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from atoll.fleet.identity import HubIdentity, hub_identity
from atoll.testing.localfleet import FleetShape
from tests.fleet.conftest import Fleet, fleet_of
from tests.fleet.faults.hubs import FaultyHub, Trial, Zygote
from tests.fleet.hub.world import prepare

SHAPE = FleetShape(members=2, nodes=1, audit=True)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(SHAPE, "faults", tmp_path_factory) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def me(fleet: Fleet) -> HubIdentity:
    """The hub's identity; with it, all members are joined."""

    async def identity() -> HubIdentity:
        await prepare(fleet)
        async with fleet.client("hub") as hub:
            return await hub_identity(hub)

    return anyio.run(identity)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    try:
        yield zygote
    finally:
        zygote.close()


@pytest.fixture
def machine(zygote: Zygote, fleet: Fleet, me: HubIdentity, tmp_path: Path) -> Iterator[FaultyHub]:
    """A hub that isn't running yet."""
    hub = FaultyHub(zygote, fleet, tmp_path)
    try:
        yield hub
    finally:
        hub.stop()


@pytest.fixture
async def trial(machine: FaultyHub, fleet: Fleet, me: HubIdentity, namespace: str) -> AsyncIterator[Trial]:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        trial = Trial(machine, fleet, clients, namespace, me)
        await trial.open()
        try:
            yield trial
        finally:
            if not machine.alive:
                machine.start()
            await trial.close()
