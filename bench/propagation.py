"""How fast Applications reach their clusters, against the raw limit.

The raw limit is a plain client that creates the same Applications on the hub and server-side applies the same objects
straight to the members, 48 at a time, while no hub runs. Both sides use the same TLS, client and connections; the ends
are read from watches by a process of its own; runs alternate and the median counts.

    make bench NAME=propagation ARGS="--applications 300 --members 3 --objects 1 --runs 5"
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atoll.api.crds import crds
from atoll.fleet.join import join
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import AlreadyExists
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, CRDS, NAMESPACES
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.processes import Meters, cpu_seconds
from bench.result import median, percentile, result

AT_A_TIME = 48
PATIENCE = 300.0
SETTLE = 15.0
BENCH = "propagation"


@dataclass
class Shape:
    applications: int
    members: tuple[str, ...]
    objects: int
    size: int

    @property
    def total(self) -> int:
        return self.applications * self.objects * len(self.members)


@dataclass
class Ends:
    """What the watching process saw: by (context, name), the time of the newest event, and its mark."""

    process: asyncio.subprocess.Process
    present: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    gone: dict[tuple[str, str], float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            when, context, kind, name, *mark = line.decode().split()
            if when == "ready":
                continue
            key = context, name
            if kind == "DELETED":
                self.present.pop(key, None)
                self.gone[key] = float(when)
            else:
                self.present[key] = float(when), mark[0] if mark else ""
            self.changed.set()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not ready():
                self.changed.clear()
                await self.changed.wait()

    async def all_marked(self, mark: str, names: Iterable[tuple[str, str]]) -> float:
        """When the last of `names` carried `mark`."""
        wanted = list(names)
        await self.until(lambda: all(self.present.get(key, (0, ""))[1] == mark for key in wanted))
        return max(self.present[key][0] for key in wanted)

    async def all_gone(self, names: Iterable[tuple[str, str]]) -> float:
        wanted = list(names)
        await self.until(lambda: not any(key in self.present for key in wanted))
        return max(self.gone[key] for key in wanted)


class Bench:
    """One fleet, and the ways to load it."""

    def __init__(self, fleet: LocalFleet, shape: Shape, hub: Client, members: dict[str, Client]) -> None:
        self.fleet = fleet
        self.shape = shape
        self.hub = hub
        self.members = members
        self.spent: dict[str, list[dict[str, float]]] = defaultdict(list)
        """By phase and side: what each process spent in it, a run after the other."""

    @contextlib.asynccontextmanager
    async def metered(self, phase: str, **others: int) -> AsyncIterator[None]:
        meters = Meters(self.fleet, {"clients": os.getpid(), **others})
        yield
        self.spent[phase].append(meters.since())

    def names(self, run: str) -> list[tuple[str, str]]:
        return [
            (member, name)
            for member in self.shape.members
            for index in range(self.shape.applications)
            for name in object_names(run, index, self.shape.objects)
        ]

    @contextlib.asynccontextmanager
    async def watching(self, namespace: str) -> AsyncIterator[Ends]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.ends", str(self.fleet.kubeconfig), ",".join(self.shape.members), namespace,
            stdout=asyncio.subprocess.PIPE, limit=1 << 20,
        )  # fmt: skip
        ends = Ends(process)
        assert process.stdout is not None
        for _ in self.shape.members:
            await process.stdout.readline()
        reader = asyncio.create_task(ends.read())
        try:
            yield ends
        finally:
            process.terminate()
            await process.wait()
            reader.cancel()

    @contextlib.asynccontextmanager
    async def hub_process(self) -> AsyncIterator[int]:
        """A hub at work; yields its process id."""
        port = self.fleet.port("bench-hub")
        log = (self.fleet.folder / "bench-hub.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "atoll", "--kubeconfig", str(self.fleet.kubeconfig), "--context", "hub",
            "hub", "--metrics-address", f"127.0.0.1:{port}", "--webhook-address", "",
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            await until_ready(port)
            await asyncio.sleep(SETTLE)  # what it says at admission holds at once; the API server takes a second
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            log.close()

    async def create(self, namespace: str, run: str, mark: str) -> None:
        await at_once(
            self.hub.create(APPLICATIONS, application(namespace, run, index, mark, self.shape))
            for index in range(self.shape.applications)
        )

    async def update(self, namespace: str, run: str, mark: str) -> None:
        await at_once(
            self.hub.patch(
                APPLICATIONS,
                f"{run}-{index}",
                namespace,
                {"spec": {"manifests": manifests(run, index, mark, self.shape)}},
            )
            for index in range(self.shape.applications)
        )

    async def delete(self, namespace: str, run: str) -> None:
        await at_once(
            self.hub.delete(APPLICATIONS, f"{run}-{index}", namespace) for index in range(self.shape.applications)
        )

    async def raw_apply(self, namespace: str, run: str, mark: str) -> None:
        """Straight to the members, as what the hub would send."""
        await at_once(
            client.apply(
                CONFIGMAPS,
                body | {"metadata": body["metadata"] | {"namespace": namespace}},
                name=body["metadata"]["name"],
                namespace=namespace,
                manager="raw",
                force=True,
            )
            for index in range(self.shape.applications)
            for body in manifests(run, index, mark, self.shape)
            for client in self.members.values()
        )

    async def raw_delete(self, namespace: str, run: str) -> None:
        await at_once(self.members[member].delete(CONFIGMAPS, name, namespace) for member, name in self.names(run))


async def raw(bench: Bench, namespace: str, ends: Ends) -> dict[str, float]:
    """Seconds of the plain client for creating, updating and deleting all."""
    run, times = f"raw-{secrets.token_hex(3)}", {}
    for phase, mark, on_hub in (("create", "one", bench.create), ("update", "two", bench.update)):
        async with bench.metered(f"{phase}, raw"):
            began = time.monotonic()
            async with asyncio.TaskGroup() as both:
                both.create_task(on_hub(namespace, run, mark))
                both.create_task(bench.raw_apply(namespace, run, mark))
            times[phase] = await ends.all_marked(mark, bench.names(run)) - began
    async with bench.metered("delete, raw"):
        began = time.monotonic()
        async with asyncio.TaskGroup() as both:
            both.create_task(bench.delete(namespace, run))
            both.create_task(bench.raw_delete(namespace, run))
        times["delete"] = await ends.all_gone(bench.names(run)) - began
    return times


async def atoll(bench: Bench, namespace: str, ends: Ends, costs: dict[str, list[float]]) -> dict[str, float]:
    """Seconds of a hub for the same, and what it costs."""
    run, times = f"atoll-{secrets.token_hex(3)}", {}
    async with bench.hub_process() as pid:
        cpu, writes = cpu_seconds(pid), await hub_writes(bench.hub)
        async with bench.metered("create", hub=pid):
            began = time.monotonic()
            await bench.create(namespace, run, "one")
            times["create"] = await ends.all_marked("one", bench.names(run)) - began
        await until_settled(bench, namespace)
        costs["hub writes per application"].append(
            (await hub_writes(bench.hub) - writes) / bench.shape.applications - 1  # the user's own create
        )
        costs["hub CPU per object and cluster"].append((cpu_seconds(pid) - cpu) * 1000 / bench.shape.total)
        costs["hub memory"].append(resident(pid))
        async with bench.metered("update", hub=pid):
            began = time.monotonic()
            await bench.update(namespace, run, "two")
            times["update"] = await ends.all_marked("two", bench.names(run)) - began
        await until_settled(bench, namespace)
        async with bench.metered("delete", hub=pid):
            began = time.monotonic()
            await bench.delete(namespace, run)
            times["delete"] = await ends.all_gone(bench.names(run)) - began
        await until_none(bench, namespace)
    return times


async def one_at_a_time(bench: Bench, namespace: str, ends: Ends, count: int) -> tuple[list[float], list[float]]:
    """Seconds from sending one Application to its last member, and of a raw apply's round trip, one after the other."""
    latencies, trips = [], []
    single = Shape(1, bench.shape.members, 1, bench.shape.size)
    async with bench.hub_process():
        for index in range(count):
            run = f"one-{secrets.token_hex(3)}"
            began = time.monotonic()
            await bench.hub.create(APPLICATIONS, application(namespace, run, 0, "one", single))
            names = [(member, object_names(run, 0, 1)[0]) for member in bench.shape.members]
            latencies.append(await ends.all_marked("one", names) - began)
            began = time.monotonic()
            body = manifests(f"trip-{index}-{secrets.token_hex(2)}", 0, "one", single)[0]
            name = body["metadata"]["name"]
            body["metadata"]["namespace"] = namespace
            await bench.members[bench.shape.members[0]].apply(
                CONFIGMAPS, body, name=name, namespace=namespace, manager="raw", force=True
            )
            trips.append(time.monotonic() - began)
            await asyncio.sleep(0.2)
    return latencies, trips


