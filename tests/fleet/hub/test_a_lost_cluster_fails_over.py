"""A cluster that is lost for longer than `failover.after` gives its share to others, which are ready before it loses
anything; one that comes back too. While too many are gone at once, nothing moves.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from atoll.kube.resources import CLUSTERS, DEPLOYMENTS
from atoll.testing.localfleet import FleetShape
from tests.fleet.hub.carrying import VALUE, elsewhere, noted, start_job, variables
from tests.fleet.hub.test_the_command_line import atoll
from tests.fleet.hub.world import World, condition_of, deployment

Json = dict[str, Any]
AFTER = {"after": "4s"}
SLACK = 10.0
"""Seconds beyond `after` in which replacements have to be there."""


@asynccontextmanager
async def without(world: World, *members: str, shape: FleetShape | None = None) -> AsyncIterator[None]:
    """Their API servers are killed; afterwards they run again."""
    world.fleet.local.stop(*(f"{member}/kube-apiserver" for member in members), patience=0)
    try:
        yield
    finally:
        await asyncio.to_thread(world.fleet.local.up, shape or FleetShape(members=len(world.members)))
        for member in members:
            await ready(world, member, "True")


async def ready(world: World, member: str, wanted: str, seconds: float = 60) -> Json:
    """Wait for the Cluster's condition Ready; the condition."""

    async def check() -> Json | None:
        status = (await world.hub.get(CLUSTERS, member)).body().get("status") or {}
        found = condition_of(status, "Ready")
        return found if found.get("status") == wanted else None

    found: Json = await world.eventually(check, seconds)
    return found


async def placement(world: World, name: str) -> dict[str, Json]:
    return {p["cluster"]: p for p in (await world.status(name)).get("placement", ())}


async def replicas(world: World, name: str, member: str) -> int | None:
    """What is wanted of the Deployment on the member; None when it isn't there."""
    found = await world.find(member, DEPLOYMENTS, name)
    return int(found["spec"]["replicas"]) if found is not None else None


async def ready_replicas(world: World, name: str, member: str) -> int:
    found = await world.find(member, DEPLOYMENTS, name)
    return int((found or {}).get("status", {}).get("readyReplicas") or 0)


async def runs(world: World, name: str, wanted: dict[str, int], seconds: float = 30.0) -> None:
    """Wait until each member runs so many, ready."""

    async def check() -> bool:
        found = {m: (await replicas(world, name, m), await ready_replicas(world, name, m)) for m in wanted}
        return found == {m: (number, number) for m, number in wanted.items()}

    await world.eventually(check, seconds)


async def test_who_is_degraded_moves_on_with_its_state_and_keeps_it(world: World) -> None:
    first = world.members[0]
    broken = {"clusters": [first], "images": [{"from": "nginx:1.28", "to": "shop/does-not-exist:1"}]}
    await start_job(world, first, {"degraded": "2s"}, differences=[broken])
    there = await elsewhere(world, first, 60)
    await world.gone(first, DEPLOYMENTS, "job", 30)
    status = await world.ready("job", 30)
    assert [(a["cluster"], a["why"]) for a in status["avoided"]] == [(first, "Degraded for 2s")]
    (part,) = status["placement"]
    assert (part["carried"], part["cameFrom"]) == ({"SAVED": VALUE}, first)
    assert part["why"] == f"1 on each; SAVED came along from {first}"
    generation = (await world.find(there, DEPLOYMENTS, "job") or {})["metadata"]["generation"]
    await world.patch("job", {"failover": {"degraded": "3s"}})
    await world.ready("job", 30)
    found = await world.find(there, DEPLOYMENTS, "job") or {}
    assert found["metadata"]["generation"] == generation, "no Pod starts anew for it"
    assert await variables(world, there) == {"SAVED": VALUE}


async def test_replicas_are_elsewhere_in_time_and_nothing_else_moves(world: World) -> None:
    first, second, third = world.members[:3]
    await world.deploy("moves", [deployment("moves")], list(world.members[:3]), replicas={"total": 6}, failover=AFTER)
    await world.deploy(
        "patient", [deployment("patient")], list(world.members[:3]), replicas={"total": 6}, failover={"after": "1h"}
    )
    await world.deploy("each", [deployment("each")], list(world.members[:3]), replicas={"each": 2}, failover=AFTER)
    await world.deploy("elsewhere", [deployment("elsewhere")], [first], replicas={"total": 2}, failover=AFTER)
    for name in ("moves", "patient", "each", "elsewhere"):
        await world.ready(name)
    async with without(world, third):
        await ready(world, third, "False")
        await runs(world, "moves", {first: 3, second: 3}, 4 + SLACK)
        assert await leaving(world, "moves", third) == "not ready for 4s"
        for name, there in (("patient", 2), ("each", 2)):
            assert await replicas(world, name, first) == there
        assert await replicas(world, "elsewhere", first) == 2
    await keeps_enough_until(world, "moves", {first: 2, second: 2, third: 2})
    await world.ready("moves", 90)
    assert "leaving" not in (await placement(world, "moves"))[third]


