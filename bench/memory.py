"""What a hub's memory is spent on: bytes an object and cluster, beyond what a hub with the same fleet takes.

Every row of the table is a hub process of its own: how much it takes with the fleet joined and a first Application come
and gone (the base), then with N Applications × M clusters × O objects of some size settled. The process's own share
(PSS) counts, as the kernel tells it, five seconds after the last status; nothing is collected or trimmed for it. Beside
it stand the bytes of the objects themselves. The fleet is of fake API servers in a process of their own; --real takes
a local fleet.

    make bench NAME=memory ARGS="--rows 100x3x1x800 1000x3x1x800 300x20x1x800"
"""

import argparse
import asyncio
import contextlib
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, NAMESPACES
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.propagation import PATIENCE, Bench, Shape, application, prepare, until_none, until_settled
from bench.result import median, result

BENCH = "memory"
ROWS = ("100x3x1x800", "1000x3x1x800", "1000x3x1x8000", "30x3x100x800", "300x20x1x800")
CALM = 5.0
"""Seconds after the last status."""


def row(text: str) -> Shape:
    """`NxMxOxSIZE`: Applications, members, objects each, bytes of text in each."""
    applications, members, objects, size = map(int, text.split("x"))
    return Shape(applications, tuple(f"member{n + 1}" for n in range(members)), objects, size)


def proportional(pid: int) -> float:
    """MiB of process `pid`: its own pages, and its part of those that it shares with others."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@contextlib.asynccontextmanager
async def fakes(members: int, folder: Path) -> AsyncIterator[LocalFleet]:
    """A fleet of fake API servers; of a LocalFleet it has the kubeconfig, the folder and the ports."""
    fleet = LocalFleet(folder, Binaries(Lines()).find)
    folder.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.fakes", str(members), str(fleet.kubeconfig),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield fleet
    finally:
        process.stdin.close()
        await process.wait()


async def until_reached(hub: Client, members: int) -> None:
    """Until the hub says of every member that it reaches it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            bodies = [item.body() for item in (await hub.list(CLUSTERS)).items]
            conditions = [c for body in bodies for c in (body.get("status") or {}).get("conditions") or ()]
            if sum(c["type"] == "Reachable" and c["status"] == "True" for c in conditions) >= members:
                return
            await asyncio.sleep(0.2)


async def come_and_go(bench: Bench, namespace: str) -> None:
    """One Application: whatever is loaded with the first is no cost of the others."""
    await bench.hub.create(APPLICATIONS, application(namespace, "atoll-first", 0, "one", bench.shape))
    await until_settled(bench, namespace)
    await bench.hub.delete(APPLICATIONS, "atoll-first-0", namespace)
    await until_none(bench, namespace)


async def measure(fleet: LocalFleet, shape: Shape, *, real: bool) -> None:
    namespace, run = f"memory-{secrets.token_hex(3)}", f"atoll-{secrets.token_hex(3)}"
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, "hub")))
        members = {
            name: await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, name)))
            for name in shape.members
        }
        if real:
            await prepare(fleet, hub, members, namespace)
        else:
            await hub.create(NAMESPACES, {"metadata": {"name": namespace}})
        bench = Bench(fleet, shape, hub, members)
        async with bench.hub_process() as pid:
            await until_reached(hub, len(members))
            await come_and_go(bench, namespace)
            await asyncio.sleep(CALM)
            base = proportional(pid)
            await bench.create(namespace, run, "one")
            await until_settled(bench, namespace)
            await asyncio.sleep(CALM)
            spent = proportional(pid) - base
            listing = await members["member1"].list(CONFIGMAPS, namespace)
            itself = median([float(len(item.raw)) for item in listing.items if run in item.name])
        each = spent * 2**20 / shape.total
        shown = {
            "applications": shape.applications,
            "members": len(shape.members),
            "objects": shape.objects,
            "servers": "real" if real else "fake",
        }
        result(BENCH, "hub with its fleet and no Application left", base, "MiB", **shown)
        result(
            BENCH, "an object and cluster", each / 1024, "KiB", ratio=round(each / itself, 2),
            against=f"the object itself, {itself / 1024:.2f} KiB", **shown,
        )  # fmt: skip


async def table(rows: list[str]) -> None:
    for text in rows:
        shape = row(text)
        with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
            async with fakes(len(shape.members), Path(folder)) as fleet:
                await measure(fleet, shape, real=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=ROWS, metavar="NxMxOxBYTES", help="with fake API servers")
    parser.add_argument("--real", default="", metavar="NxMxOxBYTES", help="one more row, with real API servers")
    parser.add_argument("--state-dir", type=Path, help="the local fleet of that row, which is left running")
    arguments = parser.parse_args()
    asyncio.run(table(arguments.rows))
    if not arguments.real:
        return
    shape = row(arguments.real)
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            if not (arguments.state_dir and fleet.alive):
                fleet.up(FleetShape(members=len(shape.members)))
            asyncio.run(measure(fleet, shape, real=True))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
