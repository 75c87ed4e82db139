"""Nine replicas over three real members: by weight, by what is free, packed; and what no node takes goes elsewhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from atoll.kube.resources import DEPLOYMENTS, NODES
from tests.fleet.hub.world import World, condition_of, deployment

Json = dict[str, Any]


def asking(name: str, cpu: str) -> Json:
    body = deployment(name)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return body


async def placed(world: World, name: str, seconds: float = 60) -> dict[str, int]:
    """Replicas by member, once it is Ready."""
    status = await world.ready(name, seconds)
    return {p["cluster"]: p["replicas"] for p in status["placement"]}


@asynccontextmanager
async def with_nodes_of(world: World, member: str, cpu: str) -> AsyncIterator[None]:
    """The member's nodes are smaller for a while."""
    client = world.clients[member]
    nodes = {node.name: node.body()["status"]["allocatable"] for node in (await client.list(NODES)).items}
    try:
        for name, allocatable in nodes.items():
            await _offer(world, member, name, {**allocatable, "cpu": cpu})
        yield
    finally:
        for name, allocatable in nodes.items():
            await _offer(world, member, name, allocatable)


async def _offer(world: World, member: str, node: str, allocatable: Json) -> None:
    change = {"status": {"allocatable": allocatable, "capacity": allocatable}}
    await world.clients[member].patch(NODES, node, "", change, subresource="status")


async def test_by_weight(world: World) -> None:
    first, second, third = world.members[:3]
    weights = {first: 4, second: 3, third: 2}
    await world.deploy("web", [deployment("web")], list(weights), replicas={"total": 9, "weights": weights})
    assert await placed(world, "web") == weights


async def test_by_capacity_a_member_with_small_nodes_gets_fewer(world: World) -> None:
    first, second, third = world.members[:3]
    async with with_nodes_of(world, third, "2"):
        await world.eventually(lambda: offers(world, third, 6), 30)
        spec = {"total": 20, "divide": "capacity"}
        await world.deploy("web", [asking("web", "1500m")], [first, second, third], replicas=spec)
        found = await placed(world, "web")
        assert sum(found.values()) == 20
        assert 1 <= found[third] <= 3  # one on each node at most
        assert found[first] > found[third] < found[second]
        spec = {"total": 4, "divide": "capacity"}
        await world.deploy("large", [asking("large", "3")], [first, second, third], replicas=spec)
        assert third not in await placed(world, "large")  # no node of it is large enough


async def offers(world: World, member: str, cores: float) -> bool:
    from atoll.kube.resources import CLUSTERS

    status = (await world.hub.get(CLUSTERS, member)).body().get("status") or {}
    return float((status.get("allocatable") or {}).get("cpu", 0)) == cores


async def test_packed_on_as_few_as_have_room(world: World) -> None:
    await world.deploy("web", [asking("web", "1")], replicas={"total": 9, "divide": "packed"})
    assert list((await placed(world, "web")).values()) == [9]


async def test_what_has_no_room_anywhere_is_said_and_placed_when_there_is_some(world: World) -> None:
    await world.deploy("huge", [asking("huge", "15")], replicas={"total": 40, "divide": "capacity"})

    async def short() -> Json | None:
        found = condition_of(await world.status("huge"), "Placed")
        return found if found.get("reason") == "NoRoom" else None

    condition = await world.eventually(short, 30)
    assert "of 40 replicas are placed: there is no room for more" in condition["message"]
    await world.patch("huge", {"replicas": {"total": 1}})
    assert sum((await placed(world, "huge")).values()) == 1


async def test_pods_that_no_node_takes_for_a_minute_go_elsewhere(world: World) -> None:
    first, second, third = world.members[:3]
    async with with_nodes_of(world, third, "100m"):
        spec = {"total": 6, "rebalance": True}
        await world.deploy("web", [asking("web", "500m")], [first, second, third], replicas=spec)

        async def moved() -> bool:
            found = {m: await world.find(m, DEPLOYMENTS, "web") for m in (first, second, third)}
            return [body and body["spec"]["replicas"] for body in found.values()] == [3, 3, 0]

        await world.eventually(moved, 120)
        status = await world.ready("web", 60)
        assert [p.get("most") for p in status["placement"]] == [None, None, 0]
