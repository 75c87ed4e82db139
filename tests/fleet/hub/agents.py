"""Agents as processes, started by the command that `cluster register` prints."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from atoll.kube.resources import CLUSTERS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet

MODE = os.environ.get("ATOLL_TEST_MODE", "direct")
"""How the tests' members are reached: direct, tunnel or pull."""


class AgentProcess:
    """`atoll agent run` of one member."""

    def __init__(self, fleet: Fleet, name: str, folder: Path, *, through: str = "") -> None:
        self.fleet = fleet
        self.name = name
        self.folder = folder / name
        self.through = through
        """host:port by which the hub is dialled, when it isn't the hub's own."""
        self.log = folder / f"{name}.log"
        self.kubeconfig = fleet.kubeconfig
        """The context that has the cluster's name in it says how the member is reached."""
        self.process: subprocess.Popen[bytes] | None = None

    def register(self, *options: str) -> list[str]:
        """The printed command's arguments."""
        where = ["--hub-address", self.through] if self.through else []
        return registered(self.fleet, self.name, "tunnel" if MODE == "direct" else MODE, *where, *options)

    def start(self, command: list[str] | None = None) -> None:
        """Run `command`, by default one that is registered now."""
        command = self.register() if command is None else command
        place = ["--kubeconfig", str(self.kubeconfig), "--context", self.name, "--state-dir", str(self.folder)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "atoll", *command, *place, "--log-format", "json"], stdout=log, stderr=log
            )

    def again(self) -> None:
        """Start it once more, from what it keeps."""
        self.start(["agent", "run"])

    def ended(self, seconds: float = 20.0) -> str:
        """Wait for its end; what it said."""
        assert self.process is not None
        self.process.wait(timeout=seconds)
        return self.log.read_text()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


def registered(fleet: Fleet, name: str, mode: str, *options: str) -> list[str]:
    """The arguments of the command that `cluster register` prints."""
    done = subprocess.run(
        [
            sys.executable, "-m", "atoll", "--kubeconfig", str(fleet.kubeconfig), "--context", "hub",
            "cluster", "register", name, "--mode", mode, *options,
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "run this in the member, until 20" in done.stderr
    return shlex.split(done.stdout)[1:]


def start_all(fleet: Fleet, folder: Path) -> list[AgentProcess]:
    """An agent for each member; returns when all members are Ready."""
    agents = [AgentProcess(fleet, name, folder) for name in fleet.members]
    try:
        for agent in agents:
            agent.start()
        asyncio.run(all_ready(fleet))
    except BaseException:
        for agent in agents:
            agent.stop()
        raise
    return agents


async def all_ready(fleet: Fleet) -> None:
    """Wait until all members are in the fleet, and Ready."""
    async with fleet.client("hub") as hub:

        async def check() -> bool:
            told = [(c.body().get("status") or {}).get("conditions") or () for c in (await hub.list(CLUSTERS)).items]
            ready = [any(x["type"] == "Ready" and x["status"] == "True" for x in conditions) for conditions in told]
            return len(ready) == len(fleet.members) and all(ready)

        await eventually(check, 60)
