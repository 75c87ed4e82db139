"""Nothing is started beside a KubeFed controller manager that runs on the same host."""

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.names import LEADER_LOCK, NAMESPACE
from atoll.hub.kubefed import leading
from atoll.hub.kubefed.leading import KubeFedRunsError, check_free, identity, terms
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.runtime.locks import ANNOTATION, CONFIGMAP, ENDPOINT
from atoll.testing.fakeapi import FakeApi

HELD = terms(None)


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(leading, "LOOK_EVERY", 0.02)
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        yield client


async def hold(client: Client, holder: str, second: int = 0) -> None:
    record = {"holderIdentity": holder, "leaseDurationSeconds": 1, "renewTime": f"2026-01-01T00:00:{second:02}Z"}
    metadata = {"name": LEADER_LOCK, "namespace": NAMESPACE, "annotations": {ANNOTATION: json.dumps(record)}}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    await client.apply(CONFIGMAPS, body, name=LEADER_LOCK, namespace=NAMESPACE, manager="kubefed", force=True)


async def test_a_lock_that_nobody_made_is_free(client: Client) -> None:
    await check_free(client, NAMESPACE, HELD)


@pytest.mark.parametrize("holder", ["", identity()])
async def test_a_lock_that_nobody_holds_or_atoll_is_free_at_once(client: Client, holder: str) -> None:
    await hold(client, holder)
    async with asyncio.timeout(0.5):
        await check_free(client, NAMESPACE, HELD)


async def test_a_kubefed_that_renews_its_lock_is_named_and_respected(client: Client) -> None:
    await hold(client, "host-1_a5c1")
    checking = asyncio.create_task(check_free(client, NAMESPACE, HELD))
    await asyncio.sleep(0.1)
    assert not checking.done()
    await hold(client, "host-1_a5c1", second=5)
    with pytest.raises(KubeFedRunsError, match=f"host-1_a5c1 holds ConfigMap {NAMESPACE}/{LEADER_LOCK}"):
        await checking


async def test_a_kubefed_that_is_gone_is_waited_for_as_its_lease_says(client: Client) -> None:
    await hold(client, "host-1_a5c1")
    began = asyncio.get_running_loop().time()
    await check_free(client, NAMESPACE, HELD)
    assert asyncio.get_running_loop().time() - began >= 1


async def test_a_kubefed_that_lets_go_is_not_in_the_way(client: Client) -> None:
    await hold(client, "host-1_a5c1")
    checking = asyncio.create_task(check_free(client, NAMESPACE, HELD))
    await asyncio.sleep(0.05)
    await hold(client, "", second=5)
    async with asyncio.timeout(0.5):
        await checking


def test_the_lock_is_held_as_the_control_plane_is_configured() -> None:
    assert (HELD.lock, HELD.duration, HELD.renew, HELD.retry) == (CONFIGMAP, 15, 10, 5)
    elect = {"resourceLock": "endpoints", "leaseDuration": "1m", "renewDeadline": "40s"}
    spec = {"scope": "Cluster", "leaderElect": elect}
    config = msgspec.convert({"metadata": {"name": "kubefed"}, "spec": spec}, KubeFedConfig)
    assert tuple(terms(config)) == (ENDPOINT, 60, 40, 5)
