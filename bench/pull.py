"""Many agents in pull mode on one hub: what an agent costs the hub, and how fast one Application reaches all of them.

make bench NAME=pull ARGS="--agents 200"

Three processes: the hub; all agents with a fake member each; and this one, with the hub's API server, a fake one, too.
Fake servers cost the machine less than real ones would, so that what is measured is the hub and the protocol. The wire
is a Unix socket a stream: without TLS and WebSocket, whose cost `bench/link` has.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, NAMESPACES
from atoll.telemetry import set_up_logging
from atoll.testing.fakeapi import FakeApi, FakeCluster
from atoll.testing.pulledfleet import AgentSide, HubSide, install, register
from atoll.testing.socket_wires import SocketHub, SocketWires
from bench.result import result

BENCH = "pull"
NAMESPACE = "demo"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process:
    """One of the other two, and what it uses."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *arguments: str, module: str = "bench.pull") -> Self:
        """Returns when it says that it is ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        found = cls(process)
        await found.said("ready")
        return found

    async def said(self, word: str) -> float:
        """The time at which it said `word`: of its own clock, which is ours."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            first, _, rest = line.decode().strip().partition(" ")
            if first == word:
                return float(rest or 0)
        raise RuntimeError(f"{word} was never said: it ended")

    @property
    def cpu(self) -> float:
        """Seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


def body(mark: str) -> Json:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one"},
        "data": {"mark": mark, "x": "x" * 800},
    }
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "app", "namespace": NAMESPACE},
        "spec": {"manifests": [manifest], "placement": {"all": True}},
    }


async def until(check: Callable[[], Any], seconds: float = 120.0) -> float:
    """The time at which `check` was true, looked at 50 times a second."""
    end = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        await asyncio.sleep(0.02)
    return time.monotonic()


class Bench:
    """One run."""

    def __init__(self, hub: Client, agents: int) -> None:
        self.hub = hub
        self.agents = agents

    async def reachable(self) -> bool:
        items = (await self.hub.list(CLUSTERS)).items
        told = [(i.body().get("status") or {}).get("conditions") or () for i in items]
        return sum(any(c["type"] == "Reachable" and c["status"] == "True" for c in t) for t in told) == self.agents

    async def applied(self) -> bool:
        found = (await self.hub.get(APPLICATIONS, "app", NAMESPACE)).body()
        status = found.get("status") or {}
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return False
        return bool((status.get("summary") or {}).get("healthy") == self.agents)

    async def deploy(self, mark: str) -> None:
        await self.hub.apply(APPLICATIONS, body(mark), name="app", namespace=NAMESPACE, manager="bench", force=True)

    async def travel(self, mark: str, hub: Process, members: Process) -> None:
        """One change of one Application, to all members and back."""
        cpu, began = hub.cpu, time.monotonic()
        await self.deploy(mark)
        last = await members.said(mark)
        told = await until(self.applied)
        shown = {"agents": self.agents}
        result(BENCH, f"{mark}: to the last member", last - began, "s", **shown)
        result(BENCH, f"{mark}: until the status says so of all", told - began, "s", **shown)
        result(BENCH, f"{mark}: hub CPU a cluster", (hub.cpu - cpu) / self.agents * 1000, "ms", **shown)


async def run(agents: int, idle: float) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = await stack.enter_async_context(FakeApi(FakeCluster(1)))
        client = await stack.enter_async_context(Client(api.config))
        bench, shown = Bench(client, agents), {"agents": agents}
        await install(client)
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for number in range(agents):
            await register(client, name_of(number))
        hub = await Process.start("hub", api.url, str(folder / "hub"))
        stack.push_async_callback(hub.stop)
        await asyncio.sleep(3)
        before = hub.memory
        members = await Process.start("members", str(agents), str(folder / "hub"))
        stack.push_async_callback(members.stop)
        await until(bench.reachable)
        await asyncio.sleep(5)
        result(BENCH, "hub memory an agent", (hub.memory - before) / agents / 1024, "KiB", **shown)
        cpu = hub.cpu
        await asyncio.sleep(idle)
        result(BENCH, "hub CPU an idle agent", (hub.cpu - cpu) / agents / idle * 1e6, "µs/s", **shown)
        await bench.travel("created", hub, members)
        await bench.travel("changed", hub, members)
        await hub.stop()
        await bench.deploy("meanwhile")
        began = time.monotonic()
        hub = await Process.start("hub", api.url, str(folder / "hub"))
        stack.push_async_callback(hub.stop)
        await members.said("meanwhile")
        told = await until(bench.applied)
        result(BENCH, "hub started anew: until what changed meanwhile is told of all", told - began, "s", **shown)
        result(BENCH, "hub started anew: its CPU", hub.cpu, "s", **shown)
        result(BENCH, "hub memory in all", hub.memory / 2**20, "MiB", **shown)


def name_of(number: int) -> str:
    return f"c{number}"


async def run_hub(url: str, socket: str) -> None:
    async with Client(Config(server=url)) as client:
        side = HubSide(client)
        await side.start()
        async with SocketHub(side, Path(socket)):
            print("ready", flush=True)
            await asyncio.Event().wait()


async def run_members(count: int, socket: str) -> None:
    """All members and their agents. Says when all members have a new mark."""
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(FakeApi(FakeCluster(1000 + n))) for n in range(count)]
        wires = SocketWires(Path(socket))
        for number, api in enumerate(apis):
            agent = AgentSide(name_of(number), api.config, wires)
            agent.start()
            stack.push_async_callback(agent.stop)
        print("ready", flush=True)
        async for mark in _marks(apis):
            print(mark, time.monotonic(), flush=True)


async def _marks(apis: list[FakeApi]) -> AsyncIterator[str]:
    told = ""
    while True:
        found = {_mark(api) for api in apis}
        if len(found) == 1 and (mark := found.pop()) not in {"", told}:
            told = mark
            yield mark
        await asyncio.sleep(0.01)


def _mark(api: FakeApi) -> str:
    found = api.cluster.store.get(CONFIGMAPS.group_kind, (NAMESPACE, "one"))
    return str(found["data"]["mark"]) if found is not None else ""


def main() -> None:
    set_up_logging("error")
    match sys.argv[1:]:
        case ["hub", url, socket]:
            asyncio.run(run_hub(url, socket))
        case ["members", count, socket]:
            asyncio.run(run_members(int(count), socket))
        case _:
            parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
            parser.add_argument("--agents", type=int, default=200)
            parser.add_argument("--idle", type=float, default=20.0, help="seconds")
            arguments = parser.parse_args()
            asyncio.run(run(arguments.agents, arguments.idle))


if __name__ == "__main__":
    main()
