"""A hub and pull agents in one process, on fake API servers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atoll.api.objects import Json
from atoll.hub.pulled import connection, conversation
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, FakeCluster
from atoll.testing.pulledfleet import AgentSide, HubSide, install, register
from tests.delivering import eventually

if TYPE_CHECKING:
    from .linked import Linked

NAMESPACE = "demo"


class Pulled:
    """A hub, members `a` and `b`, and what is asked of them."""

    def __init__(self, hub: HubSide, agents: dict[str, AgentSide], clients: dict[str, Client]) -> None:
        self.side = hub
        self.agents = agents
        self.clients = clients

    @property
    def hub(self) -> Client:
        return self.clients["hub"]

    async def deploy(self, name: str, *manifests: Json, clusters: tuple[str, ...] = ("a",), **spec: Any) -> str:
        body = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"manifests": list(manifests), "placement": {"clusters": list(clusters)}, **spec},
        }
        live = await self.hub.apply(APPLICATIONS, body, name=name, namespace=NAMESPACE, manager="test", force=True)
        return live.uid

    async def delete(self, name: str) -> None:
        await self.hub.delete(APPLICATIONS, name, NAMESPACE)

    async def status(self, name: str) -> Json:
        body = (await self.hub.get(APPLICATIONS, name, NAMESPACE)).body()
        status: Json = body.get("status") or {}
        return status if status.get("observedGeneration") == body["metadata"]["generation"] else {}

    async def row(self, name: str, cluster: str = "a") -> Json:
        rows = (await self.status(name)).get("clusters") or ()
        return next((row for row in rows if row["name"] == cluster), {})

    async def row_becomes(self, name: str, cluster: str = "a", *, seconds: float = 20.0, **wanted: str) -> Json:
        found: Json = {}

        async def check() -> bool:
            nonlocal found
            found = await self.row(name, cluster)
            return bool(found) and all(found.get(key) == value for key, value in wanted.items())

        try:
            await eventually(check, seconds)
        except AssertionError:
            raise AssertionError(f"{name} on {cluster} is not {wanted} but {found}") from None
        return found

    async def ready(self, name: str, seconds: float = 20.0) -> Json:
        status: Json = {}

        async def check() -> bool:
            nonlocal status
            status = await self.status(name)
            return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))

        try:
            await eventually(check, seconds)
        except AssertionError:
            raise AssertionError(f"{name} is not Ready: {status}") from None
        return status

    async def gone(self, name: str, seconds: float = 20.0) -> None:
        async def check() -> bool:
            return await self._find(self.hub, APPLICATIONS, name) is None

        await eventually(check, seconds)

    async def find(self, cluster: str, resource: Resource, name: str, namespace: str = NAMESPACE) -> Json | None:
        return await self._find(self.clients[cluster], resource, name, namespace)

    async def data(self, cluster: str, name: str) -> dict[str, str] | None:
        """A ConfigMap's; None when it isn't there."""
        found = await self.find(cluster, CONFIGMAPS, name)
        return found["data"] if found is not None else None

    async def data_becomes(self, cluster: str, name: str, seconds: float = 20.0, **wanted: str) -> None:
        async def check() -> bool:
            return await self.data(cluster, name) == (wanted or None)

        await eventually(check, seconds)

    async def condition(self, cluster: str, kind: str) -> Json:
        body = (await self.hub.get(CLUSTERS, cluster)).body()
        found = (body.get("status") or {}).get("conditions") or ()
        return next((c for c in found if c["type"] == kind), {})

    async def reachable(self, cluster: str, status: str, seconds: float = 20.0) -> Json:
        async def check() -> bool:
            return (await self.condition(cluster, "Reachable")).get("status") == status

        await eventually(check, seconds)
        return await self.condition(cluster, "Reachable")

    @staticmethod
    async def _find(client: Client, resource: Resource, name: str, namespace: str = NAMESPACE) -> Json | None:
        try:
            return (await client.get(resource, name, namespace)).body()
        except NotFound:
            return None


def configmap(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent is given up after two seconds, not twelve."""
    monkeypatch.setattr(conversation, "BEAT", 0.5)
    monkeypatch.setattr(connection, "AWAY", 2.0)


@pytest.fixture
async def apis() -> AsyncIterator[dict[str, FakeApi]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(FakeApi(FakeCluster(seed)))
            for seed, name in enumerate(("hub", "a", "b"), start=1)
        }


@pytest.fixture
async def pulled(apis: dict[str, FakeApi]) -> AsyncIterator[Pulled]:
    """The hub runs, and the agents of both members call it."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(api.config)) for name, api in apis.items()}
        await install(clients["hub"])
        await clients["hub"].create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        side = HubSide(await stack.enter_async_context(Client(apis["hub"].config)))
        agents = {name: AgentSide(name, apis[name].config, side) for name in ("a", "b")}
        world = Pulled(side, agents, clients)
        try:
            for name in agents:
                await register(clients["hub"], name)
            await side.start()
            for agent in agents.values():
                agent.start()
            yield world
        finally:
            for agent in agents.values():
                await agent.stop()
            await side.stop()


@pytest.fixture
async def linked(apis: dict[str, FakeApi], tmp_path: Path) -> AsyncIterator["Linked"]:
    """The same over the real link."""
    from .linked import opened

    async with opened(apis, tmp_path) as made:
        yield made