async def leaving(world: World, name: str, member: str) -> str:
    """Wait until the status says that it is to leave the member; why."""

    async def check() -> str:
        return str((await placement(world, name))[member].get("leaving", ""))

    return str(await world.eventually(check, 20))


async def keeps_enough_until(world: World, name: str, wanted: dict[str, int], total: int = 6) -> None:
    """Never fewer than `total` are ready in all, until each member runs so many."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        have = {m: (await replicas(world, name, m), await ready_replicas(world, name, m)) for m in world.members}
        assert sum(number for _, number in have.values()) >= total, have
        if all(have[m] == (number, number) for m, number in wanted.items()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is {have}, not {wanted}")


async def test_with_return_stay_the_surplus_is_withdrawn_when_it_is_back(world: World) -> None:
    first, second, third = world.members[:3]
    await world.deploy(
        "stays",
        [deployment("stays")],
        list(world.members[:3]),
        replicas={"total": 6},
        failover={**AFTER, "return": "stay"},
    )
    await world.ready("stays", 90)
    async with without(world, third):
        await runs(world, "stays", {first: 3, second: 3})
    await world.gone(third, DEPLOYMENTS, "stays", 30)
    assert [await replicas(world, "stays", m) for m in (first, second)] == [3, 3]
    status = await world.ready("stays")
    assert [a["cluster"] for a in status["avoided"]] == [third]


async def test_the_time_runs_on_while_the_hub_is_down(world: World) -> None:
    first, second, third = world.members[:3]
    await world.deploy(
        "moves", [deployment("moves")], list(world.members[:3]), replicas={"total": 6}, failover={"after": "12s"}
    )
    await start_job(world, third, {"after": "12s"})
    for name in ("moves", "job"):
        await world.ready(name, 90)
    await world.eventually(lambda: noted(world, third), 20)
    async with without(world, third):
        lost = await ready(world, third, "False")
        world.process.kill()
        world.process.start()
        assert (await ready(world, third, "False"))["lastTransitionTime"] == lost["lastTransitionTime"]
        await runs(world, "moves", {first: 3, second: 3}, 12 + SLACK)
        await elsewhere(world, third, SLACK)  # with what the hub before this one saw
        world.process.kill()
        world.process.start()  # who has left is remembered
        assert await leaving(world, "moves", third) == "not ready for 12s"
        assert [await replicas(world, "moves", m) for m in (first, second)] == [3, 3]
    await keeps_enough_until(world, "moves", {first: 2, second: 2, third: 2})


async def test_a_hub_that_lost_sight_of_most_moves_nothing(world: World) -> None:
    first, *others = world.members
    await world.deploy("moves", [deployment("moves")], replicas={"total": 6}, failover={"after": "8s"})
    await world.ready("moves", 90)
    before = await replicas(world, "moves", first)
    async with without(world, *others):
        for member in others:
            await ready(world, member, "False")

        async def braked() -> Json | None:
            found = await world.condition("moves", "FailoverHeld")
            return found if found.get("status") == "True" else None

        condition = await world.eventually(braked, 60)
        assert f"{len(others)} of {len(world.members)} clusters are not ready" in condition["message"]
        await asyncio.sleep(4)
        assert await replicas(world, "moves", first) == before
        assert "FailoverHeld" in world.kubectl("hub", "get", "events") or "TooManyLost" in world.kubectl(
            "hub", "get", "events"
        )
    await world.eventually(lambda: gone(world), 30)
    await runs(world, "moves", {first: before or 0})


async def gone(world: World) -> bool:
    return not await world.condition("moves", "FailoverHeld")


async def test_a_cluster_is_drained_make_before_break_and_filled_again(world: World) -> None:
    first, second, third = world.members[:3]
    await world.deploy("moves", [deployment("moves")], list(world.members[:3]), replicas={"total": 6})
    await world.deploy("rooted", [deployment("rooted")], [third], replicas={"total": 1})
    for name in ("moves", "rooted"):
        await world.ready(name, 90)
    foretold = atoll(world, "cluster", "drain", third, "--dry-run=server")
    assert foretold.code == 3, "one has nowhere else to go"
    assert "rooted: it would be on no cluster" in foretold.err
    assert {line.split()[1]: line.split()[3] for line in foretold.out.splitlines() if "/moves" in line} == {
        first: "3",
        second: "3",
        third: "-",
    }
    drained = asyncio.create_task(asyncio.to_thread(atoll, world, "cluster", "drain", third))
    try:
        await keeps_enough_until(world, "moves", {first: 3, second: 3})
        await world.gone(third, DEPLOYMENTS, "moves", 60)
        ended = await drained
        assert ended.code == 3, "what has nowhere else to go stays"
        assert "drained, but 1 stay" in ended.out
        assert await replicas(world, "rooted", third) == 1  # it has nowhere else to go
    finally:
        world.atoll("cluster", "uncordon", third, namespace="")
    await keeps_enough_until(world, "moves", {first: 2, second: 2, third: 2})
