"""The status is written after the members were. What a hub didn't live to write down doesn't bind its successors."""

import pytest

from atoll.kube.resources import CONFIGMAPS
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap


async def killed_before_telling(trial: Trial, value: str) -> None:
    """A hub brings `value` to the members and dies before any status says so."""
    trial.machine.start(failpoints="hub.status.before=sleep 60")
    await trial.patch("app", {"manifests": [configmap("one", v=value)]})

    async def everywhere() -> bool:
        found = [await trial.find(member, CONFIGMAPS, "one") for member in trial.members]
        return all(one is not None and one["data"]["v"] == value for one in found)

    await trial.eventually(everywhere, 30)
    trial.machine.kill()


@pytest.mark.parametrize("then", ["new", "back"])
async def test_killed_twice_before_the_status_was_written(trial: Trial, then: str) -> None:
    trial.machine.start()
    await trial.deploy("app", [configmap("one", v="first")])
    await trial.ready("app")
    trial.machine.kill()
    await killed_before_telling(trial, "second")
    await killed_before_telling(trial, "third")
    last = "fourth" if then == "new" else "first"
    await trial.patch("app", {"manifests": [configmap("one", v=last)]})
    trial.machine.start()
    await trial.ready("app")
    await trial.all_right()
    found = await trial.find(trial.members[0], CONFIGMAPS, "one")
    assert found is not None and found["data"] == {"v": last}
