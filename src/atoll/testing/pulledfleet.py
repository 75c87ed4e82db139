"""A hub and agents in pull mode in one process, over wires that can be cut: on any API servers, fake ones at the least.

`HubSide` starts and stops a hub; `AgentSide` an agent, and calls the hub again whenever the wire is gone, as an agent
does. Nothing here authenticates anybody: a wire simply says whose it is.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Protocol

from atoll.agent.pulling.agent import PullAgent
from atoll.api.crds import crds
from atoll.api.objects import Json
from atoll.fleet.identity import hub_identity
from atoll.hub.hub import Hub
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.resources import CLUSTERS, CRDS
from atoll.link.session import LinkError, Session
from atoll.pull.framing import ProtocolError
from atoll.pull.protocol import SPOKEN, Versions
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.wires import Wire

CALL_AGAIN = 0.2


async def install(client: Client) -> None:
    """The hub's kinds on its API server, when they aren't there."""
    for crd in crds():
        await client.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)


async def register(client: Client, name: str, *, mode: str = "pull", **labels: str) -> None:
    """A Cluster that only its agent reaches."""
    body: Json = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "labels": labels},
        "spec": {"connection": {mode: {}}},
    }
    await client.apply(CLUSTERS, body, name=name, manager="test", force=True)


class Call(Protocol):
    """A connection of an agent with its hub, until it is closed."""

    @property
    def agent(self) -> Session:
        """The agent's end."""
        ...

    async def close(self) -> None: ...


class Line(Protocol):
    """The hub's end of a call."""

    async def close(self) -> None: ...


class Caller(Protocol):
    """Where agents call."""

    def call(self, cluster: str) -> Call | None:
        """A connection for the agent of `cluster`; None when nobody answers."""
        ...


class HubSide:
    """A hub process's work, without the process. `client` is its own; it is closed by whoever made it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.hub: Hub | None = None
        self.wires: set[Line] = set()
        self.leads = True
        self._task: asyncio.Task[None] | None = None

    async def start(self, ready: float = 30.0) -> None:
        """Returns when it works."""
        hub = Hub(self.client, await hub_identity(self.client), lambda: self.leads)
        self._task = asyncio.create_task(hub.run())
        end = time.monotonic() + ready
        while hub.unready:
            if self._task.done() or time.monotonic() > end:
                raise RuntimeError(f"the hub doesn't work: {hub.unready}") from (
                    self._task.exception() if self._task.done() else None
                )
            await asyncio.sleep(0.01)
        self.hub = hub

    async def stop(self) -> None:
        """As if the process were killed: nobody is told."""
        self.hub = None
        lines, self.wires = self.wires, set()
        for line in lines:
            await line.close()
        if self._task is not None:
            await cancel_and_wait(self._task)
            self._task = None

    def call(self, cluster: str) -> Wire | None:
        """What an agent of `cluster` does (see Caller)."""
        wire = Wire(cluster)
        return wire if self.accept(wire) else None

    def accept(self, wire: Wire) -> bool:
        """Take the call; False while nobody is there."""
        if self.hub is None:
            return False
        self.hub.pulled.serve(wire.hub)
        self.wires.add(wire)
        return True


class AgentSide:
    """An agent of cluster `name`, whose member is at `config`."""

    def __init__(
        self,
        name: str,
        config: Config,
        hub: Caller,
        spoken: Versions = SPOKEN,
        *,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.config = config
        self.hub = hub
        self.agent: PullAgent | None = None
        self.wire: Call | None = None
        self.ends: list[str] = []
        """Why the conversations ended."""
        self._spoken, self._namespaces = spoken, namespaces
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    def start(self) -> None:
        agent = self.agent = PullAgent(self.config, namespaces=self._namespaces, spoken=self._spoken)
        self._tasks = asyncio.create_task(agent.run()), asyncio.create_task(self._call(agent))

    async def stop(self) -> None:
        """As if the process were killed."""
        for task in self._tasks:
            await cancel_and_wait(task)
        self._tasks, self.agent = (), None

    async def _call(self, agent: PullAgent) -> None:
        while True:
            wire = self.wire = self.hub.call(self.name)
            if wire is not None:
                try:
                    agent.serve(wire.agent)
                    await agent.attend(wire.agent)
                except (LinkError, ProtocolError) as error:
                    self.ends.append(str(error))
                finally:
                    await wire.close()
                    self.wire = None
            await asyncio.sleep(CALL_AGAIN)


@contextlib.asynccontextmanager
async def running(*sides: "HubSide | AgentSide") -> AsyncIterator[None]:
    """Start them in this order, and stop them in the other."""
    started: list[HubSide | AgentSide] = []
    try:
        for side in sides:
            started.append(side)
            if isinstance(side, HubSide):
                await side.start()
            else:
                side.start()
        yield
    finally:
        for side in reversed(started):
            await side.stop()
