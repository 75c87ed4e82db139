"""An agent may be a version older or newer than its hub: they speak what both know, or say who is to be updated."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from atoll.hub.pulled import conversation
from atoll.kube.client import Client
from atoll.kube.resources import NAMESPACES
from atoll.pull.protocol import SPOKEN, Versions
from atoll.testing.fakeapi import FakeApi
from atoll.testing.pulledfleet import AgentSide, HubSide, install, register
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap

NOW = SPOKEN.newest
OLDER = Versions(max(1, NOW - 1), max(1, NOW - 1))
NEWER = Versions(NOW, NOW + 1)


@pytest.fixture
async def world(apis: dict[str, FakeApi]) -> AsyncIterator[Pulled]:
    """A hub; no agent yet."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(api.config)) for name, api in apis.items()}
        await install(clients["hub"])
        await clients["hub"].create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        side = HubSide(await stack.enter_async_context(Client(apis["hub"].config)))
        world = Pulled(side, {}, clients)
        await register(clients["hub"], "a")
        await side.start()
        try:
            yield world
        finally:
            for agent in world.agents.values():
                await agent.stop()
            await side.stop()


@pytest.mark.parametrize("spoken", [OLDER, SPOKEN, NEWER], ids=["n-1", "n", "n+1"])
async def test_a_neighbour_works(world: Pulled, apis: dict[str, FakeApi], spoken: Versions) -> None:
    world.agents["a"] = AgentSide("a", apis["a"].config, world.side, spoken)
    world.agents["a"].start()
    await world.deploy("app", configmap("one", v="1"))
    await world.ready("app")


async def test_one_that_is_too_new_is_told_who_is_to_be_updated(world: Pulled, apis: dict[str, FakeApi]) -> None:
    world.agents["a"] = AgentSide("a", apis["a"].config, world.side, Versions(NOW + 1, NOW + 2))
    world.agents["a"].start()
    await eventually(lambda: any("update the older one" in why for why in world.agents["a"].ends))


async def test_a_hub_that_is_newer_speaks_the_agents_version(
    world: Pulled, apis: dict[str, FakeApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SPOKEN", NEWER)
    world.agents["a"] = AgentSide("a", apis["a"].config, world.side, SPOKEN)
    world.agents["a"].start()
    await world.deploy("app", configmap("one", v="1"))
    await world.ready("app")