def application(namespace: str, run: str, index: int, mark: str, shape: Shape) -> dict[str, Any]:
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"{run}-{index}", "namespace": namespace},
        "spec": {
            "manifests": manifests(run, index, mark, shape),
            "placement": {"clusters": list(shape.members)},
        },
    }


def manifests(run: str, index: int, mark: str, shape: Shape) -> list[dict[str, Any]]:
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"bench": run}},
            "data": {"mark": mark, "text": "x" * shape.size},
        }
        for name in object_names(run, index, shape.objects)
    ]


def object_names(run: str, index: int, objects: int) -> list[str]:
    return [f"{run}-{index}-{number}" for number in range(objects)]


async def at_once(work: Iterable[Awaitable[Any]]) -> None:
    """All of `work`, 48 at a time."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(item: Awaitable[Any]) -> None:
        async with gate:
            await item

    async with asyncio.TaskGroup() as scope:
        for item in work:
            scope.create_task(one(item))


async def until_settled(bench: Bench, namespace: str) -> None:
    """Until every Application's status is final."""
    async with asyncio.timeout(PATIENCE):
        while True:
            listing = await bench.hub.list(APPLICATIONS, namespace)
            bodies = [item.body() for item in listing.items]
            if all(ready(body) for body in bodies if body["metadata"]["name"].startswith("atoll-")):
                return
            await asyncio.sleep(0.25)


