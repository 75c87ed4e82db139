"""`propagation`, all at once, over numbers of Applications, clusters and objects, and sizes of these.

One fleet for all rows; its members are API servers alone. Fewer clusters come first, so that a hub knows only those
that its row names.

    make bench NAME=propagation_table ARGS="--rows 100x3x1x800 300x3x1x800 --runs 3"
"""

import argparse
import asyncio
import contextlib
import secrets
import tempfile
from collections import defaultdict
from pathlib import Path

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.memory import row
from bench.propagation import Bench, Shape, atoll, prepare, raw
from bench.result import median, result

BENCH = "propagation_table"
ROWS = ("100x3x1x800", "300x3x1x800", "30x3x10x800", "100x3x1x8000", "100x6x1x800")


async def measure(fleet: LocalFleet, shape: Shape, runs: int) -> None:
    """Raw and Atoll in turns; medians."""
    namespace = f"table-{secrets.token_hex(3)}"
    limits: dict[str, list[float]] = defaultdict(list)
    times: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, name)))
            for name in ("hub", *shape.members)
        }
        bench = Bench(fleet, shape, clients.pop("hub"), clients)
        await prepare(fleet, bench.hub, clients, namespace)
        ends = await stack.enter_async_context(bench.watching(namespace))
        for _ in range(runs):
            for found, taken in (
                (limits, await raw(bench, namespace, ends)),
                (times, await atoll(bench, namespace, ends, costs)),
            ):
                for phase, seconds in taken.items():
                    found[phase].append(seconds)
    tell(shape, limits, times, costs)


def tell(
    shape: Shape, limits: dict[str, list[float]], times: dict[str, list[float]], costs: dict[str, list[float]]
) -> None:
    shown = {
        "applications": shape.applications,
        "members": len(shape.members),
        "objects": shape.objects,
        "size": shape.size,
    }
    for phase, seconds in times.items():
        limit = shape.total / median(limits[phase])
        rate = shape.total / median(seconds)
        result(BENCH, phase, rate, "objects/s", ratio=round(rate / limit, 3), against=f"{limit:.0f} raw", **shown)
    for metric, unit in (("hub CPU per object and cluster", "ms"), ("hub writes per application", "writes")):
        result(BENCH, metric, median(costs[metric]), unit, **shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", default=ROWS, metavar="NxMxOxBYTES")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--state-dir", type=Path, help="use the local fleet there, and leave it running")
    arguments = parser.parse_args()
    shapes = sorted(map(row, arguments.rows), key=lambda shape: len(shape.members))
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            fleet.up(FleetShape(members=len(shapes[-1].members), bare=True))
            for shape in shapes:
                asyncio.run(measure(fleet, shape, arguments.runs))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
