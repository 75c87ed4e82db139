"""The hub's etcd is put back, under agents in pull mode: they refuse, keep on repairing, and take it when told to."""

import asyncio
from pathlib import Path

from atoll.kube.errors import KubeError
from atoll.kube.resources import CONFIGMAPS
from tests.fleet.faults.test_restored_from_a_backup import back_up, restored
from tests.fleet.hub.world import configmap
from tests.fleet.pull.conftest import SHAPE, PulledWorld
from tests.fleet.pull.test_the_hub_may_fail import reads, spoil


async def test_older_words_are_refused_and_drift_is_repaired_until_it_is_resumed(
    world: PulledWorld, tmp_path: Path
) -> None:
    first, local = world.members[0], world.fleet.local
    await world.deploy("app", [configmap("one", v="old")], [first])
    await world.deploy("still", [configmap("still", v="1")], [first])
    await world.ready("app")
    await world.ready("still")
    await asyncio.to_thread(back_up, local, tmp_path / "backup")
    for number in range(500):  # the hub lives on for a while: more than what its servers write when they start again
        filler = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "filler"}, "data": {"n": str(number)}}
        await world.hub.apply(CONFIGMAPS, filler, name="filler", namespace=world.namespace, manager="test", force=True)
    await world.deploy("app", [configmap("one", v="new"), configmap("added", v="new")], [first])
    await world.deploy("late", [configmap("late", v="1")], [first])
    await world.ready("app")
    await world.ready("late")
    await world.side.stop()

    restoring = restored(local, tmp_path / "backup", SHAPE)
    await asyncio.to_thread(restoring.__enter__)
    try:
        await world.side.start()
        row = await world.row_becomes("app", first, 30, state="Conflict")
        assert "NewerRevision" in str(row["problems"])
        for name, value in (("one", "new"), ("added", "new"), ("late", "1"), ("still", "1")):
            await spoil(world, first, name)
            await reads(world, first, name, value)
        said = await asyncio.to_thread(world.atoll, "cluster", "resume", first)
        assert "resumed" in said
        await world.ready("app")
        await reads(world, first, "one", "old")
        await world.gone(first, CONFIGMAPS, "added")
        await reads(world, first, "late", "1")
        await world.side.stop()
    finally:
        await asyncio.to_thread(restoring.__exit__, None, None, None)

    async def answers() -> bool:
        try:
            return bool(await world.hub.list(CONFIGMAPS, "kube-system"))
        except KubeError:
            return False

    await world.eventually(answers, 30)
    await world.side.start()
    for name in ("one", "late"):  # whatever hub comes after this test: nothing is lost on the member
        assert await world.find(first, CONFIGMAPS, name) is not None