def ready(body: dict[str, Any]) -> bool:
    status = body.get("status") or {}
    return status.get("observedGeneration") == body["metadata"]["generation"] and any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()
    )


async def until_none(bench: Bench, namespace: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await bench.hub.list(APPLICATIONS, namespace)).items:
            await asyncio.sleep(0.1)


async def until_ready(port: int) -> None:
    import aiohttp

    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def hub_writes(hub: Client) -> float:
    """Requests so far that wrote Applications or the hub's own objects; Events and Leases don't count."""
    total = 0.0
    for line in (await hub.text("/metrics")).splitlines():
        if line.startswith("apiserver_request_total{"):
            labels, _, value = line.rpartition(" ")
            written = any(f'verb="{verb}"' in labels for verb in ("POST", "PUT", "PATCH", "APPLY", "DELETE"))
            counts = any(f'resource="{name}"' in labels for name in ("applications", "configmaps", "secrets"))
            if written and counts:
                total += float(value)
    return total


def resident(pid: int) -> float:
    """MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def prepare(fleet: LocalFleet, hub: Client, members: dict[str, Client], namespace: str) -> None:
    for crd in crds():
        await hub.apply(CRDS, crd, name=crd["metadata"]["name"], manager="bench", force=True)
    for client in (hub, *members.values()):
        with contextlib.suppress(AlreadyExists):
            await client.create(NAMESPACES, {"metadata": {"name": namespace}, "kind": "Namespace", "apiVersion": "v1"})
    await asyncio.sleep(1)
    for name, client in members.items():
        await join(hub, client, load_kubeconfig(fleet.kubeconfig, name), name)


async def measure(arguments: argparse.Namespace, fleet: LocalFleet) -> None:
    shape = Shape(
        arguments.applications,
        tuple(f"member{i + 1}" for i in range(arguments.members)),
        arguments.objects,
        arguments.size,
    )
    namespace = f"bench-{secrets.token_hex(3)}"
    times: dict[str, dict[str, list[float]]] = {"raw": defaultdict(list), "atoll": defaultdict(list)}
    costs: dict[str, list[float]] = defaultdict(list)
    async with contextlib.AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, "hub")))
        members = {
            name: await stack.enter_async_context(Client(load_kubeconfig(fleet.kubeconfig, name)))
            for name in shape.members
        }
        bench = Bench(fleet, shape, hub, members)
        await prepare(fleet, hub, members, namespace)
        ends = await stack.enter_async_context(bench.watching(namespace))
        for _ in range(arguments.runs):
            for side, taken in (
                ("raw", await raw(bench, namespace, ends)),
                ("atoll", await atoll(bench, namespace, ends, costs)),
            ):
                for phase, seconds in taken.items():
                    times[side][phase].append(seconds)
        shown = {"applications": shape.applications, "members": len(shape.members), "objects": shape.objects}
        for phase, seconds_ in times["atoll"].items():
            limit = shape.total / median(times["raw"][phase])
            rate = shape.total / median(seconds_)
            result(BENCH, f"{phase}, all at once, raw limit", limit, "objects/s", **shown)
            result(
                BENCH,
                f"{phase}, all at once",
                rate,
                "objects/s",
                ratio=round(rate / limit, 3),
                against="raw limit",
                runs=[round(shape.total / one) for one in seconds_],
                raw_runs=[round(shape.total / one) for one in times["raw"][phase]],
                **shown,
            )
        for metric, values in costs.items():
            unit = {"hub memory": "MiB", "hub CPU per object and cluster": "ms"}.get(metric, "writes")
            result(BENCH, metric, median(values), unit, **shown)
        for phase, runs in bench.spent.items():
            groups = {name: round(median([run[name] for run in runs]) * 1000 / shape.total, 2) for name in runs[0]}
            result(BENCH, f"CPU, {phase}", sum(groups.values()), "ms an object and cluster", **groups)
        if arguments.singles:
            latencies, trips = await one_at_a_time(bench, namespace, ends, arguments.singles)
            for share, name in ((0.5, "p50"), (0.99, "p99")):
                value, trip = percentile(latencies, share) * 1000, percentile(trips, 0.5) * 1000
                result(
                    BENCH, f"create, one at a time, to the last member, {name}", value, "ms",
                    ratio=round(value / trip, 2), against="a raw apply's round trip, p50", members=len(shape.members),
                )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--applications", type=int, default=100)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--objects", type=int, default=1, help="objects an application")
    parser.add_argument("--size", type=int, default=800, help="bytes of an object's text")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--singles", type=int, default=20, help="applications created one at a time; 0 leaves them out")
    parser.add_argument("--state-dir", type=Path, help="use the local fleet there, and leave it running")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(arguments.state_dir or Path(folder), Binaries(Lines()).find, Lines())
        try:
            if not (arguments.state_dir and fleet.alive):
                fleet.up(FleetShape(members=arguments.members))
            asyncio.run(measure(arguments, fleet))
        finally:
            if not arguments.state_dir:
                fleet.down()


if __name__ == "__main__":
    main()
