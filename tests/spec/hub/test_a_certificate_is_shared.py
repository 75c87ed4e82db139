"""The webhook's certificate behind a Service: one for all processes, renewed in time, trusted before it is served."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key
from atoll.hub import webhook
from atoll.hub.shared_webhook import SECRET, SharedCertificate, serve_shared_webhook
from atoll.kube.client import Client
from atoll.kube.resources import NAMESPACES, SECRETS, VALIDATINGWEBHOOKS
from atoll.testing.fakeapi import FakeApi

SERVICE = Key(SYSTEM_NAMESPACE, "atoll-hub")


async def judge(_: Json) -> tuple[()]:
    return ()


HOOKS = (webhook.admission(judge),)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        yield client


async def stored(client: Client) -> dict[str, bytes]:
    data = (await client.get(SECRETS, SECRET, SYSTEM_NAMESPACE)).body()["data"]
    return {name: base64.b64decode(value) for name, value in data.items()}


async def trusted(client: Client) -> bytes:
    body = (await client.get(VALIDATINGWEBHOOKS, webhook.NAME)).body()
    return base64.b64decode(body["webhooks"][0]["clientConfig"]["caBundle"])


async def test_all_processes_serve_the_one_that_the_first_made(client: Client) -> None:
    await SharedCertificate(client, SERVICE, HOOKS).renew()
    first = await stored(client)
    await SharedCertificate(client, SERVICE, HOOKS).renew()
    assert await stored(client) == first
    assert await trusted(client) == first["ca.crt"] == first["tls.crt"]


async def test_it_is_renewed_at_half_its_life_and_the_old_one_stays_trusted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LIFETIME", timedelta(seconds=60))  # it began five minutes ago
    await SharedCertificate(client, SERVICE, HOOKS).renew()
    old = await stored(client)
    monkeypatch.undo()
    other = SharedCertificate(client, SERVICE, HOOKS)
    await other.renew()
    new = await stored(client)
    assert new["tls.crt"] != old["tls.crt"]
    assert new["ca.crt"] == new["tls.crt"] + old["tls.crt"]
    assert await trusted(client) == new["ca.crt"]
    await other.renew()
    assert await stored(client) == new


@pytest.mark.parametrize("spoil", ["tls.crt", "tls.key"])
async def test_one_that_cannot_be_served_is_replaced(client: Client, spoil: str) -> None:
    await SharedCertificate(client, SERVICE, HOOKS).renew()
    before = await stored(client)
    nonsense = {"data": {spoil: base64.b64encode(b"nonsense").decode()}}
    await client.patch(SECRETS, SECRET, SYSTEM_NAMESPACE, nonsense, type="merge")
    await SharedCertificate(client, SERVICE, HOOKS).renew()
    after = await stored(client)
    assert after["tls.crt"] != before["tls.crt"]
    assert await trusted(client) == after["ca.crt"]


async def test_a_configuration_that_somebody_changed_is_put_right(client: Client) -> None:
    shared = SharedCertificate(client, SERVICE, HOOKS)
    await shared.renew()
    bundle = await trusted(client)
    await client.delete(VALIDATINGWEBHOOKS, webhook.NAME)
    await shared.renew()
    assert await trusted(client) == bundle


async def test_nothing_is_written_when_nothing_is_due(client: Client) -> None:
    shared = SharedCertificate(client, SERVICE, HOOKS)
    await shared.renew()
    versions = [
        (await client.get(SECRETS, SECRET, SYSTEM_NAMESPACE)).resource_version,
        (await client.get(VALIDATINGWEBHOOKS, webhook.NAME)).resource_version,
    ]
    await shared.renew()
    assert versions == [
        (await client.get(SECRETS, SECRET, SYSTEM_NAMESPACE)).resource_version,
        (await client.get(VALIDATINGWEBHOOKS, webhook.NAME)).resource_version,
    ]


async def test_it_is_served_as_the_services(client: Client) -> None:
    """What the API server does: it asks for the Service's name, and trusts the bundle."""

    async with serve_shared_webhook(client, "127.0.0.1:0", SERVICE, HOOKS) as address:
        context = ssl.create_default_context(cadata=(await trusted(client)).decode())
        host, _, port = address.rpartition(":")
        _, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname="atoll-hub.atoll-system.svc"
        )
        writer.close()
        await writer.wait_closed()
