"""Delivery to real API servers: each test has a hub id, an application and namespaces of its own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.names import APPLYSET_GROUP_KINDS, APPLYSET_LABEL_ID, SYSTEM_NAMESPACE, applyset_parent
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, SECRETS
from tests.delivering import Site, configmap, deployment, eventually, sites


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


async def test_objects_are_created_with_one_request_each(site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    await app.deliver(configmap("first", ns, a="1"))
    before = site.requests()
    outcome = await app.deliver(*(configmap(f"c{i}", ns, a="1") for i in range(20)), configmap("first", ns, a="1"))
    after = site.requests()
    assert outcome.total == outcome.applied == 21
    assert {v: n - before.get(v, 0) for v, n in after.items() if n != before.get(v, 0)} == {"apply": 20}
    live = await site.live(CONFIGMAPS, "c3", ns)
    assert live.body()["data"] == {"a": "1"}
    assert live.labels["atoll.dev/app"] == app.uid
    assert live.labels["atoll.dev/hub"] == site.hub.id
    assert live.annotations["atoll.dev/application"] == str(app.key)
    parent = await site.live(CONFIGMAPS, applyset_parent(site.hub.id), SYSTEM_NAMESPACE)
    assert parent.annotations[APPLYSET_GROUP_KINDS] == "ConfigMap"
    assert parent.labels[APPLYSET_LABEL_ID] == live.labels["applyset.kubernetes.io/part-of"]


async def test_a_change_is_one_request_and_leaves_the_rest_alone(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"), configmap("two", ns, a="1"), deployment("web", ns))
    one = await site.live(CONFIGMAPS, "one", ns)
    before = site.requests()
    await app.deliver(configmap("one", ns, a="1"), configmap("two", ns, b="2"), deployment("web", ns))
    after = site.requests()
    assert {v: n - before.get(v, 0) for v, n in after.items() if n != before.get(v, 0)} == {"apply": 1}
    assert (await site.live(CONFIGMAPS, "two", ns)).body()["data"] == {"b": "2"}
    assert (await site.live(CONFIGMAPS, "one", ns)).resource_version == one.resource_version


async def test_what_is_left_out_is_pruned(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns), configmap("two", ns), configmap("kept", ns, {"atoll.dev/prune": "false"}))
    outcome = await app.deliver(configmap("one", ns))
    await eventually(lambda: gone(site, "two", ns))
    assert await site.exists(CONFIGMAPS, "kept", ns)
    assert [(o.id.name, o.reason) for o in outcome.objects if o.state == "Applied"] == [("kept", "Kept")]


async def gone(site: Site, name: str, namespace: str) -> bool:
    return not await site.exists(CONFIGMAPS, name, namespace)


async def test_a_deleted_object_comes_back(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    old = await site.live(CONFIGMAPS, "one", ns)
    await site.plain.delete(CONFIGMAPS, "one", ns)
    new = await eventually(lambda: site.plain.get(CONFIGMAPS, "one", ns))
    assert new.uid != old.uid


async def test_an_edited_object_is_put_right(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"), deployment("web", ns, 2))
    await site.plain.patch(CONFIGMAPS, "one", ns, {"data": {"a": "2", "theirs": "x"}})
    await site.plain.patch(DEPLOYMENTS, "web", ns, {"spec": {"template": {"spec": {"priority": None}}, "replicas": 5}})

    async def right() -> bool:
        one = (await site.live(CONFIGMAPS, "one", ns)).body()["data"]
        web = (await site.live(DEPLOYMENTS, "web", ns)).body()["spec"]
        return bool(one == {"a": "1", "theirs": "x"} and web["replicas"] == 2)

    await eventually(right)


async def test_a_removal_leaves_nothing(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns), deployment("web", ns))
    outcome = await app.remove()
    assert outcome.gone
    assert outcome.state == "Removing"
    assert not await site.exists(CONFIGMAPS, "one", ns)
    assert not await site.exists(DEPLOYMENTS, "web", ns)
    assert await site.exists(NAMESPACES, ns)


async def test_orphans_stay_unmarked(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, {"mine": "yes"}, a="1"), deployment("web", ns, 2))
    await app.remove(orphan=True)
    live = await site.live(CONFIGMAPS, "one", ns)
    assert live.body()["data"] == {"a": "1"}
    assert live.labels == {}
    assert live.annotations == {"mine": "yes"}
    assert "atoll" not in str(live.body()["metadata"].get("managedFields", ""))
    web = await site.live(DEPLOYMENTS, "web", ns)
    assert web.body()["spec"]["replicas"] == 2
    assert not [e for e in web.body()["metadata"].get("managedFields", ()) if e["manager"].startswith("atoll")]


async def test_a_restart_writes_nothing_when_all_is_settled(site: Site, fleet: Any) -> None:
    app = site.app(ns := site.namespace())
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": ns},
        "stringData": {"a": "b"},
    }
    objects = [configmap("one", ns, a="1"), deployment("web", ns, 2), secret]
    delivery = app.submit(*objects)
    await app.outcome("Applied", delivery.revision)
    async with fleet.client(site.name) as client:
        again = Site(site.name, client, site.plain)
        again.hub = site.hub
        async with again.engaged():
            again.deliverer.submit(delivery)
            twin = again.app(ns)
            twin.uid = app.uid
            await twin.outcome("Applied", delivery.revision)
            await asyncio.sleep(0.1)
        assert again.requests().get("apply", 0) == 0
        assert again.requests().get("list", 0) == 3
        assert again.requests().get("get", 0) == 1
    assert (await site.live(SECRETS, "s", ns)).body()["data"] == {"a": "Yg=="}
