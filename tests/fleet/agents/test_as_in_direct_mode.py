"""What holds for clusters that the hub reaches itself holds for those that it reaches by a tunnel: the same tests.

These are some; ATOLL_TEST_MODE=tunnel or pull runs all of `tests/fleet/hub` that way.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from atoll.fleet.leave import leave
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import start_all
from tests.fleet.hub.test_an_application_reaches_its_clusters import (
    test_changes_reach_the_members_and_nothing_else_is_touched,
    test_images_env_and_replicas_differ_per_cluster,
    test_orphaned_objects_stay_unmarked,
)
from tests.fleet.hub.test_members_may_refuse import (
    test_an_admission_that_denies_is_quoted_and_the_others_go,
    test_of_two_applications_the_first_has_the_object_and_the_second_is_told,
)
from tests.fleet.hub.world import HubProcess, World

__all__ = [
    "test_an_admission_that_denies_is_quoted_and_the_others_go",
    "test_changes_reach_the_members_and_nothing_else_is_touched",
    "test_images_env_and_replicas_differ_per_cluster",
    "test_of_two_applications_the_first_has_the_object_and_the_second_is_told",
    "test_orphaned_objects_stay_unmarked",
]


@pytest.fixture(scope="module")
def tunnelled(fleet: Fleet, hub: HubProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub with an agent of each member; afterwards they have left."""
    agents = start_all(fleet, tmp_path_factory.mktemp("agents"))
    try:
        yield hub
        asyncio.run(_leave(fleet))
    finally:
        for agent in agents:
            agent.stop()


async def _leave(fleet: Fleet) -> None:
    async with fleet.client("hub") as client:
        await asyncio.gather(*(leave(client, name, timeout=30) for name in fleet.members))


@pytest.fixture
async def world(tunnelled: HubProcess, fleet: Fleet, namespace: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        world = World(tunnelled, fleet, clients, namespace)
        await world.open()
        try:
            yield world
        finally:
            await world.close()
