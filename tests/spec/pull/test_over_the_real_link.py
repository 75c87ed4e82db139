"""The same over the real link: a token, a certificate, a TLS WebSocket; a hub that starts anew; an agent that left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from atoll.agent.enrolling import Command, enrolled
from atoll.agent.main import Options, work
from atoll.agent.state import Folder, State
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.fleet.leave import leave
from atoll.hub.agents.authority import authority
from atoll.hub.agents.endpoint import serve_agents
from atoll.kube.client import Client
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, NAMESPACES
from atoll.link.certificates import fingerprint
from atoll.link.session import Lost
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from atoll.testing.pulledfleet import HubSide, install, register
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap


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
            for cluster in ("a", "b"):
                hub.ends.listener.close(cluster, Lost("Closed", "the hub was killed"))
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


@pytest.fixture
async def linked(apis: dict[str, FakeApi], tmp_path: Path) -> AsyncIterator[Linked]:
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


async def test_applications_travel_and_statuses_come_back(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await linked.clients["b"].patch(CONFIGMAPS, "one", NAMESPACE, {"data": {"v": "spoilt"}})
    await linked.data_becomes("b", "one", v="1")


async def test_a_hub_that_starts_anew_finds_its_agents_and_they_it(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await linked.stop_hub()
    await linked.clients["a"].patch(CONFIGMAPS, "one", NAMESPACE, {"data": {"v": "spoilt"}})
    await linked.data_becomes("a", "one", v="1")
    await linked.deploy("app", configmap("one", v="2"), clusters=("a", "b"))
    await linked.start_hub()
    await linked.ready("app", 30.0)
    assert await linked.data("a", "one") == await linked.data("b", "one") == {"v": "2"}


async def test_a_certificate_of_one_cluster_speaks_for_no_other(linked: Linked) -> None:
    """The agent of `a`, told that it is `b`'s, in another member: its certificate says whose it is."""
    await linked.deploy("app", configmap("one", v="of b"), clusters=("b",))
    await linked.ready("app")
    await cancel_and_wait(linked.working.pop("a"))
    stolen = await Folder(linked.folder / "a").load()
    assert stolen is not None
    state = State("b", stolen.mode, stolen.hub, stolen.addresses, stolen.ca, stolen.key, stolen.certificate)
    options = Options(Folder(linked.folder / "forged"), linked.apis["a"].config, None)
    linked.working["forged"] = asyncio.create_task(work(options, state))
    await linked.deploy("mine", configmap("two", v="1"), clusters=("a",))
    await linked.ready("mine")
    assert await linked.data("a", "one") is None


async def test_who_has_left_is_let_in_no_more(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await leave(linked.hub, "a", timeout=20)
    found = await linked.find("a", CONFIGMAPS, "one")
    assert found is not None
    assert not found["metadata"].get("labels")
    hub = linked.side.hub
    assert hub is not None
    await eventually(lambda: hub.ends.listener.session("a") is None)
    await asyncio.sleep(1.0)
    assert hub.ends.listener.session("a") is None
    assert hub.ends.listener.session("b") is not None
