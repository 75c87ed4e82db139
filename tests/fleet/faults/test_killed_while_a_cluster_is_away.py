"""Tombstones and departures outlive the hub that began them."""

import asyncio
from typing import Any

import pytest

from atoll.api.names import SYSTEM_NAMESPACE, tombstones
from atoll.fleet.leave import leave
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, SECRETS
from tests.fleet.faults.conftest import SHAPE
from tests.fleet.faults.hubs import FaultyHub, Trial
from tests.fleet.faults.members import FaultyAgent
from tests.fleet.hub.world import configmap


def killed(victim: FaultyHub | FaultyAgent, point: str) -> None:
    victim.until(lambda: False, f"killed at {point}", 20, may_die=True)
    assert victim.hits(point) == 1


async def stones(trial: Trial, member: str) -> dict[str, Any]:
    try:
        found = (await trial.hub.get(CONFIGMAPS, tombstones(member), SYSTEM_NAMESPACE)).body()
    except NotFound:
        return {}
    return dict(found.get("data") or {})


async def test_killed_at_tombstones(trial: Trial) -> None:
    machine, (first, second) = trial.machine, trial.members
    machine.start()
    uid = await trial.deploy("app", [configmap("one", v="1"), configmap("two", v="1")])
    await trial.ready("app")
    machine.kill()
    trial.fleet.local.stop(f"{second}/kube-apiserver", patience=0)
    try:
        machine.start(failpoints="hub.tombstone.before=kill")
        await trial.delete("app")
        killed(machine, "hub.tombstone.before")
        assert not await trial.no_applications()
        machine.start(failpoints="hub.tombstone.after=kill")
        killed(machine, "hub.tombstone.after")
        assert not await trial.no_applications()
        assert uid in await stones(trial, second)
        machine.start()
        await trial.eventually(trial.no_applications)
        assert await trial.find(first, CONFIGMAPS, "one") is None
        machine.kill()
    finally:
        await asyncio.to_thread(trial.fleet.local.up, SHAPE)
    for point in ("hub.tombstone.before", "hub.tombstone.after"):
        machine.start(failpoints=f"{point}=kill")  # now it is about to be lifted
        killed(machine, point)
    machine.start()

    async def lifted() -> bool:
        return uid not in await stones(trial, second)

    await trial.eventually(lifted)
    await trial.all_right()


@pytest.mark.parametrize("point", ["deliver.unmark.after", "hub.clean.after", "hub.leave.before"])
async def test_killed_while_a_cluster_leaves(trial: Trial, point: str) -> None:
    machine, (first, second) = trial.machine, trial.members
    victim = trial.meets(point, second)
    machine.start()
    await trial.deploy("app", [configmap("one", v="1")], [first])
    await trial.deploy("both", [configmap("two", v="1")])
    await trial.ready("both")
    victim.kill()
    try:
        victim.start(failpoints=f"{point}=kill")
        leaving = asyncio.create_task(leave(trial.hub, second, timeout=60))
        await asyncio.to_thread(killed, victim, point)
        victim.start()
        await leaving
        with pytest.raises(NotFound):
            await trial.hub.get(SECRETS, second, SYSTEM_NAMESPACE)
        kept = await trial.find(second, CONFIGMAPS, "two")
        assert kept is not None and not any("atoll" in key for key in kept["metadata"].get("labels", ()))
        await trial.all_right()
    finally:
        await trial.reached.join()
        await trial.clients[second].delete(CONFIGMAPS, "two", trial.namespace)
        await trial.eventually(lambda: trial.hub.get(CLUSTERS, second))
