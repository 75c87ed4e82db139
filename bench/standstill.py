"""A settled fleet: what an idle minute costs, and what a restart of the hub does.

N Applications × O objects × M real members are settled. Then nobody does anything for a while, and the API servers'
audit logs tell what the hub asked. Then the hub is killed and started: how long until it is ready, until it has
compared every object, and what it wrote to members.

    make bench NAME=standstill ARGS="--applications 300 --objects 10 --members 3 --seconds 60"
"""

import argparse
import asyncio
import contextlib
import re
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.identity import hub_identity
from atoll.fleet.rights import account_name
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.testing.auditlog import Request, counted, moment, requests
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.processes import cpu_seconds
from bench.propagation import PATIENCE, Bench, Shape, prepare, until_none, until_ready, until_settled
from bench.result import result

BENCH = "standstill"
CALM = 10.0
"""Seconds after the last status in which what is still under way ends."""
HEARTBEAT = "/version"


class HubRun:
    """One hub process and its metrics."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def compared(self) -> int:
        """How many objects were found as they should be, or applied."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.port}/metrics") as answer,
        ):
            text = await answer.text()
        found = re.findall(r'^atoll_applies_total\{.*result="(?:applied|unchanged)".*\} (\S+)$', text, re.MULTILINE)
        return int(sum(map(float, found)))


@contextlib.asynccontextmanager
async def hub_run(fleet: LocalFleet, *flags: str) -> AsyncIterator[HubRun]:
    """A hub process, which is killed in the end."""
    port = fleet.port("bench-hub")
    with (fleet.folder / "bench-hub.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "atoll", "--kubeconfig", str(fleet.kubeconfig), "--context", "hub",
            "hub", "--metrics-address", f"127.0.0.1:{port}", "--webhook-address", "", *flags,
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield HubRun(process, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


class Logs:
    """What the hub asked each API server, by their audit logs."""

    def __init__(self, fleet: LocalFleet, hub_id: str, members: tuple[str, ...]) -> None:
        self._fleet = fleet
        self._account = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(hub_id)}"
        self._members = members

    def hub(self, since: str, until: str) -> list[Request]:
        return list(requests(self._fleet.folder / "hub" / "audit.log", "admin", since, until))

    def members(self, since: str, until: str) -> list[Request]:
        logs = (self._fleet.folder / member / "audit.log" for member in self._members)
        return [one for log in logs for one in requests(log, self._account, since, until)]


async def idle(logs: Logs, run: HubRun, seconds: float) -> None:
    cpu, since = cpu_seconds(run.process.pid), moment()
    await asyncio.sleep(seconds)
    until, spent = moment(), cpu_seconds(run.process.pid) - cpu
    hub, members = logs.hub(since, until), logs.members(since, until)
    leases = [one for one in hub if one.resource == "leases"]
    quiet = [one for one in members if one.verb == "watch" or one.resource == HEARTBEAT]
    written = [one for one in hub if one.writes and one not in leases]
    result(BENCH, "hub writes but leases", len(written), "requests", seconds=seconds, asked=counted(hub))
    result(
        BENCH, "member requests but heartbeats and watches", len(members) - len(quiet), "requests", seconds=seconds,
        asked=counted(members),
    )  # fmt: skip
    result(BENCH, "hub CPU while idle", 1000 * spent / seconds, "ms a second")


async def restarted(logs: Logs, fleet: LocalFleet, total: int) -> None:
    since, began = moment(), time.monotonic()
    async with hub_run(fleet, "--no-leader-elect") as run:  # nobody waits until the Lease of the killed one ends
        await until_ready(run.port)
        ready = time.monotonic() - began
        async with asyncio.timeout(PATIENCE):
            while await run.compared() < total:
                await asyncio.sleep(0.1)
        compared = time.monotonic() - began
        await asyncio.sleep(CALM)
        until = moment()
    written = [one for one in logs.members(since, until) if one.writes]
    result(BENCH, "restart to ready", ready, "s", objects=total)
    result(BENCH, "restart to every object compared", compared, "s", objects=total)
    result(BENCH, "member writes after a restart", len(written), "requests", asked=counted(logs.members(since, until)))
    on_hub = [one for one in logs.hub(since, until) if one.writes]
    result(BENCH, "hub writes after a restart", len(on_hub), "requests", asked=counted(on_hub))


async def measure(fleet: LocalFleet, shape: Shape, seconds: float) -> None:
    namespace, run_name = f"standstill-{secrets.token_hex(3)}", "atoll-still"
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, "hub")))
        members = {
            name: await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, name)))
            for name in shape.members
        }
        await prepare(fleet, hub, members, namespace)
        bench = Bench(fleet, shape, hub, members)
        logs = Logs(fleet, (await hub_identity(hub)).id, shape.members)
        async with hub_run(fleet) as run:
            await until_ready(run.port)
            await bench.create(namespace, run_name, "one")
            await until_settled(bench, namespace)
            await asyncio.sleep(CALM)
            await idle(logs, run, seconds)
        await restarted(logs, fleet, shape.total)
        async with hub_run(fleet, "--no-leader-elect"):
            await bench.delete(namespace, run_name)
            await until_none(bench, namespace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--applications", type=int, default=300)
    parser.add_argument("--objects", type=int, default=10, help="objects an application")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long nobody does anything")
    parser.add_argument("--state-dir", type=Path, help="the local fleet there, which is left running")
    arguments = parser.parse_args()
    members = tuple(f"member{number + 1}" for number in range(arguments.members))
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            fleet.up(FleetShape(members=arguments.members, audit=True))
            shape = Shape(arguments.applications, members, arguments.objects, 800)
            asyncio.run(measure(fleet, shape, arguments.seconds))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
