"""A job that runs on one cluster at a time, and has something to carry along (`failover.carry`)."""

from typing import Any

from atoll.kube.resources import DEPLOYMENTS
from tests.fleet.hub.world import World, deployment

Json = dict[str, Any]
SAVED = "shop.example/saved"
VALUE = "s3://bucket/42"
CARRY = {
    "target": {"kind": "Deployment", "name": "job"},
    "path": "/metadata/annotations/shop.example~1saved",
    "as": "env",
    "name": "SAVED",
}


async def start_job(world: World, member: str, failover: Json, **spec: Any) -> None:
    """Returns when it is on `member`, and its operator has noted how far it is."""
    home = {"all": True, "spread": [{"by": "cluster", "max": 1}], "prefer": [{"clusters": [member], "weight": 100}]}
    failover = {**failover, "carry": [CARRY]}
    await world.deploy("job", [deployment("job")], placement=home, replicas={"each": 1}, failover=failover, **spec)
    await world.eventually(lambda: world.find(member, DEPLOYMENTS, "job"))
    note = {"metadata": {"annotations": {SAVED: VALUE}}}
    await world.clients[member].patch(DEPLOYMENTS, "job", world.namespace, note)


async def noted(world: World, member: str) -> bool:
    """The status says what would go along."""
    return bool((await world.row("job", member)).get("carry") == {"SAVED": VALUE})


async def variables(world: World, member: str) -> dict[str, str]:
    found = await world.find(member, DEPLOYMENTS, "job")
    containers = found["spec"]["template"]["spec"]["containers"] if found else []
    return {entry["name"]: entry["value"] for one in containers for entry in one.get("env", ())}


async def elsewhere(world: World, left: str, seconds: float) -> str:
    """Where it runs with what it had, once it does."""

    async def check() -> str:
        found = [m for m in world.members if m != left and await variables(world, m) == {"SAVED": VALUE}]
        return found[0] if found else ""

    return str(await world.eventually(check, seconds))
