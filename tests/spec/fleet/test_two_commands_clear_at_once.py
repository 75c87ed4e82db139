"""Who clears away what is long over isn't disturbed by another that was quicker."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet import grants, tokens
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES, SECRETS
from atoll.testing.fakeapi import FakeApi


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """Whatever is deleted here, another had deleted a moment before."""
    async with FakeApi() as api, Client(api.config) as client:
        delete = Client.delete

        async def late(self: Client, *what: Any, **how: Any) -> Any:
            await delete(self, *what, **how)
            return await delete(self, *what, **how)

        monkeypatch.setattr(Client, "delete", late)
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        data = {"agents-addresses": "https://hub:8443", "agents-authority": ""}
        await client.create(CONFIGMAPS, {"metadata": {"name": "hub", "namespace": SYSTEM_NAMESPACE}, "data": data})
        yield client


async def test_grants(hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "LIFE", -1.0)
    async with grants.granted(hub, "eu"), grants.granted(hub, "us") as config:
        assert config.server.endswith("/clusters/us/kube")
    assert not (await hub.list(SECRETS, SYSTEM_NAMESPACE)).items


async def test_join_tokens(hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    _, kept = await tokens.create(hub, "eu")
    with monkeypatch.context() as longer_ago:
        longer_ago.setattr(tokens, "_body", _over(tokens._body))
        await tokens.create(hub, "us")
    assert await tokens.records(hub) == (kept,)


def _over(body: Any) -> Any:
    return lambda record: body(msgspec.structs.replace(record, expires=time.time() - tokens.KEPT - 1))
