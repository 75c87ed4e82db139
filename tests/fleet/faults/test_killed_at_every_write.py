"""kill -9 before and after each kind of write, while an Application is made, changed, thinned out and deleted: of the
hub, and in pull mode of the agent, where that writes.
"""

from collections.abc import Awaitable

import pytest

from atoll.kube.resources import APPLICATIONS, CONFIGMAPS
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap, deployment

LIVES = [
    # create                      update                   prune                    delete
    ("hub.finalizer.before",      "deliver.apply.before",  "deliver.delete.before", "deliver.delete.before"),
    ("hub.finalizer.after",       "deliver.apply.after",   "deliver.delete.after",  "deliver.delete.after"),
    ("deliver.namespace.before",  "hub.status.before",     "hub.status.before",     "hub.release.before"),
    ("deliver.namespace.after",   "hub.status.after",      "hub.status.after",      "hub.release.after"),
    ("deliver.applyset.before",   "",                      "deliver.apply.before",  "deliver.unmark.before"),
    ("deliver.applyset.after",    "",                      "deliver.apply.after",   "deliver.unmark.after"),
    ("deliver.apply.before",      "",                      "",                      ""),
    ("deliver.apply.after",       "",                      "",                      ""),
    ("hub.status.before",         "",                      "",                      ""),
    ("hub.status.after",          "",                      "",                      ""),
]  # fmt: skip


async def killed_at(trial: Trial, point: str, change: Awaitable[object], *, last: bool = False) -> None:
    """The hub, or the agent, that waits for `point` meets it; then another one comes, and all is right.

    `last`: as soon as the Application has gone, since it goes last.
    """
    victim = trial.meets(point, trial.members[0])
    victim.kill()
    flags = ["--no-admission-policy"] if "finalizer" in point else []
    if victim is trial.machine:
        trial.machine.start(*flags, failpoints=f"{point}=kill", elect=True)  # under its own name it leads again at once
    else:
        victim.start(failpoints=f"{point}=kill")
    if not trial.machine.alive:
        trial.machine.start(elect=True)
    if flags:
        await trial.eventually(lambda: not_held_from_birth(trial))
    await change
    victim.until(lambda: False, f"killed at {point}", 20, may_die=True)
    assert victim.hits(point) == 1
    if victim is trial.machine:
        trial.machine.start(elect=True)
    else:
        victim.start()
    if last:
        await trial.eventually(trial.no_applications, 30)
        assert not await trial.wrongs()
    else:
        await trial.ready("app")
        await trial.all_right()


async def not_held_from_birth(trial: Trial) -> bool:
    """The API server leaves the finalizer to the hub: it takes a moment to notice that the policy has gone."""
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "trial", "namespace": trial.namespace},
        "spec": {"manifests": [configmap("one")], "placement": {"clusters": list(trial.members)}},
    }
    return not (await trial.hub.create(APPLICATIONS, body, dry_run=True)).finalizers


@pytest.mark.parametrize(("create", "update", "prune", "delete"), LIVES, ids=[life[0] for life in LIVES])
async def test_killed_at_every_write(trial: Trial, create: str, update: str, prune: str, delete: str) -> None:
    first, second = trial.members
    manifests = [configmap("one", v="1"), configmap("two", v="1"), deployment("web", replicas=0)]
    await killed_at(trial, create, trial.deploy("app", manifests))
    if update:
        changed = {"manifests": [configmap("one", v="2"), *manifests[1:]]}
        await killed_at(trial, update, trial.patch("app", changed))
    if prune:
        less = {"manifests": [configmap("one", v="3")], "placement": {"clusters": [first]}}
        await killed_at(trial, prune, trial.patch("app", less))
        assert await trial.find(second, CONFIGMAPS, "one") is None
        assert await trial.find(first, CONFIGMAPS, "two") is None
    if delete:
        orphan = "unmark" in delete
        await trial.patch("app", {"deletion": "orphan" if orphan else "delete"})
        await trial.ready("app")
        await killed_at(trial, delete, trial.delete("app"), last=True)
        kept = await trial.find(first, CONFIGMAPS, "one")
        assert (kept is not None) is orphan
        assert not kept or not any("atoll" in key for key in kept["metadata"].get("labels", ()))
