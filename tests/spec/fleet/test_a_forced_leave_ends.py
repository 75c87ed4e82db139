"""`cluster leave --force` where no hub runs: it does the hub's part, and waits for nobody without an end."""

from collections.abc import AsyncIterator

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet import leave as leaving
from atoll.fleet.leave import CLUSTER_FINALIZER, LeaveTimeoutError, leave
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, Kind


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeApi]:
    monkeypatch.setattr(leaving, "FORCE_GRACE", 0.0)
    monkeypatch.setattr(leaving, "LOOK_EVERY", 0.01)
    async with FakeApi() as api:
        api.cluster.kinds.add(Kind(CLUSTERS))
        yield api


async def hub_with(client: Client, *finalizers: str) -> None:
    await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
    await client.create(CLUSTERS, {"metadata": {"name": "eu", "finalizers": list(finalizers)}, "spec": {}})


async def test_its_own_finalizer_goes(api: FakeApi) -> None:
    async with Client(api.config) as client:
        await hub_with(client, CLUSTER_FINALIZER)
        await leave(client, "eu", "force", timeout=5.0)
        with pytest.raises(NotFound):
            await client.get(CLUSTERS, "eu")


async def test_anothers_is_waited_for_and_named(api: FakeApi) -> None:
    """It was asked after as fast as the API server answered, and for ever."""
    async with Client(api.config) as client:
        await hub_with(client, CLUSTER_FINALIZER, "example.org/audit")
        with pytest.raises(LeaveTimeoutError, match=r"example\.org/audit"):
            await leave(client, "eu", "force", timeout=0.1)
        assert (await client.get(CLUSTERS, "eu")).finalizers == ("example.org/audit",)
        assert api.requests["patch"] == 2
