"""Many member clusters on one machine, and what one that hangs does to the others.

The members are API servers alone, on one etcd. First one Application goes to all of them, and the hub's memory and CPU
are read; then phases alternate in the order A B B A: in A all is well, in B one member's API server is stopped (or
killed). In each, Applications are created one at a time, and a process of its own watches for their objects on all the
*other* members; the medians are compared. After each B, what was missed has to come by itself.

    make bench NAME=many ARGS="--members 24"
    make bench NAME=many ARGS="--members 3 --to others --fault kill"
"""

import argparse
import asyncio
import contextlib
import secrets
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.memory import CALM, proportional, until_reached
from bench.processes import cpu_seconds
from bench.propagation import PATIENCE, Bench, Ends, Shape, application, object_names, prepare, ready
from bench.result import median, percentile, result

BENCH = "many"
PAUSE = 0.1
"""Seconds between two Applications."""
IDLE = 10.0
STAYS = "stays"


class Members:
    """The members, and the one that falls ill."""

    def __init__(self, fleet: LocalFleet, shape: FleetShape, fault: str) -> None:
        self.fleet = fleet
        self.shape = shape
        self.fault = fault
        self.names = tuple(name for name in fleet.contexts if name != "hub")
        self.sick = self.names[-1]
        self.others = self.names[:-1]

    @contextlib.asynccontextmanager
    async def illness(self) -> AsyncIterator[None]:
        server = f"{self.sick}/kube-apiserver"
        if self.fault == "kill":
            self.fleet.stop(server, patience=0)
        else:
            self.fleet.running[server].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self.fault == "kill":
                await asyncio.to_thread(self.fleet.up, self.shape)
            else:
                self.fleet.running[server].signal(signal.SIGCONT)


class Many:
    """A hub at work with many members."""

    def __init__(self, bench: Bench, members: Members, namespace: str, ends: Ends, placed: tuple[str, ...]) -> None:
        self.bench = bench
        self.members = members
        self.namespace = namespace
        self.ends = ends
        self.placed = placed
        self.created = 0

    async def create(self) -> float:
        """Seconds from sending one Application to the last of the other members."""
        run = f"one-{secrets.token_hex(3)}"
        self.created += 1
        shape = Shape(1, self.placed, 1, self.bench.shape.size)
        began = time.monotonic()
        await self.bench.hub.create(APPLICATIONS, application(self.namespace, run, 0, "one", shape))
        names = [(member, object_names(run, 0, 1)[0]) for member in self.members.others]
        return await self.ends.all_marked("one", names) - began

    async def phase(self, count: int) -> list[float]:
        found = []
        for _ in range(count):
            found.append(await self.create())
            await asyncio.sleep(PAUSE)
        return found

    async def ill_phase(self, count: int, lasting: float) -> list[float]:
        """The same with one member ill for `lasting` seconds at least, and how it is noticed and made good."""
        began = time.monotonic()
        async with self.members.illness():
            noticing = asyncio.create_task(self.noticed())
            found = await self.phase(count)
            row, at = await noticing
            result(BENCH, "from the fault to Unreachable in the status", at - began, "s", since=row)
            await asyncio.sleep(began + lasting - time.monotonic())
        began = time.monotonic()
        await self.made_good()
        result(BENCH, "from its return until it has what it missed", time.monotonic() - began, "s")
        return found

    async def noticed(self) -> tuple[str, float]:
        """Since when the status says that the ill one is Unreachable, and when it said so."""
        async with asyncio.timeout(PATIENCE):
            while True:
                body = (await self.bench.hub.get(APPLICATIONS, f"{STAYS}-0", self.namespace)).body()
                for row in body["status"]["clusters"]:
                    if (row["name"], row["state"]) == (self.members.sick, "Unreachable"):
                        return row["since"], time.monotonic()
                await asyncio.sleep(0.1)

    async def made_good(self) -> None:
        """All Applications are Ready, so all objects are where they should be; the ill one's own list agrees."""
        async with asyncio.timeout(PATIENCE):
            while True:
                bodies = [item.body() for item in (await self.bench.hub.list(APPLICATIONS, self.namespace)).items]
                if all(ready(body) for body in bodies):
                    break
                await asyncio.sleep(0.2)
        wanted = 1 + (self.created if self.members.sick in self.placed else 0)
        listing = await self.bench.members[self.members.sick].list(CONFIGMAPS, self.namespace, labels="bench")
        if len(listing.items) != wanted:
            raise AssertionError(f"{self.members.sick} has {len(listing.items)} objects, not {wanted}")


