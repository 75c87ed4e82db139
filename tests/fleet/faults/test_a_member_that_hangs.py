"""A member's API server is stopped for 40 seconds, not killed: connections stand, nothing answers."""

import asyncio
import os
import signal
import statistics
import sys
import time
from contextlib import aclosing

from atoll.api.names import SYSTEM_NAMESPACE, tombstones
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.auditlog import Request, moment
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap

PROBES = int(os.environ.get("ATOLL_PROBES", "20"))
STOPPED = 40.0


def writes(trial: Trial, member: str, since: str) -> list[Request]:
    """What the hub wrote on a member since then, by the member's own account."""
    return sorted(one for one in trial.asked(member, since) if one.writes)


async def latencies(trial: Trial, member: str, prefix: str) -> list[float]:
    """Seconds from an Application to its object on `member`, as a watch there tells, one after the other."""
    client, found = trial.clients[member], []
    version = (await client.list(CONFIGMAPS, trial.namespace)).resource_version
    async with aclosing(client.watch(CONFIGMAPS, version, trial.namespace)) as events:
        for number in range(PROBES):
            name = f"{prefix}-{number}"
            began = time.perf_counter()
            await trial.deploy(name, [configmap(name, v="1")], [member])
            async for event in events:
                if event.object.name == name:
                    found.append(time.perf_counter() - began)
                    break
    return found


async def test_a_member_that_hangs(trial: Trial) -> None:
    first, second = trial.members
    trial.machine.start()
    for name in ("stays", "changes", "goes"):
        await trial.deploy(name, [configmap(name, v="1"), configmap(f"{name}-too", v="1")])
    for name in ("stays", "changes", "goes"):
        await trial.ready(name)
    await latencies(trial, first, "warm")
    before = await latencies(trial, first, "before")

    server = trial.fleet.local.running[f"{second}/kube-apiserver"]
    since = moment()
    server.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    try:
        row = await trial.row_becomes("stays", second, 20, state="Unreachable")
        noticed = time.monotonic() - stopped
        assert noticed < 15
        assert row["since"]
        during = await latencies(trial, first, "during")
        await trial.patch("changes", {"manifests": [configmap("changes", v="2"), configmap("changes-too", v="1")]})
        await trial.deploy("comes", [configmap("comes", v="1")])
        uid = next(a["metadata"]["uid"] for a in await trial.applications() if a["metadata"]["name"] == "goes")
        await trial.delete("goes")
        await trial.eventually(lambda: ended(trial, "goes"))
        stones = (await trial.hub.get(CONFIGMAPS, tombstones(second), SYSTEM_NAMESPACE)).body()["data"]
        assert uid in stones
        await asyncio.sleep(max(0.0, STOPPED - (time.monotonic() - stopped)))
    finally:
        server.signal(signal.SIGCONT)
    continued = time.monotonic()
    for name in ("stays", "changes", "comes"):
        await trial.ready(name)
    back = time.monotonic() - continued
    await trial.all_right()
    await trial.eventually(lambda: lifted(trial, second, uid))
    assert writes(trial, second, since) == [
        Request("delete", "configmaps", "goes"),
        Request("delete", "configmaps", "goes-too"),
        Request("patch", "configmaps", "changes"),
        Request("patch", "configmaps", "comes"),
    ]
    probes = {f"during-{n}" for n in range(PROBES)}
    there = [w for w in writes(trial, first, since) if w.name not in probes]
    assert [w.name for w in there] == ["goes", "goes-too", "changes", "comes"]
    middle, hung = statistics.median(before), statistics.median(during)
    figures = f"noticed after {noticed:.1f} s, back after {back:.1f} s; p50 {middle * 1e3:.0f} ms, {hung * 1e3:.0f} ms"
    sys.stdout.write(figures)
    assert hung < middle * float(os.environ.get("ATOLL_LATENCY_FACTOR", "3")), figures


async def ended(trial: Trial, name: str) -> bool:
    return name not in {app["metadata"]["name"] for app in await trial.applications()}


async def lifted(trial: Trial, member: str, uid: str) -> bool:
    stones = (await trial.hub.get(CONFIGMAPS, tombstones(member), SYSTEM_NAMESPACE)).body().get("data") or {}
    return uid not in stones
