"""Where everything is as it should be, the hub is quiet: while time passes, and when it starts anew."""

import asyncio

from atoll.testing.auditlog import Request, counted, moment, requests
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap

APPLICATIONS, OBJECTS = 10, 3
CALM = 4.0
"""Seconds for what is still under way: own writes' echoes, events."""
PERIOD = 12.0
"""Seconds of nothing: two heartbeats and more."""


async def settled(trial: Trial) -> None:
    for number in range(APPLICATIONS):
        await trial.deploy(f"app-{number}", [configmap(f"c-{number}-{n}", v="1") for n in range(OBJECTS)])
    for number in range(APPLICATIONS):
        await trial.ready(f"app-{number}")
    await asyncio.sleep(CALM)


def needless(asked: list[Request]) -> dict[str, int]:
    """All but heartbeats and watches."""
    return counted(one for one in asked if one.verb != "watch" and one.resource != "/version")


async def test_while_nothing_happens_members_hear_heartbeats_and_the_hub_is_not_written(trial: Trial) -> None:
    trial.machine.start("--no-admission-policy")  # it would be written in the middle of the period, once
    await settled(trial)
    since = moment()
    await asyncio.sleep(PERIOD)
    until = moment()
    for member in trial.members:
        asked = trial.asked(member, since, until)
        assert any(one.resource == "/version" for one in asked), "the log is that of this hub"
        assert needless(asked) == {}
    hub = list(requests(trial.fleet.local.folder / "hub" / "audit.log", "admin", since, until))
    assert counted(one for one in hub if one.writes and one.resource != "leases") == {}


async def test_a_restart_writes_nothing_to_members_and_no_application(trial: Trial) -> None:
    trial.machine.start()
    await settled(trial)
    before = {app["metadata"]["name"]: app["metadata"]["resourceVersion"] for app in await trial.applications()}
    processes = {trial.machine, *trial.writers()}
    for process in processes:
        process.kill()
    since = moment()
    for process in processes:
        process.start()

    async def compared() -> bool:
        lines = [line for writer in trial.writers() for line in writer.get("/metrics")[1].splitlines()]
        counts = [float(line.rpartition(" ")[2]) for line in lines if line.startswith("atoll_applies_total{")]
        return sum(counts) >= APPLICATIONS * OBJECTS * len(trial.members)

    await trial.eventually(compared, 30)
    await asyncio.sleep(CALM)
    for member in trial.members:
        asked = trial.asked(member, since)
        assert any(one.resource == "/version" for one in asked)
        assert counted(one for one in asked if one.writes) == {}
    after = {app["metadata"]["name"]: app["metadata"]["resourceVersion"] for app in await trial.applications()}
    assert after == before
