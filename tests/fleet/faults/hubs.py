"""Hubs that are killed, stopped and started again, and what is asked of them afterwards."""

from functools import partial
from pathlib import Path
from typing import Any

from atoll.agent.pulling.store import MARK
from atoll.fleet.identity import HubIdentity
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from atoll.testing.auditlog import Request, requests
from atoll.testing.oracle import Dump, dump, touched, wanted_of, wrong
from tests.delivering import eventually
from tests.fleet.faults.forked import Forked, Zygote
from tests.fleet.faults.members import FaultyAgent, Members
from tests.fleet.hub.world import HubProcess, World

Json = dict[str, Any]


class FaultyHub(Forked, HubProcess):
    """A hub of ours: started in a moment, killed at failpoints. It listens for agents where there are any."""

    def __init__(
        self, zygote: Zygote, members: Members, folder: Path, name: str = "hub", *, second: bool = False
    ) -> None:
        HubProcess.__init__(self, members.fleet.kubeconfig, folder / f"{name}.log")
        Forked.__init__(self, zygote, folder, name)
        self.listen = []
        if members.ports:
            hosts = [f"--agents-host=127.0.0.1:{port}" for port in members.ports]
            self.listen = ["--agents-address", f"127.0.0.1:{members.ports[second]}", *hosts]

    def start(self, *flags: str, failpoints: str = "", wait: bool = True, elect: bool = False) -> None:
        argv = ["--kubeconfig", str(self.kubeconfig), "--context", "hub", "hub", "--identity", self.name]
        argv += ["--metrics-address", f"127.0.0.1:{self.port}", "--webhook-address", "", "--log-format", "json"]
        self.fork([*argv, *self.listen, *([] if elect else ["--no-leader-elect"]), *flags], failpoints)
        if wait:
            self.until(lambda: self.get("/readyz")[0] == 200, "ready", may_die=bool(failpoints))


class Trial(World):
    """A world under test: a hub that may die, and an oracle that is asked in the end."""

    def __init__(
        self, hub: FaultyHub, reached: Members, clients: dict[str, Client], namespace: str, me: HubIdentity
    ) -> None:
        super().__init__(hub, reached.fleet, clients, namespace)
        self.machine = hub
        self.reached = reached
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
        """What was asked of a member on the hub's behalf, by the member's account; see `atoll.testing.auditlog`.

        Where an agent keeps what it was told doesn't count.
        """
        user = self.reached.asker(self.identity.id)
        found = requests(self.fleet.local.folder / member / "audit.log", user, since, until)
        return [one for one in found if not of_its_own(one)]

    def meets(self, point: str, member: str) -> FaultyHub | FaultyAgent:
        """Who comes to this failpoint for `member`: in pull mode it is its agent that writes there."""
        if self.reached.mode == "pull" and point.startswith("deliver."):
            return self.reached.agents[member]
        return self.machine

    def writers(self) -> tuple[FaultyHub | FaultyAgent, ...]:
        """Who writes to members."""
        return tuple(self.reached.agents.values()) if self.reached.mode == "pull" else (self.machine,)

    async def applications(self) -> list[Json]:
        return [live.body() for live in (await self.hub.list(APPLICATIONS, self.namespace)).items]


def of_its_own(request: Request) -> bool:
    """An agent's, for its memory."""
    return request.resource == "secrets" and request.name.startswith(MARK)
