"""Rights in single namespaces: what lies beyond them is refused in clear words, and holds nothing up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.api.names import APPLYSET_GROUP_KINDS, APPLYSET_NAMESPACES, SYSTEM_NAMESPACE, applyset_parent
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import Json, Site, configmap, eventually

ROLE: Json = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "role"},
    "rules": [],
}
NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
BEYOND = Rule(Refuse(403, "Forbidden"), namespace="", plural="clusterroles")


@asynccontextmanager
async def member(api: FakeApi) -> AsyncIterator[Site]:
    async with Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        for name in ("a", "b", SYSTEM_NAMESPACE):
            await plain.create(NAMESPACES, {**NAMESPACE, "metadata": {"name": name}})
        api.faults.rules += [
            BEYOND,
            Rule(Refuse(403, "Forbidden"), namespace="", verb="list"),
            Rule(Refuse(403, "Forbidden"), plural="namespaces", verb="create"),
            Rule(Refuse(403, "Forbidden"), plural="namespaces", verb="apply"),
        ]
        yield site


async def test_what_is_within_them_is_delivered_pruned_and_removed(api: FakeApi) -> None:
    async with member(api) as site, site.engaged("a", "b"):
        app = site.app("a")
        await app.deliver(configmap("one", "a", v="1"), configmap("two", "b", v="1"))
        await app.deliver(configmap("one", "a", v="1"))
        await eventually(lambda: _gone(site, "two", "b"))
        await app.remove()
        assert not await site.exists(CONFIGMAPS, "one", "a")


async def test_cluster_scoped_objects_fail_and_the_rest_goes_and_can_be_removed(api: FakeApi) -> None:
    async with member(api) as site, site.engaged("a", "b"):
        app = site.app("a")
        await app.deliver(NAMESPACE, ROLE, configmap("one", "a"), state="Failed")
        found = {name: app.trouble(name) for name in ("a", "role", "one")}
        assert {name: (o.state, o.reason) if o else None for name, o in found.items()} == {
            "a": ("Failed", "Forbidden"),
            "role": ("Failed", "Forbidden"),
            "one": None,
        }
        assert "by a fault" in str(found["role"])
        assert await site.exists(CONFIGMAPS, "one", "a")
        parent = await site.live(CONFIGMAPS, applyset_parent(site.hub.id), SYSTEM_NAMESPACE)
        assert parent.annotations[APPLYSET_GROUP_KINDS] == "ConfigMap"
        await app.remove()
        assert not await site.exists(CONFIGMAPS, "one", "a")


async def test_a_namespace_outside_gets_nothing_and_others_are_unaffected(api: FakeApi) -> None:
    async with member(api) as site, site.engaged("a", "b"):
        app = site.app("a")
        await app.deliver(configmap("one", "a"), configmap("two", "c"), state="Failed")
        told = app.trouble("two")
        assert told
        assert told.message == "namespace c is outside of Atoll's rights on this cluster: namespaces=a,b"
        assert await site.exists(CONFIGMAPS, "one", "a")
        assert not await site.exists(CONFIGMAPS, "two", "c")
        parent = await site.live(CONFIGMAPS, applyset_parent(site.hub.id), SYSTEM_NAMESPACE)
        assert parent.annotations[APPLYSET_NAMESPACES] == "a"
        await app.remove()


async def test_after_rights_were_narrowed_nothing_is_taken_for_gone_that_cannot_be_seen(api: FakeApi) -> None:
    async with member(api) as site:
        app = site.app("a")
        async with site.engaged("a", "b"):
            await app.deliver(configmap("one", "a"), configmap("two", "b"))
        async with site.engaged("a"):
            with pytest.raises(AssertionError):
                await app.remove(seconds=1)
            told = [o for o in (app.latest.objects if app.latest else ()) if o.reason == "NotListed"]
            assert [(o.id.name, o.message) for o in told] == [
                ("b", "objects may be in it, and it is outside of Atoll's rights now")
            ]
        async with site.engaged("a", "b"):
            await app.remove()
        assert not await site.exists(CONFIGMAPS, "two", "b")


async def _gone(site: Site, name: str, namespace: str) -> bool:
    return not await site.exists(CONFIGMAPS, name, namespace)
