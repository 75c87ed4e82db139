"""A fleet of its own, whose parts are killed and stopped: two members, with audit logs.

$ATOLL_FAULTS_FLEET is the folder of one that runs already and may be torn at. ATOLL_TEST_MODE=tunnel or pull reaches
the members through agents, for the same tests.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import pytest

from atoll.fleet.identity import HubIdentity, hub_identity
from atoll.testing.localfleet import FleetShape
from tests.fleet.conftest import Fleet, fleet_of
from tests.fleet.faults.forked import Zygote
from tests.fleet.faults.hubs import FaultyHub, Trial
from tests.fleet.faults.members import Members
from tests.fleet.hub.agents import MODE
from tests.fleet.hub.world import prepare

SHAPE = FleetShape(members=2, nodes=1, audit=True)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(SHAPE, "faults", tmp_path_factory) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    try:
        yield zygote
    finally:
        zygote.close()


@pytest.fixture(scope="session")
def reached(fleet: Fleet, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """All members are in the fleet, and their agents, where they have any, on their way to whatever hub there is."""
    members = Members(MODE, fleet, zygote, tmp_path_factory.mktemp("agents"))
    anyio.run(partial(prepare, fleet, joined=False))
    hub = FaultyHub(zygote, members, tmp_path_factory.mktemp("first"))
    try:
        if members.agents:
            hub.start()
        anyio.run(members.join)
        hub.stop()
        yield members
    finally:
        hub.stop()
        members.stop()


@pytest.fixture(scope="session")
def me(fleet: Fleet, reached: Members) -> HubIdentity:
    """The hub's identity."""

    async def identity() -> HubIdentity:
        async with fleet.client("hub") as hub:
            return await hub_identity(hub)

    return anyio.run(identity)


@pytest.fixture
def machine(zygote: Zygote, reached: Members, tmp_path: Path) -> Iterator[FaultyHub]:
    """A hub that isn't running yet."""
    hub = FaultyHub(zygote, reached, tmp_path)
    try:
        yield hub
    finally:
        hub.stop()


@pytest.fixture
async def trial(machine: FaultyHub, reached: Members, me: HubIdentity, namespace: str) -> AsyncIterator[Trial]:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(reached.fleet.client(name)) for name in reached.fleet.contexts}
        trial = Trial(machine, reached, clients, namespace, me)
        await trial.open()
        try:
            yield trial
        finally:
            for agent in reached.agents.values():
                if not agent.alive:
                    agent.start()
            if not machine.alive:
                machine.start()
            await trial.close()
