"""How soon an edited or deleted object is restored, against a raw apply's round trip.

make bench NAME=drift ARGS="--repeats 100"
"""

import argparse
import asyncio
import contextlib
import secrets
import tempfile
import time
from pathlib import Path

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.propagation import Bench, Shape, application, object_names, prepare, until_none, until_settled
from bench.result import percentile, result

BENCH = "drift"
MEMBER = "member1"


async def restored(client: Client, namespace: str, name: str, spoil: str) -> float:
    """Seconds from the answer to an edit or a deletion until a watch sees the object as it should be."""
    start = (await client.list(CONFIGMAPS, namespace)).resource_version
    async with contextlib.aclosing(client.watch(CONFIGMAPS, start, namespace)) as events:
        if spoil == "edit":
            await client.patch(CONFIGMAPS, name, namespace, {"data": {"mark": "edited"}}, manager="somebody")
        else:
            await client.delete(CONFIGMAPS, name, namespace)
        began = time.monotonic()
        async for event in events:
            if (
                event.object.name == name
                and event.type in {"ADDED", "MODIFIED"}
                and b'"mark":"one"' in event.object.raw
            ):
                return time.monotonic() - began
    raise RuntimeError("the watch ended")


async def measure(fleet: LocalFleet, repeats: int) -> None:
    shape = Shape(1, (MEMBER,), 2 * repeats, 800)
    namespace = f"drift-{secrets.token_hex(3)}"
    async with (
        Client(load_kubeconfig(fleet.kubeconfig, "hub")) as hub,
        Client(load_kubeconfig(fleet.kubeconfig, MEMBER)) as member,
    ):
        bench = Bench(fleet, shape, hub, {MEMBER: member})
        await prepare(fleet, hub, {MEMBER: member}, namespace)
        async with bench.hub_process():
            await hub.create(APPLICATIONS, application(namespace, "atoll-drift", 0, "one", shape))
            await until_settled(bench, namespace)
            names = iter(object_names("atoll-drift", 0, 2 * repeats))  # each once: a fight is noticed and slowed down
            trips = []
            for spoil in ("edit", "delete"):
                times = []
                for index in range(repeats):
                    began = time.monotonic()
                    body = {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": {"name": "trip", "namespace": namespace},
                    }
                    body["data"] = {"mark": str(index)}
                    await member.apply(CONFIGMAPS, body, name="trip", namespace=namespace, manager="raw", force=True)
                    trips.append(time.monotonic() - began)
                    times.append(await restored(member, namespace, next(names), spoil))
                    await asyncio.sleep(PAUSE)
                trip = percentile(trips, 0.5)
                for share, label in ((0.5, "p50"), (0.99, "p99")):
                    value = percentile(times, share)
                    result(
                        BENCH, f"{spoil} restored, {label}", value * 1000, "ms",
                        ratio=round(value / trip, 2), against="a raw apply's round trip, p50",
                    )  # fmt: skip
            await hub.delete(APPLICATIONS, "atoll-drift-0", namespace)
            await until_none(bench, namespace)


PAUSE = 0.05
"""Seconds between two of them: one at a time, when idle."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--state-dir", type=Path, help="use the local fleet there, and leave it running")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            if not (arguments.state_dir and fleet.alive):
                fleet.up(FleetShape(members=1))
            asyncio.run(measure(fleet, arguments.repeats))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
