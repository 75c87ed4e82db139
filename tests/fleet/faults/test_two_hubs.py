"""Two hubs, one Lease: whoever comes back from being stopped has missed its turn, and overwrites nothing.

Meanwhile a member is lost: the hub that took over moves what was there, and the one that comes back moves nothing.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atoll.api.names import LEASE_HUB, SYSTEM_NAMESPACE
from atoll.hub.agents.tunnels import PATIENCE
from atoll.kube.errors import NotFound
from atoll.kube.resources import CONFIGMAPS, LEASES
from tests.fleet.faults.conftest import SHAPE
from tests.fleet.faults.forked import Zygote
from tests.fleet.faults.hubs import FaultyHub, Trial
from tests.fleet.faults.members import Members
from tests.fleet.hub.agents import MODE
from tests.fleet.hub.test_a_lost_cluster_fails_over import SLACK, keeps_enough_until, replicas, runs, without
from tests.fleet.hub.world import configmap, deployment
from tests.machines.effort import EFFORT

MOMENTS = ["deliver.apply.before", "hub.status.before"]
MOMENTS = [moment for moment in MOMENTS if MODE != "pull" or moment.startswith("hub.")][: min(EFFORT, 2)]
"""In pull mode it is agents that write to members."""
UNHEARD = PATIENCE if MODE == "tunnel" else 0.0
"""Seconds more before a new leader calls a member away whose agent has no token: its API server is stopped."""
GIVEN_UP = 40.0
"""Seconds in which a Lease of 15 is taken over, and its new holder is ready."""


@pytest.fixture
def other(zygote: Zygote, reached: Members, tmp_path: Path) -> Iterator[FaultyHub]:
    hub = FaultyHub(zygote, reached, tmp_path, "other", second=True)
    try:
        yield hub
    finally:
        hub.stop()


async def leader(trial: Trial) -> str:
    try:
        spec = (await trial.hub.get(LEASES, LEASE_HUB, SYSTEM_NAMESPACE)).body()["spec"]
    except NotFound:
        return ""
    return str(spec.get("holderIdentity") or "")


@contextlib.asynccontextmanager
async def history(trial: Trial, member: str, name: str) -> AsyncIterator[list[str]]:
    """The values that `data.v` of a ConfigMap has, one after the other, as the member's watch tells them."""
    client, found = trial.clients[member], list[str]()
    listing = await client.list(CONFIGMAPS, trial.namespace)

    async def follow() -> None:
        async for event in client.watch(CONFIGMAPS, listing.resource_version, trial.namespace):
            if event.object.name == name and event.type in {"ADDED", "MODIFIED"}:
                found.append(event.object.body()["data"]["v"])

    task = asyncio.create_task(follow())
    try:
        yield found
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_leader_that_was_stopped_overwrites_nothing(trial: Trial, other: FaultyHub, moment: str) -> None:
    """It is stopped with revisions in hand: just before it writes them, or before it writes down that it did."""
    one = trial.machine
    one.start(elect=True, failpoints=f"{moment}=sleep 3")
    one.until(lambda: one.get("/readyz")[0] == 200, "leading", GIVEN_UP)
    other.start(elect=True, wait=False)
    first, second = trial.members
    await trial.deploy("app", [configmap("one", v="1")], [first])
    await trial.deploy("moves", [deployment("moves")], replicas={"total": 4}, failover={"after": "4s"})
    for name in ("app", "moves"):
        await trial.ready(name, 60)

    async with history(trial, first, "one") as values:
        met = one.hits(moment)
        await trial.patch("app", {"manifests": [configmap("one", v="2"), configmap("two", v="2")]})
        one.until(lambda: one.hits(moment) > met, f"at {moment}", 20)
        one.signal(signal.SIGSTOP)
        async with without(trial, second, shape=SHAPE):
            await trial.patch("app", {"manifests": [configmap("one", v="3"), configmap("two", v="3")]})
            other.until(lambda: other.get("/readyz")[0] == 200, "leading", GIVEN_UP)
            await trial.ready("app", 30)
            assert await leader(trial) == "other"
            assert values[-1] == "3"
            await runs(trial, "moves", {first: 4}, 4 + SLACK + UNHEARD)
            one.signal(signal.SIGCONT)
            await asyncio.sleep(4)
            assert await replicas(trial, "moves", first) == 4
        await keeps_enough_until(trial, "moves", {first: 2, second: 2}, 4)
        assert values == sorted(values), "an older revision came after a newer one"
        await trial.patch("app", {"manifests": [configmap("one", v="4"), configmap("two", v="4")]})
        await trial.ready("app", 30)
        await asyncio.sleep(1)
        assert values == sorted(values)
        assert len(values) == len(set(values)), f"flapping: {values}"
        assert await leader(trial) == "other"
    await trial.all_right()
    if EFFORT == 1:
        return
    await trial.patch("app", {"manifests": [configmap("one", v="5")]})
    other.kill()
    one.until(lambda: one.get("/readyz")[0] == 200, "leading", GIVEN_UP)
    await trial.ready("app")
    await trial.all_right()
