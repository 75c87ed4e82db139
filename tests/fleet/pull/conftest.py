"""A fleet of its own whose members are all in pull mode: hub and agents in the test's own process, real API servers.

$ATOLL_PULL_FLEET is the folder of one that runs already.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.testing.localfleet import FleetShape
from atoll.testing.pulledfleet import AgentSide, HubSide, install, register
from tests.delivering import eventually
from tests.fleet.conftest import Fleet, fleet_of
from tests.fleet.hub.world import HubProcess, World

SHAPE = FleetShape(members=3, nodes=1)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(SHAPE, "pull", tmp_path_factory) as fleet:
        yield fleet


class PulledWorld(World):
    """One test's namespace, as in any other mode; `side` is the hub, `agents` are those of the members."""

    def __init__(
        self, side: HubSide, agents: dict[str, AgentSide], fleet: Fleet, clients: dict[str, Client], namespace: str
    ) -> None:
        super().__init__(HubProcess(fleet.kubeconfig, fleet.local.folder / "none.log"), fleet, clients, namespace)
        self.side = side
        self.agents = agents

    async def reached(self, member: str, status: str = "True", seconds: float = 20.0) -> None:
        async def check() -> bool:
            found = ((await self.hub.get(CLUSTERS, member)).body().get("status") or {}).get("conditions") or ()
            return any(c["type"] == "Reachable" and c["status"] == status for c in found)

        await self.eventually(check, seconds)

    def no_application(self, name: str) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return name not in {live.name for live in (await self.hub.list(APPLICATIONS, self.namespace)).items}

        return check


@pytest.fixture
async def world(fleet: Fleet, namespace: str) -> AsyncIterator[PulledWorld]:
    """A hub and three agents, started for the test; afterwards nothing of it is left."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        await install(clients["hub"])
        await eventually(lambda: clients["hub"].list(APPLICATIONS), 10)
        side = HubSide(await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, "hub"))))
        agents = {name: AgentSide(name, load_kubeconfig(fleet.kubeconfig, name), side) for name in fleet.members}
        world = PulledWorld(side, agents, fleet, clients, namespace)
        try:
            for name in fleet.members:
                await register(clients["hub"], name)
            await side.start()
            for agent in agents.values():
                agent.start()
            await world.open()
            for name in fleet.members:
                await world.reached(name)
            yield world
            await world.close()
        finally:
            for agent in agents.values():
                await agent.stop()
            await side.stop()
