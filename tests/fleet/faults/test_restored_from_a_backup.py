"""The hub's etcd is put back to an hour ago. Nothing is deleted, nothing overwritten, and an administrator confirms."""

import asyncio
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.kube.errors import KubeError
from atoll.kube.resources import CLUSTERS, CONFIGMAPS
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.localfleet.components import ENVIRONMENT
from atoll.testing.localfleet.ports import choose
from atoll.testing.oracle import dump, touched
from tests.fleet.conftest import Fleet
from tests.fleet.faults.conftest import SHAPE
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.agents import MODE
from tests.fleet.hub.world import configmap

CONFIRMED_BY = "atoll cluster resume" if MODE == "pull" else "new epoch"
"""What the status says: agents may be told one by one, and a new epoch is for all."""
SERVER, MANAGER, RESTORED = "hub/kube-apiserver", "hub/kube-controller-manager", "etcd-restored"


def back_up(local: LocalFleet, folder: Path) -> None:
    """A copy of etcd's data as of one moment."""
    etcd = local.running["etcd"]
    etcd.signal(signal.SIGSTOP)
    try:
        shutil.copytree(local.folder / "etcd" / "data", folder)
    finally:
        etcd.signal(signal.SIGCONT)


@contextmanager
def restored(local: LocalFleet, folder: Path, shape: FleetShape = SHAPE) -> Iterator[None]:
    """The hub's API server, and it alone, works on an etcd with the data in `folder`."""
    programs = {name: local.running[name].args for name in ("etcd", SERVER, MANAGER)}
    environment = {**ENVIRONMENT, "PATH": "/usr/bin:/bin", "HOME": str(local.folder)}
    local.stop(SERVER, MANAGER, patience=0)
    client, peer = choose(set()), choose(set())
    url = f"https://127.0.0.1:{client}"
    local.run(RESTORED, [_moved(arg, folder, url, peer) for arg in programs["etcd"]], environment=environment)
    local.run(SERVER, [f"--etcd-servers={url}" if a.startswith("--etcd-servers=") else a for a in programs[SERVER]],
              environment=environment)  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not local.admin("hub").answers("/readyz"):
            assert time.monotonic() < end, local.last_words(SERVER)
            time.sleep(0.1)
        local.run(MANAGER, programs[MANAGER], environment=environment)
        yield
    finally:
        local.stop(SERVER, MANAGER, RESTORED, patience=0)
        local.up(shape)


def _moved(arg: str, data: Path, client: str, peer: int) -> str:
    name, _, _ = arg.partition("=")
    other = f"https://127.0.0.1:{peer}"
    new = {
        "--data-dir": str(data),
        "--listen-client-urls": client,
        "--advertise-client-urls": client,
        "--listen-peer-urls": other,
        "--initial-advertise-peer-urls": other,
        "--initial-cluster": f"local={other}",
    }
    return f"{name}={new[name]}" if name in new else arg


@pytest.fixture
def local(fleet: Fleet) -> LocalFleet:
    return fleet.local


async def test_restored_from_a_backup(trial: Trial, local: LocalFleet, tmp_path: Path) -> None:
    first, second = trial.members
    trial.machine.start()
    await trial.deploy("old", [configmap("one", v="1"), configmap("gone-since", v="1")])
    await trial.deploy("spread", [configmap("spread", v="1")], [first])
    await trial.deploy("still", [configmap("still", v="1")])
    for name in ("old", "spread", "still"):
        await trial.ready(name)
    await asyncio.to_thread(back_up, local, tmp_path / "backup")

    await trial.deploy("old", [configmap("one", v="2"), configmap("new", v="2")])
    await trial.deploy("spread", [configmap("spread", v="2")], [first, second])
    await trial.deploy("late", [configmap("late", v="1")])
    for name in ("old", "spread", "late"):
        await trial.ready(name)
    await trial.all_right()
    trial.machine.kill()
    before = {member: await dump(trial.clients[member]) for member in trial.members}

    restoring = restored(local, tmp_path / "backup")
    await asyncio.to_thread(restoring.__enter__)
    try:
        for _ in range(2):  # the second one knows no more than the first
            trial.machine.start()
            for member in trial.members:
                await trial.eventually(partial(unclaimed, trial, member), 30)
                row = await trial.row_becomes("old", member, 30, state="Conflict")
                assert "NewerRevision" in str(row["problems"]) and CONFIRMED_BY in str(row["problems"])
            assert "NewerRevision" in str(await trial.row_becomes("spread", second, 30, state="Removing"))
            await trial.ready("still")
            await asyncio.sleep(2)
            for member in trial.members:
                assert not touched(before[member], await dump(trial.clients[member]), trial.namespace)
            trial.machine.kill()

        epoch = {"data": {"epoch": "2"}}
        await trial.hub.patch(CONFIGMAPS, HUB_CONFIGMAP, SYSTEM_NAMESPACE, epoch)
        trial.machine.start()
        for name in ("old", "spread", "still"):
            await trial.ready(name)
        await trial.gone(second, CONFIGMAPS, "spread")
        await trial.gone(first, CONFIGMAPS, "new")
        for member in trial.members:
            one = await trial.find(member, CONFIGMAPS, "one")
            assert one is not None and one["data"] == {"v": "1"}
            assert await trial.find(member, CONFIGMAPS, "late") is not None
        said = await trial.wrongs()
        assert said and all("late" in text for text in said), said
        trial.machine.kill()
    finally:
        trial.machine.kill()
        await asyncio.to_thread(restoring.__exit__, None, None, None)
    await trial.eventually(lambda: answers(trial), 30)


async def answers(trial: Trial) -> bool:
    try:
        return bool(await trial.applications())
    except KubeError:
        return False


async def unclaimed(trial: Trial, member: str) -> bool:
    status = (await trial.hub.get(CLUSTERS, member)).body().get("status") or {}
    return any(c["type"] == "Unclaimed" and c["status"] == "True" for c in status.get("conditions", ()))
