"""What real API servers do with the client's writes; several decisions elsewhere rest on these answers."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.kube.client import Client
from atoll.kube.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    FieldConflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES, SECRETS
from tests.fleet.conftest import Fleet, definition


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[Client]:
    async with fleet.client(fleet.members[0]) as client:
        yield client


@pytest.fixture
async def room(client: Client) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(5)}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await client.delete(NAMESPACES, name)


def configmap(room: str, name: str = "a", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": room}, "data": data}


async def apply(client: Client, body: dict[str, Any], manager: str = "atoll", **options: Any) -> Object:
    about = body["metadata"]
    return await client.apply(
        *(CONFIGMAPS, body), name=about["name"], namespace=about["namespace"], manager=manager, **options
    )


async def test_an_apply_that_changes_nothing_leaves_the_version(client: Client, room: str) -> None:
    first = await apply(client, configmap(room, k="v"))
    again = await apply(client, configmap(room, k="v"))
    assert (again.uid, again.resource_version) == (first.uid, first.resource_version)
    changed = await apply(client, configmap(room, k="w"), dry_run=True)
    assert changed.body()["data"] == {"k": "w"}
    assert (await client.get(CONFIGMAPS, "a", room)).body()["data"] == {"k": "v"}


async def test_only_create(client: Client, room: str) -> None:
    """A resourceVersion that no object has: ignored where there is none, refused where there is one."""
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "a", room)
    await apply(client, configmap(room, k="v"), only_create=True, dry_run=True)
    first = await apply(client, configmap(room, k="v"), only_create=True)
    assert first.resource_version not in {"", "1"}
    for dry_run in (False, True):
        for body in (configmap(room, k="v"), configmap(room, k="other")):
            with pytest.raises(AlreadyExists):
                await apply(client, body, only_create=True, dry_run=dry_run)
    with pytest.raises(AlreadyExists):
        await apply(client, configmap(room, k="other"), "another-manager", only_create=True)
    assert (await client.get(CONFIGMAPS, "a", room)).resource_version == first.resource_version


async def test_only_create_for_cluster_scope_and_custom_resources(client: Client, room: str) -> None:
    group = f"{room}.example.dev"
    crd = definition(Resource(group, "v1", "Shop", "shops"))
    await client.apply(CRDS, crd, name=f"shops.{group}", manager="atoll", only_create=True)
    try:
        with pytest.raises(AlreadyExists):
            await client.apply(CRDS, crd, name=f"shops.{group}", manager="atoll", only_create=True)
        shops = await _served(client, group, "Shop")
        body = {"apiVersion": f"{group}/v1", "kind": "Shop", "metadata": {"name": "s"}, "spec": {"size": 3}}
        made = await client.apply(shops, body, name="s", namespace=room, manager="atoll", only_create=True)
        with pytest.raises(AlreadyExists):
            await client.apply(shops, body, name="s", namespace=room, manager="atoll", only_create=True)
        with pytest.raises(UnsupportedMediaType):
            await client.patch(shops, "s", room, {}, type="strategic")
        assert (await client.get(shops, "s", room)).resource_version == made.resource_version
        events = [item async for page in client.pages(shops, room) for item in page.items]
        assert [(item.kind, item.group) for item in events] == [("Shop", group)]
    finally:
        await client.delete(CRDS, f"shops.{group}")


async def _served(client: Client, group: str, kind: str) -> Resource:
    async for _ in client.watch(CRDS, "", fields=f"metadata.name=shops.{group}", timeout=20):
        found = await client.get(CRDS, f"shops.{group}")
        conditions = found.body().get("status", {}).get("conditions", [])
        if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
            break
    client.discovery.invalidate()
    return await client.discovery.resource(group, kind)


async def test_preconditions_of_an_apply(client: Client, room: str) -> None:
    first = await apply(client, configmap(room, k="v"))
    second = await apply(client, configmap(room, k="w"), resource_version=first.resource_version, uid=first.uid)
    with pytest.raises(Conflict, match="has been modified"):
        await apply(client, configmap(room, k="x"), resource_version=first.resource_version)
    with pytest.raises(Conflict, match="immutable"):
        await apply(client, configmap(room, k="x"), uid="00000000-0000-0000-0000-000000000000")
    with pytest.raises(Conflict, match="no existing object"):
        await apply(client, configmap(room, "none", k="x"), uid=first.uid)
    assert (await client.get(CONFIGMAPS, "a", room)).resource_version == second.resource_version


async def test_a_conflict_names_the_manager_and_its_fields(client: Client, room: str) -> None:
    await apply(client, configmap(room, k="v", own="x"), 'kubectl "edit"')
    with pytest.raises(FieldConflict) as caught:
        await apply(client, configmap(room, k="w", own="y"))
    assert caught.value.managers == ('kubectl "edit"',)
    assert set(caught.value.fields) == {".data.k", ".data.own"}
    assert (await apply(client, configmap(room, k="w"), force=True)).body()["data"] == {"k": "w", "own": "x"}


async def test_a_delete_keeps_to_its_preconditions(client: Client, room: str) -> None:
    first = await apply(client, configmap(room, k="v"))
    second = await apply(client, configmap(room, k="w"))
    with pytest.raises(Conflict, match="UID"):
        await client.delete(CONFIGMAPS, "a", room, uid="other")
    with pytest.raises(Conflict, match="ResourceVersion"):
        await client.delete(CONFIGMAPS, "a", room, resource_version=first.resource_version)
    assert await client.delete(CONFIGMAPS, "a", room, uid=second.uid, dry_run=True) is None
    assert await client.delete(CONFIGMAPS, "a", room, uid=second.uid, resource_version=second.resource_version) is None
    with pytest.raises(NotFound) as caught:
        await client.delete(CONFIGMAPS, "a", room)
    assert not caught.value.unknown_path


async def test_a_finalizer_keeps_the_object(client: Client, room: str) -> None:
    body = configmap(room, k="v")
    body["metadata"]["finalizers"] = ["example.dev/wait"]
    await client.create(CONFIGMAPS, body)
    stays = await client.delete(CONFIGMAPS, "a", room)
    assert stays is not None
    assert stays.deleting
    await client.patch(CONFIGMAPS, "a", room, {"metadata": {"finalizers": None}})
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "a", room)


async def test_create_replace_and_patch(client: Client, room: str) -> None:
    made = await client.create(CONFIGMAPS, configmap(room, k="v"))
    with pytest.raises(AlreadyExists):
        await client.create(CONFIGMAPS, configmap(room, k="v"))
    replaced = await client.replace(CONFIGMAPS, made.body() | {"data": {"k": "w"}})
    with pytest.raises(Conflict):
        await client.replace(CONFIGMAPS, made.body() | {"data": {"k": "x"}})
    with pytest.raises(Conflict):
        await client.patch(CONFIGMAPS, "a", room, {"metadata": {"resourceVersion": made.resource_version}, "data": {}})
    patch = [{"op": "test", "path": "/data/k", "value": "w"}, {"op": "add", "path": "/data/l", "value": "x"}]
    patched = await client.patch(CONFIGMAPS, "a", room, patch, type="json")
    assert patched.body()["data"] == {"k": "w", "l": "x"}
    assert int(patched.resource_version) > int(replaced.resource_version)


async def test_refusals_in_the_servers_words(client: Client, room: str) -> None:
    with pytest.raises(Invalid, match="field not declared in schema") as caught:
        await apply(client, configmap(room) | {"dat": {}})
    assert [cause.field for cause in caught.value.causes] == [".dat"]
    body = configmap(room)
    body["metadata"]["labels"] = {"a b": "c"}
    with pytest.raises(Invalid, match=r"metadata.labels") as caught:
        await apply(client, body)
    assert any(cause.field == "metadata.labels" for cause in caught.value.causes)
    with pytest.raises(NotFound, match="namespaces"):
        await apply(client, configmap(f"{room}-none"))
    with pytest.raises(TooLarge):
        await apply(client, configmap(room, big="x" * 3_300_000))
    double = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": room},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "j"}]},
            },
        },
    }
    with pytest.raises(Invalid, match="duplicate entries for key") as caught:
        await client.apply(DEPLOYMENTS, double, name="web", namespace=room, manager="atoll")
    assert [cause.field for cause in caught.value.causes] == [".spec.template.spec.containers"]
    with pytest.raises(BadRequest, match="does not match the name on the URL"):
        await client.apply(CONFIGMAPS, configmap(room, "b"), name="a", namespace=room, manager="atoll")


async def test_objects_beyond_etcds_limit(client: Client, room: str) -> None:
    """etcd takes 1.5 MiB; the API server itself takes 3 MiB."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "big", "namespace": room}}
    with pytest.raises((TooLarge, Invalid)):
        await client.create(SECRETS, body | {"stringData": {"big": "x" * 1_700_000}})


async def test_who_may_not_ask(client: Client, fleet: Fleet) -> None:
    import msgspec

    from atoll.kube.config import Impersonation, load_kubeconfig

    config = load_kubeconfig(fleet.kubeconfig, fleet.members[0])
    nobody = msgspec.structs.replace(config, impersonate=Impersonation("nobody-known"))
    async with Client(nobody) as limited:
        with pytest.raises(Forbidden, match="nobody-known"):
            await limited.list(SECRETS)
    stranger = msgspec.structs.replace(config, token="wrong", client_certificate=b"", client_key=b"")
    async with Client(stranger) as unknown:
        with pytest.raises(Unauthorized):
            await unknown.list(SECRETS)
