"""kill -9 before and after each kind of write, while an Application is made, changed, thinned out and deleted."""

import pytest
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap, deployment

from atoll.kube.resources import CONFIGMAPS

LIVES = [
    # create                      update                   prune                    delete
    ("hub.finalizer.before",      "deliver.apply.before",  "deliver.delete.before", "deliver.delete.before"),
    ("hub.finalizer.after",       "deliver.apply.after",   "deliver.delete.after",  "deliver.delete.after"),
    ("deliver.namespace.before",  "hub.status.before",     "hub.status.before",     "hub.release.before"),
    ("deliver.namespace.after",   "hub.status.after",      "hub.status.after",      "hub.release.after"),
    ("deliver.applyset.before",   "",                      "deliver.apply.before",  ""),
    ("deliver.applyset.after",    "",                      "deliver.apply.after",   ""),
    ("deliver.apply.before",      "",                      "",                      ""),
    ("deliver.apply.after",       "",                      "",                      ""),
    ("hub.status.before",         "",                      "",                      "deliver.unmark.before"),
    ("hub.status.after",          "",                      "",                      "deliver.unmark.after"),
]  # fmt: skip


async def dies(trial: Trial, point: str, *, at_once: bool = False) -> None:
    """The hub that waits for `point` meets it; then another one comes, and all is right.

    `at_once`: as soon as the Application has gone, since it goes last.
    """
    if point:
        trial.machine.until(lambda: False, f"killed at {point}", 20, may_die=True)
        assert trial.machine.hits(point) == 1
        trial.machine.start()
    if at_once:
        await trial.eventually(trial.no_applications, 30)
        assert not await trial.wrongs()
    await trial.all_right()


def arm(trial: Trial, point: str) -> None:
    if trial.machine.alive:
        if not point:
            return
        trial.machine.kill()
    trial.machine.start(failpoints=f"{point}=kill" if point else "")


@pytest.mark.parametrize(("create", "update", "prune", "delete"), LIVES, ids=[life[0] for life in LIVES])
async def test_killed_at_every_write(trial: Trial, create: str, update: str, prune: str, delete: str) -> None:
    first, second = trial.members
    orphan = "unmark" in delete

    arm(trial, create)
    manifests = [configmap("one", v="1"), configmap("two", v="1"), deployment("web", replicas=0)]
    await trial.deploy("app", manifests)
    await dies(trial, create)
    await trial.ready("app")

    arm(trial, update)
    await trial.patch("app", {"manifests": [configmap("one", v="2"), *manifests[1:]]})
    await dies(trial, update)
    await trial.ready("app")

    arm(trial, prune)
    await trial.patch("app", {"manifests": [configmap("one", v="3")], "placement": {"clusters": [first]}})
    await dies(trial, prune)
    await trial.ready("app")
    assert await trial.find(second, CONFIGMAPS, "one") is None
    assert await trial.find(first, CONFIGMAPS, "two") is None

    if orphan:
        await trial.patch("app", {"deletion": "orphan"})
        await trial.ready("app")
    arm(trial, delete)
    await trial.delete("app")
    await dies(trial, delete, at_once=True)
    kept = await trial.find(first, CONFIGMAPS, "one")
    assert (kept is not None) is orphan
    assert not kept or not any("atoll" in key for key in kept["metadata"].get("labels", ()))
