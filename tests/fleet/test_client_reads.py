"""Lists, watches and discovery against real API servers."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from atoll.kube.client import Client
from atoll.kube.errors import Expired, KindNotServed, NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES, PODS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet, definition


@pytest.fixture
async def client(fleet: Fleet) -> AsyncIterator[Client]:
    async with fleet.client(fleet.members[0]) as client:
        yield client


@pytest.fixture
async def room(client: Client) -> AsyncIterator[str]:
    """A namespace with 25 ConfigMaps labelled `n=0` … `n=24`."""
    name = f"test-{secrets.token_hex(5)}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await asyncio.gather(*(make(client, name, f"c{number:02}", str(number)) for number in range(25)))
    yield name
    await client.delete(NAMESPACES, name)


async def make(client: Client, room: str, name: str, label: str) -> None:
    metadata = {"name": name, "namespace": room, "labels": {"n": label}}
    await client.create(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}})


async def test_pages_and_selectors(client: Client, room: str) -> None:
    pages = [page async for page in client.pages(CONFIGMAPS, room, limit=10, labels="n")]
    assert [len(page.items) for page in pages] == [10, 10, 5]
    assert len({page.resource_version for page in pages}) == 1
    assert [page.more != "" for page in pages] == [True, True, False]
    listing = await client.list(CONFIGMAPS, room, labels="n in (3,4)", limit=1)
    assert [item.name for item in listing.items] == ["c03", "c04"]
    assert [item.name for item in (await client.list(CONFIGMAPS, room, fields="metadata.name=c07")).items] == ["c07"]


async def test_items_are_what_get_says(client: Client, room: str) -> None:
    listed = (await client.list(CONFIGMAPS, room, fields="metadata.name=c00")).items[0]
    got = await client.get(CONFIGMAPS, "c00", room)
    assert listed == got or listed.body() == got.body()
    assert "managedFields" not in got.body()["metadata"]
    kept = await client.get(CONFIGMAPS, "c00", room, managed_fields=True)
    assert kept.body()["metadata"]["managedFields"][0]["manager"] == "atoll"


async def test_a_watch_goes_on_from_a_list(client: Client, room: str) -> None:
    listing = await client.list(CONFIGMAPS, room, labels="n=1")
    seen = []
    async with aclosing(client.watch(CONFIGMAPS, listing.resource_version, room, labels="n=1", timeout=30)) as watch:
        await make(client, room, "new", "1")
        await client.patch(CONFIGMAPS, "new", room, {"data": {"k": "w"}})
        await client.patch(CONFIGMAPS, "new", room, {"metadata": {"labels": {"n": "2"}}})
        await client.delete(CONFIGMAPS, "c01", room)
        async for event in watch:
            seen.append((event.type, event.object.name))
            if len(seen) == 4:
                break
    assert seen == [("ADDED", "new"), ("MODIFIED", "new"), ("DELETED", "new"), ("DELETED", "c01")]


async def test_a_quiet_watch_ends_when_it_said_it_would(client: Client, room: str) -> None:
    """Mostly a bookmark comes shortly before, but no server promises it."""
    listing = await client.list(CONFIGMAPS, room, labels="n")
    watch = client.watch(CONFIGMAPS, listing.resource_version, room, labels="n", timeout=3)
    events = [event async for event in watch]
    assert {event.type for event in events} <= {"BOOKMARK"}
    assert all(int(event.object.resource_version) >= int(listing.resource_version) for event in events)


async def test_a_version_that_was_compacted_is_expired(client: Client) -> None:
    """Nobody compacts etcd for a test, but no watch cache goes back to what was before its first list: that of a kind
    which comes late has begun after the first write, and the others' of a young server may not have.
    """
    group = f"test-{secrets.token_hex(5)}.example.dev"
    latecomers = Resource(group, "v1", "Latecomer", "latecomers")
    await client.apply(CRDS, definition(latecomers), name=f"latecomers.{group}", manager="atoll", only_create=True)

    async def expired() -> bool:
        try:
            async for _ in client.watch(latecomers, "1", timeout=2):
                pass
        except Expired as error:
            return "too old resource version" in str(error)
        return False

    try:
        await eventually(expired, 30)
    finally:
        await client.delete(CRDS, f"latecomers.{group}")


async def test_discovery(client: Client) -> None:
    found = await client.discovery.resource("apps", "Deployment")
    assert found == DEPLOYMENTS
    assert (await client.discovery.resource("", "Pod")) == PODS
    assert (await client.discovery.resource("autoscaling", "HorizontalPodAutoscaler")).version == "v2"
    assert (await client.discovery.resource("autoscaling", "HorizontalPodAutoscaler", "v1")).version == "v1"
    assert len(await client.discovery.all()) > 50
    assert client.discovery.stale_groups == frozenset()
    with pytest.raises(KindNotServed):
        await client.discovery.resource("example.dev", "Nothing")


async def test_the_constants_are_what_servers_serve(client: Client) -> None:
    from atoll.kube import resources

    ours = {"atoll.dev", "multicluster.x-k8s.io"}
    for known in vars(resources).values():
        if isinstance(known, Resource) and known.group not in ours:
            assert await client.discovery.resource(known.group, known.kind, known.version) == known


async def test_an_unserved_kind_is_no_missing_object(client: Client) -> None:
    nothing = Resource("example.dev", "v1", "Nothing", "nothings")
    with pytest.raises(NotFound) as caught:
        await client.list(nothing)
    assert caught.value.unknown_path
    with pytest.raises(NotFound) as caught:
        await client.get(CRDS, "nothings.example.dev")
    assert not caught.value.unknown_path


async def test_health_and_version(client: Client) -> None:
    assert await client.text("/readyz") == "ok"
    assert (await client.request("GET", "/version"))["major"] == "1"
