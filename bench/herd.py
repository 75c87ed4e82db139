"""A hub with many agents is killed and started: how fast all are back, and whether they come in a herd.

make bench NAME=herd ARGS="--agents 1000"

The link is the real one: client certificates, TLS, WebSockets, and agents in pull mode that dial as
`atoll agent run` does. The hub is a process; all agents, with a fake member each, share some others, which have the
machine's cores in common with the hub: a herd that it could not stand would show the sooner. The hub's API server is a
fake one in this process.
"""

import argparse
import asyncio
import gc
import json
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from atoll.agent.connecting import Connector
from atoll.agent.pulling.agent import PullAgent
from atoll.agent.state import Folder, State
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.hub.agents.authority import authority
from atoll.hub.agents.endpoint import serve_agents
from atoll.hub.main import GARBAGE
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.resources import CLUSTERS, NAMESPACES
from atoll.link.certificates import AgentIdentity, Authority, make_key, make_request, request_fingerprint
from atoll.runtime.loop import serving_loop
from atoll.telemetry import set_up_logging
from atoll.testing.fakeapi import FakeApi, FakeCluster
from atoll.testing.localfleet.ports import choose
from atoll.testing.pulledfleet import HubSide, install, register
from bench.pull import NAMESPACE, Bench, Process, name_of, until
from bench.result import result

BENCH = "herd"
MODULE = "bench.herd"
A_PROCESS = 250
"""Agents of one process."""


class Members(Process):
    """Agents in one process."""

    async def connected(self) -> list[float]:
        """When each that is connected came to be: epoch seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"?\n")
        return [float(when) for when in json.loads(await self.process.stdout.readline())]


def busiest(moments: list[float], seconds: float) -> int:
    """The most of `moments` that any such time holds."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def run(agents: int, away: float) -> None:
    shown = {"agents": agents}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = await stack.enter_async_context(FakeApi(FakeCluster(1)))
        client = await stack.enter_async_context(Client(api.config))
        bench, port = Bench(client, agents), str(choose([]))
        await install(client)
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        for number in range(agents):
            await register(client, name_of(number))
        hub = await Process.start("hub", api.url, port, module=MODULE)
        stack.push_async_callback(lambda: hub.stop())  # noqa: PLW0108  the one that is there then
        groups: list[Members] = []
        for first in range(0, agents, A_PROCESS):
            count = str(min(A_PROCESS, agents - first))
            place = (api.url, port, str(folder))
            groups.append(await Members.start("members", str(first), count, *place, module=MODULE))
            stack.push_async_callback(groups[-1].stop)
        await until(bench.reachable)
        await bench.deploy("first")
        await until(bench.applied)
        await hub.stop()
        await bench.deploy("meanwhile")
        await asyncio.sleep(away)
        hub = await Process.start("hub", api.url, port, module=MODULE)
        ready, at = time.time(), time.monotonic()
        told = await until(bench.applied)
        await until(bench.reachable)
        cpu = hub.cpu
        moments = sorted([moment - ready for group in groups for moment in await group.connected()])
        assert len(moments) == agents, f"{len(moments)} are connected"
        result(BENCH, "from ready to half of the agents", moments[agents // 2], "s", **shown)
        result(BENCH, "from ready to the last agent", moments[-1], "s", **shown)
        result(BENCH, "most handshakes in a second", busiest(moments, 1.0), "1/s", **shown)
        result(BENCH, "most handshakes in a tenth of a second", busiest(moments, 0.1), "", **shown)
        result(BENCH, "from ready until a change of meanwhile is told of all", told - at, "s", **shown)
        result(BENCH, "hub CPU until then", cpu, "s", **shown)
        await asyncio.sleep(5)
        result(BENCH, "hub memory", hub.memory / 2**20, "MiB", **shown)


async def run_hub(url: str, port: str) -> None:
    gc.set_threshold(*GARBAGE)
    async with Client(Config(server=url)) as client:
        side = HubSide(client)
        await side.start()
        assert side.hub is not None
        me = await hub_identity(client)
        async with serve_agents(client, me.id, f"127.0.0.1:{port}", ("127.0.0.1",), side.hub):
            print("ready", flush=True)
            await asyncio.Event().wait()


async def run_members(first: int, count: int, url: str, port: str, folder: Path) -> None:
    """Admit and run the agents, and say when each of them connected for every line that comes in."""
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(Client(Config(server=url)))
        me = await hub_identity(hub)
        issuer = await authority(hub, me.id)
        scope = await stack.enter_async_context(asyncio.TaskGroup())
        connectors = []
        for number in range(first, first + count):
            api = await stack.enter_async_context(FakeApi(FakeCluster(1000 + number)))
            state = await admitted(hub, me.id, issuer, name_of(number), f"https://127.0.0.1:{port}")
            agent = PullAgent(api.config)
            connector = Connector(Folder(folder), state, serve=agent.serve, attend=agent.keep_attending)
            connectors.append(connector)
            scope.create_task(agent.run())
            scope.create_task(connector.run())
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            doors = [door for connector in connectors for door in connector.doors()]
            print(json.dumps([door.since for door in doors if door.connected]), flush=True)


async def admitted(hub: Client, me: str, issuer: Authority, name: str, address: str) -> State:
    """What an agent has once it has used its token: here without a token, which is quicker."""
    uid = (await hub.get(CLUSTERS, name)).uid
    key = make_key()
    request = make_request(key)
    used = tokens.Record("0", name, 0.0, "", request_fingerprint(request), time.time())
    await tokens.admit(hub, name, uid, used, again=False)
    certificate = issuer.agent(request, AgentIdentity(me, name, uid))
    return State(name, "pull", me, (address,), issuer.certificate.decode(), key.decode(), certificate.decode())


def main() -> None:
    set_up_logging("error")
    with asyncio.Runner(loop_factory=serving_loop) as runner:
        match sys.argv[1:]:
            case ["hub", url, port]:
                runner.run(run_hub(url, port))
            case ["members", first, count, url, port, folder]:
                runner.run(run_members(int(first), int(count), url, port, Path(folder)))
            case _:
                parser = argparse.ArgumentParser(
                    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
                )
                parser.add_argument("--agents", type=int, default=1000)
                parser.add_argument("--away", type=float, default=10.0, help="seconds in which there is no hub")
                arguments = parser.parse_args()
                runner.run(run(arguments.agents, arguments.away))


if __name__ == "__main__":
    main()
