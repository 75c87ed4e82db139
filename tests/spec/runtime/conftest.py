"""A fake API server, a client of it, and things that run beside a test."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.fakeapi import FakeApi, Kind


class Server:
    """The server, and ConfigMaps in it in few words; what is done here is done by others than the client."""

    def __init__(self, api: FakeApi, client: Client) -> None:
        self.api, self.client = api, client
        found = api.cluster.kinds.of(CONFIGMAPS.group_kind)
        assert found is not None
        self.kind: Kind = found

    def put(self, name: str, x: str = "1", *, namespace: str = "default", **labels: str) -> Json:
        body: Json = {"metadata": {"name": name, "labels": labels}, "data": {"x": x}}
        return self.api.cluster.apply(self.kind, namespace, name, body, manager="test")

    def delete(self, name: str, namespace: str = "default") -> None:
        self.api.cluster.delete(self.kind, namespace, name)

    async def break_watches(self) -> None:
        """Break the connections of all watches, of which there must be one."""
        await until(lambda: self.api.watching > 0)
        self.api.break_connections()

    def contents(self) -> dict[str, str]:
        return {name: body["data"]["x"] for (_, name), body in self.api.cluster.store.all(self.kind.group_kind).items()}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with FakeApi(bookmark_every=0.05) as api, Client(api.config) as client:
        yield Server(api, client)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  any condition can be waited for
            await asyncio.sleep(0.002)
