"""Hub processes in virtual time: started, killed as SIGKILL kills, stopped and continued."""

import asyncio
from contextvars import copy_context
from functools import partial

from atoll.api.names import LEASE_HUB, SYSTEM_NAMESPACE
from atoll.fleet.identity import hub_identity
from atoll.hub.hub import Hub
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.runtime.lease import LeaderElection
from atoll.runtime.supervise import keep
from atoll.testing.fakefleet.servers import Server, Wire
from atoll.testing.fakefleet.virtualtime import PROCESS, VirtualLoop


class HubProcess:
    """One life of a hub process. What it remembers goes with it."""

    def __init__(self, name: str, hub: Server, servers: dict[str, Server], loop: VirtualLoop) -> None:
        self.name = name
        self.frozen = False
        self.hub: Hub | None = None
        """The hub at work, while this process leads."""
        self._loop = loop
        self._config = Config(server=hub.url)
        self._wire = Wire(name, servers)
        context = copy_context()
        context.run(PROCESS.set, name)
        self._task = loop.create_task(keep("hub", self._run), name=name, context=context)

    async def _run(self) -> None:
        """As `atoll.hub.main` does, without its HTTP servers; a process that fails is started again."""
        connect = partial(Client, transport=self._wire.transport)
        async with connect(self._config) as client:
            await hub_identity(client)
            election = LeaderElection(client, LEASE_HUB, SYSTEM_NAMESPACE, self.name)

            async def lead() -> None:
                self.hub = Hub(client, await hub_identity(client), lambda: election.leading, connect)
                try:
                    await self.hub.run()
                finally:
                    self.hub = None

            await election.run(lead)

    def freeze(self) -> None:
        """SIGSTOP."""
        self.frozen = True
        self._loop.freeze(self.name)

    def thaw(self) -> None:
        """SIGCONT."""
        self.frozen = False
        self._loop.thaw(self.name)

    async def kill(self) -> list[str]:
        """SIGKILL: nothing it sends arrives any more. The names of tasks that outlived their scopes."""
        self._wire.cut = True
        if self.frozen:
            self.thaw()
        self._task.cancel()
        await asyncio.wait([self._task])
        return [task.get_name() for task in self._loop.tasks_of(self.name)]
