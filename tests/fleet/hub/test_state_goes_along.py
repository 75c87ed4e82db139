"""`failover.carry` on real clusters: what was seen at the old place is set at the new one, whatever becomes of the hub."""

from typing import Any

from atoll.kube.resources import DEPLOYMENTS
from tests.fleet.hub.test_a_lost_cluster_fails_over import AFTER, SLACK, placement, ready, without
from tests.fleet.hub.world import World, deployment

Json = dict[str, Any]
SAVED = "shop.example/saved"
CARRY = {
    "target": {"kind": "Deployment", "name": "job"},
    "path": "/metadata/annotations/shop.example~1saved",
    "as": "env",
    "name": "SAVED",
}


async def started(world: World, **spec: Any) -> str:
    """A job that runs on one cluster at a time; where it is, once its operator has noted how far it is."""
    first = world.members[0]
    home = {"all": True, "spread": [{"by": "cluster", "max": 1}], "prefer": [{"clusters": [first], "weight": 100}]}
    await world.deploy("job", [deployment("job")], placement=home, replicas={"each": 1}, **spec)
    await world.eventually(lambda: world.find(first, DEPLOYMENTS, "job"))
    note = {"metadata": {"annotations": {SAVED: "s3://bucket/42"}}}
    await world.clients[first].patch(DEPLOYMENTS, "job", world.namespace, note)
    return first


async def variables(world: World, member: str) -> dict[str, str]:
    found = await world.find(member, DEPLOYMENTS, "job")
    containers = found["spec"]["template"]["spec"]["containers"] if found else []
    return {entry["name"]: entry["value"] for one in containers for entry in one.get("env", ())}


async def elsewhere(world: World, left: str, seconds: float) -> str:
    """Where it is with what it had; the new place."""

    async def check() -> str:
        found = [m for m in world.members if m != left and await variables(world, m) == {"SAVED": "s3://bucket/42"}]
        return found[0] if found else ""

    return str(await world.eventually(check, seconds))


async def test_what_a_lost_cluster_had_is_there_although_the_hub_starts_anew(world: World) -> None:
    first = await started(world, failover={**AFTER, "carry": [CARRY]})
    await world.ready("job", 60)

    async def known() -> bool:
        return bool((await world.row("job", first)).get("carry") == {"SAVED": "s3://bucket/42"})

    await world.eventually(known, 20)
    async with without(world, first):
        await ready(world, first, "False")
        world.process.stop()
        world.process.start()
        there = await elsewhere(world, first, 4 + SLACK)
        part = (await placement(world, "job"))[there]
        assert (part["carried"], part["cameFrom"]) == ({"SAVED": "s3://bucket/42"}, first)
        assert part["why"].endswith(f"SAVED came along from {first}")


async def test_who_is_degraded_moves_on_with_it_and_keeps_it(world: World) -> None:
    first = world.members[0]
    broken = {"clusters": [first], "images": [{"from": "nginx:1.28", "to": "shop/does-not-exist:1"}]}
    await started(world, differences=[broken], failover={"degraded": "2s", "carry": [CARRY]})
    there = await elsewhere(world, first, 40)
    await world.gone(first, DEPLOYMENTS, "job", 30)
    status = await world.ready("job", 30)
    assert [(a["cluster"], a["why"]) for a in status["avoided"]] == [(first, "Degraded for 2s")]
    generation = (await world.find(there, DEPLOYMENTS, "job") or {})["metadata"]["generation"]
    await world.patch("job", {"failover": {"degraded": "3s"}})
    await world.ready("job", 30)
    found = await world.find(there, DEPLOYMENTS, "job") or {}
    assert found["metadata"]["generation"] == generation, "no Pod starts anew for it"
    assert await variables(world, there) == {"SAVED": "s3://bucket/42"}
