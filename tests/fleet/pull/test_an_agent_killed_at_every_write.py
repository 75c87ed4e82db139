"""kill -9 of an agent before and after it stores, applies, reports and forgets; the hub goes on, and another one comes.

The hub is away while some of them start again: then they work from what is on the member alone.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from atoll.fleet.identity import hub_identity
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.failpoints import HITS, VARIABLE
from atoll.testing.oracle import dump, wanted_of, wrong
from atoll.testing.socket_wires import SocketHub
from tests.fleet.hub.world import configmap
from tests.fleet.pull.conftest import PulledWorld

POINTS = [
    "agent.store",
    "agent.mark",
    "agent.report",
    "agent.drop",
    "deliver.apply",
    "deliver.delete",
    "deliver.applyset",
]
NEW_KINDS = {
    "before": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "five"}},
    "after": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "five"}, "data": {"v": "MQ=="}},
}
"""Objects of kinds that nothing else here has: the ApplySet on the member is written for them."""


class LoneAgent:
    """The agent of the first member."""

    def __init__(self, world: PulledWorld, folder: Path) -> None:
        self.world = world
        self.member = world.members[0]
        self.socket, self.log, self.hits = folder / "hub.socket", folder / "agent.log", folder / "hits"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str = "") -> None:
        assert self.process is None or self.process.poll() is not None
        environment = {**os.environ, VARIABLE: f"{failpoint}=kill" if failpoint else "", HITS: ""}
        kubeconfig = str(self.world.fleet.kubeconfig)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.pull.lone_agent", kubeconfig, self.member, str(self.socket)],
                stdout=log, stderr=log, env=environment, cwd=Path(__file__).parents[3],
            )  # fmt: skip

    async def dies(self, seconds: float = 30.0) -> None:
        assert self.process is not None
        await self.world.eventually(lambda: self.process and self.process.poll() is not None, seconds)
        assert self.process.returncode == -signal.SIGKILL, self.log.read_text()[-3000:]

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
async def lone(world: PulledWorld, tmp_path: Path) -> AsyncIterator[LoneAgent]:
    """The first member's agent is a process; the others are as they were."""
    agent = LoneAgent(world, tmp_path)
    await world.agents[agent.member].stop()
    async with SocketHub(world.side, agent.socket):
        try:
            yield agent
        finally:
            agent.kill()
            world.agents[agent.member].start()


async def all_right(world: PulledWorld, member: str) -> None:
    me = await hub_identity(world.hub)
    said: list[str] = []

    async def check() -> bool:
        nonlocal said
        wanted = await wanted_of(world.hub, me.id, [member])
        said = wrong(member, wanted[member], await dump(world.clients[member]), me.id)
        return not said

    try:
        await world.eventually(check, 30)
    except AssertionError:
        raise AssertionError("\n".join(said)) from None


async def survives(lone: LoneAgent, point: str, change: Awaitable[object]) -> None:
    """The agent meets `point` while `change` travels, and dies; another one brings all to its end."""
    lone.kill()
    lone.start(point)
    await change
    await lone.dies()
    lone.start()
    await lone.world.ready("app")
    await all_right(lone.world, lone.member)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_every_write(world: PulledWorld, lone: LoneAgent, point: str, when: str) -> None:
    first = lone.member
    lone.start()
    await world.deploy("app", [configmap("one", v="1"), configmap("two", v="1")], [first])
    await world.deploy("other", [configmap("three", v="1")], [first])
    await world.ready("app")
    await world.ready("other")

    async def change() -> None:
        """What reaches every point: one is changed, one left out, one Application ends."""
        await world.deploy("app", [configmap("one", v="2"), configmap("four", v="2")], [first])
        await world.delete("other")
        if point == "deliver.applyset":
            await world.deploy("app", [configmap("one", v="2"), NEW_KINDS[when]], [first])

    await survives(lone, f"{point}.{when}", change())
    await world.eventually(world.no_application("other"), 30)
    assert await world.find(first, CONFIGMAPS, "two") is None
    assert await world.find(first, CONFIGMAPS, "three") is None


@pytest.mark.parametrize("point", ["agent.store.after", "deliver.apply.after"])
async def test_killed_and_started_again_without_its_hub(world: PulledWorld, lone: LoneAgent, point: str) -> None:
    """What was stored is carried out, though the hub said it once and is away since."""
    first = lone.member
    lone.start()
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    lone.kill()
    lone.start(point)
    await world.deploy("app", [configmap("one", v="2"), configmap("two", v="2")], [first])
    await lone.dies()
    await world.side.stop()
    lone.start()

    async def done() -> bool:
        found = [await world.find(first, CONFIGMAPS, name) for name in ("one", "two")]
        return all(body is not None and body["data"] == {"v": "2"} for body in found)

    await world.eventually(done, 20)
    await world.side.start()
    await world.ready("app")
