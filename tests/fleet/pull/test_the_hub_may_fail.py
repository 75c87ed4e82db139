"""Hub killed, agent killed, both restored: on real API servers, with real drift."""

import asyncio
import time

from atoll.kube.resources import CONFIGMAPS, SECRETS
from tests.fleet.hub.world import configmap, deployment
from tests.fleet.pull.conftest import PulledWorld


async def spoil(world: PulledWorld, member: str, name: str) -> None:
    await world.clients[member].patch(CONFIGMAPS, name, world.namespace, {"data": {"v": "spoilt"}})


async def reads(world: PulledWorld, member: str, name: str, value: str, seconds: float = 15.0) -> None:
    async def check() -> bool:
        found = await world.find(member, CONFIGMAPS, name)
        return found is not None and found["data"] == {"v": value}

    await world.eventually(check, seconds)


async def test_drift_is_repaired_all_the_while_and_the_status_is_right_soon_after(world: PulledWorld) -> None:
    first, second, _ = world.members
    await world.deploy("app", [configmap("one", v="1"), deployment("web", replicas=1)], [first, second])
    await world.ready("app")
    await world.side.stop()
    for _ in range(2):  # more, and it is somebody who fights
        for member in (first, second):
            await spoil(world, member, "one")
            await reads(world, member, "one", "1")
    await world.clients[first].delete(CONFIGMAPS, "one", world.namespace)
    await reads(world, first, "one", "1")
    await world.patch("app", {"manifests": [configmap("one", v="2"), deployment("web", image="nope:1", replicas=1)]})
    await asyncio.sleep(1.0)
    await reads(world, first, "one", "1")
    began = time.monotonic()
    await world.side.start()
    for member in (first, second):
        await world.row_becomes("app", member, 20, state="Applied")
        await reads(world, member, "one", "2")
    assert time.monotonic() - began < 10.0


async def test_an_agent_that_starts_while_the_hub_is_away_repairs_what_was_spoilt(world: PulledWorld) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    await world.agents[first].stop()
    await world.side.stop()
    await spoil(world, first, "one")
    world.agents[first].start()
    await reads(world, first, "one", "1")
    await world.side.start()
    await world.ready("app")


async def test_what_is_kept_on_the_member_is_secret_and_goes_with_the_application(world: PulledWorld) -> None:
    first = world.members[0]
    uid = await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    kept = await world.clients[first].get(SECRETS, f"atoll-intent-{uid}", "atoll-system")
    assert kept.body()["type"] == "atoll.dev/intent"
    await world.delete("app")
    await world.eventually(world.no_applications)

    async def gone() -> bool:
        held = (await world.clients[first].list(SECRETS, "atoll-system", labels="atoll.dev/intent=held")).items
        return f"atoll-intent-{uid}" not in {secret.name for secret in held}

    await world.eventually(gone)


async def test_a_cluster_that_is_away_gets_what_changed_and_is_cleaned_of_what_ended(world: PulledWorld) -> None:
    first, second, _ = world.members
    await world.deploy("stays", [configmap("stays", v="1")], [first, second])
    await world.deploy("ends", [configmap("ends", v="1")], [first, second])
    for name in ("stays", "ends"):
        await world.ready(name)
    before = await world.find(first, CONFIGMAPS, "stays")
    await world.agents[first].stop()
    await world.reached(first, "False")
    await world.delete("ends")
    await world.eventually(world.no_application("ends"), 30)
    await world.deploy("new", [configmap("new", v="1")], [first])
    world.agents[first].start()
    await world.ready("new")
    await world.ready("stays")
    await world.gone(first, CONFIGMAPS, "ends")
    assert await world.find(first, CONFIGMAPS, "stays") == before
