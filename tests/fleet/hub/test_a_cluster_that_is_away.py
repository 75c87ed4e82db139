"""One sick cluster touches nobody else, deletion always ends, and what a cluster missed it gets when it is back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.api.names import SYSTEM_NAMESPACE, tombstones
from atoll.kube.resources import CLUSTERS, CONFIGMAPS
from atoll.testing.localfleet import FleetShape
from tests.fleet.hub.world import World, configmap


@asynccontextmanager
async def stopped(world: World, member: str) -> AsyncIterator[None]:
    """The member's API server is killed; afterwards it runs again."""
    world.fleet.local.stop(f"{member}/kube-apiserver", patience=0)
    try:
        await reachable(world, member, "False")
        yield
    finally:
        await asyncio.to_thread(world.fleet.local.up, FleetShape(members=len(world.members)))
        await reachable(world, member, "True")


async def reachable(world: World, member: str, wanted: str) -> None:
    async def check() -> bool:
        status = (await world.hub.get(CLUSTERS, member)).body().get("status") or {}
        return any(c["type"] == "Reachable" and c["status"] == wanted for c in status.get("conditions") or ())

    await world.eventually(check, 60)


async def test_it_is_called_unreachable_and_the_others_go_on(world: World) -> None:
    first, second, third = world.members
    await world.deploy("app", [configmap("one", v="1")])
    await world.ready("app")
    began = time.monotonic()
    async with stopped(world, third):
        row = await world.row_becomes("app", third, state="Unreachable")
        assert time.monotonic() - began < 15
        assert row["since"]
        await world.patch("app", {"manifests": [configmap("one", v="2"), configmap("two", v="2")]})
        for member in (first, second):
            await world.row_becomes("app", member, state="Applied", health="Healthy")
            found = await world.find(member, CONFIGMAPS, "one")
            assert found is not None and found["data"] == {"v": "2"}
    await world.ready("app")
    found = await world.find(third, CONFIGMAPS, "one")
    assert found is not None and found["data"] == {"v": "2"}
    assert await world.find(third, CONFIGMAPS, "two") is not None


async def test_deleting_ends_meanwhile_and_the_rest_is_removed_on_return(world: World) -> None:
    first, _, third = world.members
    uid = await world.deploy("app", [configmap("one", v="1")])
    await world.ready("app")
    async with stopped(world, third):
        await world.delete("app")
        await world.eventually(world.no_applications)
        assert await world.find(first, CONFIGMAPS, "one") is None
        stones = (await world.hub.get(CONFIGMAPS, tombstones(third), SYSTEM_NAMESPACE)).body()["data"]
        assert uid in stones
    await world.gone(third, CONFIGMAPS, "one")

    async def lifted() -> bool:
        data = (await world.hub.get(CONFIGMAPS, tombstones(third), SYSTEM_NAMESPACE)).body().get("data") or {}
        return uid not in data

    await world.eventually(lifted)


async def test_a_cluster_left_while_away_is_cleaned_when_it_is_back(world: World) -> None:
    first, _, third = world.members
    await world.deploy("app", [configmap("one", v="1")], [first, third])
    await world.ready("app")
    async with stopped(world, third):
        await world.patch("app", {"placement": {"clusters": [first]}})
        world.process.kill()  # what it remembered of the removal is lost
        world.process.start()
        await world.row_becomes("app", first, state="Applied")
    await world.gone(third, CONFIGMAPS, "one")
    assert await world.find(first, CONFIGMAPS, "one") is not None


async def test_a_field_edited_while_the_hub_was_down_is_restored_and_nothing_else_written(world: World) -> None:
    first, second, _ = world.members
    await world.deploy("app", [configmap("one", v="1"), configmap("two", v="1")], [first, second])
    await world.ready("app")
    two = await world.find(first, CONFIGMAPS, "two")
    other = await world.find(second, CONFIGMAPS, "one")
    world.process.kill()
    await world.clients[first].patch(CONFIGMAPS, "one", world.namespace, {"data": {"v": "edited"}}, manager="somebody")
    world.process.start()

    async def restored() -> bool:
        found = await world.find(first, CONFIGMAPS, "one")
        return found is not None and found["data"] == {"v": "1"}

    await world.eventually(restored)
    assert await world.find(first, CONFIGMAPS, "two") == two
    assert await world.find(second, CONFIGMAPS, "one") == other


async def test_objects_of_no_application_are_counted_and_kept(world: World) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    live = await world.find(first, CONFIGMAPS, "one")
    assert live is not None
    stranger = configmap("stranger", v="1")
    stranger["metadata"] |= {
        "namespace": world.namespace,
        "labels": live["metadata"]["labels"] | {"atoll.dev/app": "00000000-0000-0000-0000-000000000000"},
    }
    await world.clients[first].create(CONFIGMAPS, stranger)

    async def counted() -> bool:
        status = (await world.hub.get(CLUSTERS, first)).body()["status"]
        return any(c["type"] == "Unclaimed" and c["status"] == "True" for c in status["conditions"])

    await world.eventually(counted)
    assert await world.find(first, CONFIGMAPS, "stranger") is not None
    await world.clients[first].delete(CONFIGMAPS, "stranger", world.namespace)

    async def no_longer() -> bool:
        return not await counted()

    await world.eventually(no_longer)
