"""A hub with its real endpoint, and agents that dial it: tokens, certificates, TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from atoll.agent.enrolling import Command, enrolled
from atoll.agent.main import Options, work
from atoll.agent.state import Folder, State
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.hub.agents.authority import authority
from atoll.hub.agents.endpoint import serve_agents
from atoll.kube.client import Client
from atoll.kube.resources import CLUSTERS, NAMESPACES
from atoll.link.certificates import fingerprint
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from atoll.testing.pulledfleet import HubSide, install, register
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled


class Linked(Pulled):
    """A hub with its endpoint, and agents that dial it."""

    def __init__(self, side: HubSide, clients: dict[str, Client], apis: dict[str, FakeApi], folder: Path) -> None:
        super().__init__(side, {}, clients)
        self.apis = apis
        self.folder = folder
        self.port = 0
        self.serving: AsyncExitStack | None = None
        self.working: dict[str, asyncio.Task[None]] = {}

    async def start_hub(self) -> None:
        """The hub and its endpoint, on the port that it had before."""
        await self.side.start()
        hub = self.side.hub
        assert hub is not None
        self.serving = AsyncExitStack()
        me, address = await hub_identity(self.hub), f"127.0.0.1:{self.port}"
        bound = await self.serving.enter_async_context(
            serve_agents(self.side.client, me.id, address, ("127.0.0.1",), hub)
        )
        self.port = int(bound.rpartition(":")[2])

    async def stop_hub(self) -> None:
        hub, serving, self.serving = self.side.hub, self.serving, None
        if hub is not None and serving is not None:
            await serving.aclose()
        await self.side.stop()

    async def enrol(self, cluster: str) -> State:
        await eventually(lambda: self.hosted(cluster))
        token, _ = await tokens.create(self.hub, cluster)
        me = await hub_identity(self.hub)
        pin = fingerprint((await authority(self.hub, me.id)).certificate)
        command = Command(f"https://127.0.0.1:{self.port}", cluster, token, pin)
        return await enrolled(Folder(self.folder / cluster), command)

    async def hosted(self, cluster: str) -> bool:
        return bool((await self.hub.get(CLUSTERS, cluster)).finalizers)

    def dial(self, cluster: str, state: State) -> None:
        options = Options(Folder(self.folder / cluster), self.apis[cluster].config, None)
        self.working[cluster] = asyncio.create_task(work(options, state))

    async def close(self) -> None:
        for task in self.working.values():
            await cancel_and_wait(task)
        await self.stop_hub()


@asynccontextmanager
async def opened(apis: dict[str, FakeApi], tmp_path: Path) -> AsyncIterator[Linked]:
    """With the agents of `a` and `b` enrolled and on their way."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(api.config)) for name, api in apis.items()}
        await install(clients["hub"])
        await clients["hub"].create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        side = HubSide(await stack.enter_async_context(Client(apis["hub"].config)))
        linked = Linked(side, clients, apis, tmp_path)
        try:
            for name in ("a", "b"):
                await register(clients["hub"], name)
            await linked.start_hub()
            for name in ("a", "b"):
                linked.dial(name, await linked.enrol(name))
            yield linked
        finally:
            await linked.close()
