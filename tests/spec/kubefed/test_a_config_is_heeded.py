"""The KubeFedConfig: completed on the hub, made where there is none, and what of it is heeded."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from atoll.api.kubefed.config import KubeFedConfigSpec
from atoll.api.kubefed.definitions import crds
from atoll.hub.kubefed.settings import Settings, configured, settings
from atoll.kube.client import Client
from atoll.kube.kubefed_resources import KUBEFEDCONFIGS
from atoll.kube.resources import CRDS, NAMESPACES
from atoll.testing.fakeapi import FakeApi


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "kfs"}})
        for crd in crds():
            await client.create(CRDS, crd)
        yield client


def heeded(**spec: Any) -> Settings:
    return settings("kfs", msgspec.convert({"scope": "Cluster", **spec}, KubeFedConfigSpec))


async def test_what_is_missing_is_written_back(client: Client) -> None:
    body = {"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedConfig"}
    await client.create(
        KUBEFEDCONFIGS,
        {
            **body,
            "metadata": {"name": "kubefed", "namespace": "kfs"},
            "spec": {"scope": "Namespaced", "syncController": {"adoptResources": "Disabled"}},
        },
    )
    await configured(client, "kfs")
    spec = (await client.get(KUBEFEDCONFIGS, "kubefed", "kfs")).body()["spec"]
    assert spec["syncController"] == {"adoptResources": "Disabled", "maxConcurrentReconciles": 1}
    assert spec["clusterHealthCheck"]["period"] == "10s"
    assert spec["scope"] == "Namespaced"


async def test_a_complete_one_is_left_alone(client: Client) -> None:
    await configured(client, "kfs")
    before = await client.get(KUBEFEDCONFIGS, "kubefed", "kfs")
    await configured(client, "kfs")
    assert (await client.get(KUBEFEDCONFIGS, "kubefed", "kfs")).resource_version == before.resource_version


def test_without_a_word_it_is_kubefeds_defaults() -> None:
    assert heeded() == Settings("kfs", away=20.0)


def test_what_is_heeded() -> None:
    found = heeded(
        scope="Namespaced",
        syncController={"adoptResources": "Disabled"},
        featureGates=[
            {"name": "RawResourceStatusCollection", "configuration": "Enabled"},
            {"name": "PushReconciler", "configuration": "Disabled"},
            {"name": "SchedulerPreferences", "configuration": "Disabled"},
        ],
        clusterHealthCheck={"period": "2s", "failureThreshold": 5, "successThreshold": 2},
    )
    assert found == Settings("kfs", True, False, True, False, False, 8.0, 2.0)
    assert found.watched == "kfs"
