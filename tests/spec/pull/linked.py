"""A hub with its real endpoint, and agents that dial it: tokens, certificates, TLS."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from atoll.agent.enrolling import Command, enrolled
from atoll.agent.main import Options, work
from atoll.agent.state import Folder, State
from atoll.fleet import credentials, tokens
from atoll.fleet.credentials import Token
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
        self.hosts: tuple[str, ...] = ("127.0.0.1",)
        self.serving: AsyncExitStack | None = None
        self.working: dict[str, asyncio.Task[None]] = {}

    async def start_hub(self) -> None:
        """The hub and its endpoint, on the port that it had before."""
        await self.side.start()
        hub = self.side.hub
        assert hub is not None
        self.serving = AsyncExitStack()
        me, address = await hub_identity(self.hub), f"127.0.0.1:{self.port}"
        bound = await self.serving.enter_async_context(serve_agents(self.side.client, me.id, address, self.hosts, hub))
        self.port = int(bound.rpartition(":")[2])

    async def stop_hub(self) -> None:
        hub, serving, self.serving = self.side.hub, self.serving, None
        if hub is not None and serving is not None:
            await serving.aclose()
        await self.side.stop()

    async def enrol(self, cluster: str, address: str = "") -> State:
        """By the hub's own address, or another that leads there."""
        await eventually(lambda: self.hosted(cluster))
        token, _ = await tokens.create(self.hub, cluster)
        me = await hub_identity(self.hub)
        pin = fingerprint((await authority(self.hub, me.id)).certificate)
        command = Command(address or f"https://127.0.0.1:{self.port}", cluster, token, pin)
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


def issuing(monkeypatch: pytest.MonkeyPatch, life: float = 3600.0) -> list[str]:
    """Members issue tokens, each another one, as fake API servers don't: nor do they ask for any. The tokens so far."""
    issued: list[str] = []

    async def issue(_member: Client, _hub: str) -> Token:
        issued.append(secrets.token_hex(8))
        return Token(issued[-1], time.time(), time.time() + life)

    monkeypatch.setattr(credentials, "issue", issue)
    return issued


@asynccontextmanager
async def opened(apis: dict[str, FakeApi], tmp_path: Path, mode: str = "pull") -> AsyncIterator[Linked]:
    """With the agents of `a` and `b` enrolled and on their way."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(api.config)) for name, api in apis.items()}
        await install(clients["hub"])
        await clients["hub"].create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        side = HubSide(await stack.enter_async_context(Client(apis["hub"].config)))
        linked = Linked(side, clients, apis, tmp_path)
        try:
            for name in ("a", "b"):
                await register(clients["hub"], name, mode=mode)
            await linked.start_hub()
            for name in ("a", "b"):
                linked.dial(name, await linked.enrol(name))
            yield linked
        finally:
            await linked.close()