async def first(bench: Bench, pid: int, namespace: str, ends: Ends, members: Members) -> None:
    """One Application to all; memory and CPU a cluster."""
    shape = Shape(1, members.names, 1, bench.shape.size)
    began, cpu = time.monotonic(), cpu_seconds(pid)
    await bench.hub.create(APPLICATIONS, application(namespace, STAYS, 0, "one", shape))
    names = [(member, object_names(STAYS, 0, 1)[0]) for member in members.names[:-1]]
    result(BENCH, "the first Application to the last member", await ends.all_marked("one", names) - began, "s")
    await asyncio.sleep(CALM)
    busy = cpu_seconds(pid)
    result(BENCH, "hub CPU for it", (busy - cpu) * 1000, "ms")
    await asyncio.sleep(IDLE)
    idle = (cpu_seconds(pid) - busy) / IDLE / len(members.names)
    result(BENCH, "hub CPU an idle cluster", idle * 1000, "ms a second")


async def footprint(bench: Bench, pid: int, members: Members, namespace: str) -> None:
    """What the clusters take, of the hub and by themselves."""
    await asyncio.sleep(CALM)
    alone = proportional(pid)
    await prepare(members.fleet, bench.hub, bench.members, namespace)
    await until_reached(bench.hub, len(members.names))
    await asyncio.sleep(CALM)
    result(BENCH, "hub without a cluster", alone, "MiB")
    result(BENCH, "hub memory a cluster", (proportional(pid) - alone) / len(members.names), "MiB")
    servers = [members.fleet.running[f"{name}/kube-apiserver"].pid for name in members.names]
    result(BENCH, "a member's API server", median([proportional(server) for server in servers]), "MiB")


async def phases(many: Many, arguments: argparse.Namespace) -> None:
    """Alternating, and the comparison."""
    await many.phase(10)  # connections, imports, caches
    found: dict[str, list[list[float]]] = {"A": [], "B": []}
    for number in range(2 * arguments.phases):
        kind = "ABBA"[number % 4]
        if kind == "A":
            found[kind].append(await many.phase(arguments.creates))
        else:
            found[kind].append(await many.ill_phase(arguments.creates, arguments.lasting))
    well, ill = ([one for phase in found[kind] for one in phase] for kind in "AB")
    each = {kind: [round(median(phase) * 1000, 1) for phase in found[kind]] for kind in found}
    result(BENCH, "to the last of the others, all well, p50", median(well) * 1000, "ms", phases=each["A"])
    result(
        BENCH, "to the last of the others, one ill, p50", median(ill) * 1000, "ms",
        ratio=round(median(ill) / median(well), 3), against="all well", phases=each["B"],
    )  # fmt: skip
    for name, values in (("all well", well), ("one ill", ill)):
        result(BENCH, f"to the last of the others, {name}, p99", percentile(values, 0.99) * 1000, "ms")


async def measure(fleet: LocalFleet, shape: FleetShape, arguments: argparse.Namespace) -> None:
    members, namespace = Members(fleet, shape, arguments.fault), f"many-{secrets.token_hex(3)}"
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, name)))
            for name in fleet.contexts
        }
        hub = clients.pop("hub")
        bench = Bench(fleet, Shape(1, members.others, 1, 800), hub, clients)
        await prepare(fleet, hub, {}, namespace)
        pid = await stack.enter_async_context(bench.hub_process())
        await footprint(bench, pid, members, namespace)
        ends = await stack.enter_async_context(bench.watching(namespace))
        await first(bench, pid, namespace, ends, members)
        placed = members.names if arguments.to == "all" else members.others
        await phases(Many(bench, members, namespace, ends, placed), arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--phases", type=int, default=4, help="of each kind")
    parser.add_argument("--creates", type=int, default=40, help="in each phase")
    parser.add_argument("--fault", choices=("stop", "kill"), default="stop")
    parser.add_argument("--lasting", type=float, default=0.0, help="seconds that it lasts at least")
    parser.add_argument("--to", choices=("all", "others"), default="all", help="where the Applications go")
    parser.add_argument("--state-dir", type=Path, help="a local fleet that is left running")
    arguments = parser.parse_args()
    shape = FleetShape(members=arguments.members, bare=True)
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            fleet.up(shape)
            asyncio.run(measure(fleet, shape, arguments))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
