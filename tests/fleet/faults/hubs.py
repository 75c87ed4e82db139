"""Hubs that are killed, stopped and started again, with failpoints, and what is asked of them afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.identity import HubIdentity
from atoll.fleet.rights import account_name
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from atoll.runtime.failpoints import HITS, VARIABLE
from atoll.testing.auditlog import Request, requests
from atoll.testing.oracle import Dump, dump, touched, wanted_of, wrong
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, World

Json = dict[str, Any]


class Zygote:
    """Forks hubs; see `zygote.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.faults.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip

    def fork(self, argv: list[str], environment: dict[str, str], log: Path) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"argv": argv, "env": environment, "log": str(log)}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)


class FaultyHub(HubProcess):
    """A hub of ours: started in a moment, killed at failpoints."""

    def __init__(self, zygote: Zygote, fleet: Fleet, folder: Path, name: str = "hub") -> None:
        super().__init__(fleet.kubeconfig, folder / f"{name}.log")
        self.zygote = zygote
        self.name = name
        self.hits_file = folder / f"{name}.hits"
        self.pid = 0

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return self.pid != 0

    def start(self, *flags: str, failpoints: str = "", wait: bool = True, elect: bool = False) -> None:
        assert not self.alive
        self.hits_file.unlink(missing_ok=True)
        argv = ["--kubeconfig", str(self.kubeconfig), "--context", "hub", "hub", "--identity", self.name]
        argv += ["--metrics-address", f"127.0.0.1:{self.port}", "--webhook-address", "", "--log-format", "json"]
        argv += [*([] if elect else ["--no-leader-elect"]), *flags]
        environment = {VARIABLE: failpoints, HITS: str(self.hits_file) if failpoints else ""}
        self.pid = self.zygote.fork(argv, environment, self.log)
        if wait:
            self.until(lambda: self.get("/readyz")[0] == 200, "ready", may_die=bool(failpoints))

    def until(self, check: Callable[[], bool], what: str, seconds: float = 60, *, may_die: bool = False) -> None:
        end = time.monotonic() + seconds
        while not check():
            if not self.alive:
                assert may_die, self.log.read_text()[-3000:]
                return
            assert time.monotonic() < end, f"not {what}: {self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def hits(self, name: str) -> int:
        """How often a failpoint of the process started last was reached."""
        return self.hits_file.read_text().splitlines().count(name) if self.hits_file.exists() else 0

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.until(lambda: not self.alive, "dead", 10, may_die=True)

    def stop(self) -> None:
        """As a user would: what it holds, such as its Lease, it gives back."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self.until(lambda: not self.alive, "stopped", 20, may_die=True)


class Trial(World):
    """A world under test: a hub that may die, and an oracle that is asked in the end."""

    def __init__(
        self, hub: FaultyHub, fleet: Fleet, clients: dict[str, Client], namespace: str, me: HubIdentity
    ) -> None:
        super().__init__(hub, fleet, clients, namespace)
        self.machine = hub
        self.identity = me
        self.bystander = f"{namespace}-bystander"
        self.before: dict[str, Dump] = {}

    async def open(self, **labels: str) -> None:
        """Also makes a namespace that nobody is to touch, with objects that look like the Applications'."""
        await super().open(**labels)
        for member in self.members:
            client = self.clients[member]
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.bystander}}
            await client.apply(NAMESPACES, namespace, name=self.bystander, manager="test", force=True)
            for name in ("one", "two"):
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": "theirs"}}
                await client.apply(
                    CONFIGMAPS, body, name=name, namespace=self.bystander, manager="somebody", force=True
                )
            await self.eventually(partial(self._furnished, client))
            self.before[member] = await dump(client)

    async def _furnished(self, client: Client) -> bool:
        """The controllers have put into the new namespace what they put into each."""
        there = {live.name for live in (await client.list(CONFIGMAPS, self.bystander)).items}
        accounts = {live.name for live in (await client.list(SERVICEACCOUNTS, self.bystander)).items}
        return "kube-root-ca.crt" in there and "default" in accounts

    async def close(self) -> None:
        await super().close()
        for member in self.members:
            await self.clients[member].delete(NAMESPACES, self.bystander)

    async def wrongs(self) -> list[str]:
        """What the oracle says now."""
        wanted = await wanted_of(self.hub, self.identity.id, self.members)
        said: list[str] = []
        for member in self.members:
            there = await dump(self.clients[member])
            said += wrong(member, wanted[member], there, self.identity.id)
            said += [f"{member}: bystander: {text}" for text in touched(self.before[member], there, self.bystander)]
        return said

    async def all_right(self, seconds: float = 30.0) -> None:
        """The oracle is satisfied in the end, and all Applications say so."""
        said: list[str] = ["nothing yet"]

        async def check() -> bool:
            nonlocal said
            said = await self.wrongs()
            return not said

        try:
            await eventually(check, seconds)
        except AssertionError:
            raise AssertionError("\n".join([*said, self.machine.log.read_text()[-4000:]])) from None

    def asked(self, member: str, since: str, until: str = "9") -> list[Request]:
        """What the hub asked of a member, by the member's own account; see `atoll.testing.auditlog`."""
        user = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(self.identity.id)}"
        return list(requests(self.fleet.local.folder / member / "audit.log", user, since, until))

    async def applications(self) -> list[Json]:
        return [live.body() for live in (await self.hub.list(APPLICATIONS, self.namespace)).items]
