"""`atoll cluster resume` confirms to one agent what a restored hub says; elsewhere it says what does."""

import pytest

from atoll.fleet.resume import resume
from atoll.kube.errors import ConfigError
from atoll.kube.resources import CLUSTERS
from atoll.testing.fakeapi import FakeApi

from .conftest import Pulled, configmap
from .test_a_hub_that_was_restored import Backup


async def test_it_returns_when_the_agent_believes_the_hub_again(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    await pulled.deploy("app", configmap("one", v="old"))
    await pulled.ready("app")
    backup = Backup(apis["hub"])
    await pulled.deploy("app", configmap("one", v="new"))
    await pulled.ready("app")
    await backup.restore(pulled)
    await pulled.row_becomes("app", state="Conflict")
    assert not await resume(pulled.hub, "a", timeout=10, manager="test")
    await pulled.ready("app")
    assert await pulled.data("a", "one") == {"v": "old"}


async def test_it_says_what_is_left_when_the_agent_is_away(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    await pulled.deploy("app", configmap("one", v="old"))
    await pulled.ready("app")
    backup = Backup(apis["hub"])
    await pulled.deploy("app", configmap("one", v="new"))
    await pulled.ready("app")
    await backup.restore(pulled)
    await pulled.row_becomes("app", state="Conflict")
    await pulled.agents["a"].stop()
    assert "restored from a backup" in await resume(pulled.hub, "a", timeout=1, manager="test")
    pulled.agents["a"].start()
    await pulled.ready("app")


async def test_a_cluster_without_such_an_agent_is_confirmed_otherwise(pulled: Pulled) -> None:
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "near"},
        "spec": {"connection": {"direct": {"kubeconfigSecret": "near"}}},
    }
    await pulled.hub.create(CLUSTERS, body)
    with pytest.raises(ConfigError, match="epoch"):
        await resume(pulled.hub, "near", timeout=1, manager="test")
