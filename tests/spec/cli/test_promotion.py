"""Promoting: what is read of a member, and what keeps it from being done."""

from collections.abc import AsyncIterator

import pytest

from atoll.api.objects import Json
from atoll.cli.application.promotion import Promotion, check_free, copies, find_kind, gather
from atoll.cli.exits import CommandError
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES, SECRETS
from atoll.testing.fakeapi import FakeApi

OWNER = {"apiVersion": "example.io/v1", "kind": "Certificate", "name": "tls", "uid": "1", "controller": True}


@pytest.fixture
async def member() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        yield client


@pytest.fixture
async def hub() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "shop"}})
        yield client


async def put(client: Client, kind: str, name: str, **metadata: object) -> None:
    body: Json = {"metadata": {"name": name, "namespace": "shop", **metadata}, "data": {"k": "dg=="}}
    await client.create(SECRETS if kind == "Secret" else CONFIGMAPS, body)


async def test_a_kind_is_found_as_people_call_it(member: Client) -> None:
    for text in ("configmap", "ConfigMaps", "cm"):
        assert (await find_kind(member, "eu-1", text)).kind == "ConfigMap"
    with pytest.raises(CommandError, match="cluster eu-1 has no kind gizmo"):
        await find_kind(member, "eu-1", "gizmo")
    with pytest.raises(CommandError, match="cluster-scoped"):
        await find_kind(member, "eu-1", "namespace")


async def test_server_fields_and_marks_of_others_are_left_out(member: Client) -> None:
    await put(member, "ConfigMap", "settings", annotations={"team": "shop"})
    found = await gather(member, "eu-1", "configmap", "settings", "shop")
    [manifest] = found.spec()["manifests"]
    assert manifest["metadata"] == {"name": "settings", "annotations": {"team": "shop"}}
    assert found.spec()["adopt"] is True
    assert "select" not in found.spec()


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"ownerReferences": [OWNER]}, "is made by Certificate/tls"),
        ({"labels": {"atoll.dev/app": "1"}}, "belongs to Application with UID 1 already"),
    ],
)
async def test_what_somebody_else_keeps_is_refused(member: Client, metadata: Json, why: str) -> None:
    await put(member, "ConfigMap", "settings", **metadata)
    with pytest.raises(CommandError, match=why):
        await gather(member, "eu-1", "configmap", "settings", "shop")


async def test_another_tools_mark_is_told(member: Client) -> None:
    await put(member, "ConfigMap", "settings", annotations={"meta.helm.sh/release-name": "shop"})
    found = await gather(member, "eu-1", "configmap", "settings", "shop")
    assert "is of Helm release shop" in found.notes[0]


async def test_nothing_of_other_clusters_is_taken_over(member: Client, hub: Client) -> None:
    await put(member, "ConfigMap", "settings")
    found = await gather(member, "eu-1", "configmap", "settings", "shop")
    await check_free(hub, "us-1", found)
    await put(hub, "ConfigMap", "settings")
    with pytest.raises(CommandError, match="ConfigMap/settings is on us-1, too: it would be overwritten"):
        await check_free(hub, "us-1", found)


async def test_a_secret_of_the_same_name_on_the_hub_is_never_overwritten(member: Client, hub: Client) -> None:
    await put(member, "Secret", "key")
    secret = await member.get(SECRETS, "key", "shop")
    found = Promotion(secret, (), (secret,), ())
    [copy] = await copies(hub, found, "shop", "eu-1")
    assert copy["data"] == {"k": "dg=="}
    assert copy["metadata"]["annotations"] == {"atoll.dev/promoted-from": "eu-1"}  # delivered without it
    await put(hub, "Secret", "key")
    assert await copies(hub, found, "shop", "eu-1") == ()
    await hub.patch(SECRETS, "key", "shop", {"data": {"k": "b3RoZXI="}}, type="merge")
    with pytest.raises(CommandError, match="exists on the hub, and holds something else"):
        await copies(hub, found, "shop", "eu-1")
