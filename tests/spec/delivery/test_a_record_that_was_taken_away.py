"""The record of what is on a member, when others delete it, as when `atoll-system` there is cleaned up, or write it."""

from collections.abc import AsyncIterator

import pytest

from atoll.api.delivery import Removal
from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent
from atoll.api.objects import GroupKind
from atoll.deliver.applyset import ApplySet
from atoll.deliver.gate import Gate
from atoll.deliver.namespaces import Namespaces
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES, SECRETS
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import App, Site, configmap, eventually

MAP = configmap("c", "demo")
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "demo"}}


@pytest.fixture
async def app(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    """Delivered by a process of the hub that is no more; another one is to go on."""
    monkeypatch.setattr("atoll.deliver.session.LOOK_AGAIN", 0.02)
    async with Client(api.config) as client, Client(api.config) as plain:
        before = Site("c1", client, plain)
        app = before.app("demo")
        async with before.engaged():
            await app.deliver(MAP, SECRET)
        async with Client(api.config) as anew:
            after = app.site = Site("c1", anew, plain)
            after.hub, after.alive = before.hub, before.alive
            yield app


async def lose(site: Site) -> None:
    await site.plain.delete(CONFIGMAPS, applyset_parent(site.hub.id), SYSTEM_NAMESPACE)


async def test_what_is_to_be_removed_is_looked_for(app: App) -> None:
    site = app.site
    await lose(site)
    async with site.engaged():
        await app.remove()
    assert not await site.exists(CONFIGMAPS, "c", "demo")
    assert not await site.exists(SECRETS, "s", "demo")
    parent = await site.plain.get(CONFIGMAPS, applyset_parent(site.hub.id), SYSTEM_NAMESPACE)
    assert parent.annotations["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Secret"


async def test_what_a_new_delivery_leaves_out_is_looked_for(app: App) -> None:
    site = app.site
    await lose(site)
    app.submit(MAP)

    async def left_out_is_gone() -> bool:
        return not await site.exists(SECRETS, "s", "demo")

    async with site.engaged():
        await eventually(left_out_is_gone)
        assert await site.exists(CONFIGMAPS, "c", "demo")


async def test_what_a_new_delivery_left_out_is_removed_with_it(app: App) -> None:
    site = app.site
    await lose(site)
    revision = app.submit(MAP).revision
    async with site.engaged():
        await app.outcome("Applied", revision)
        await app.remove()
        assert not await site.exists(SECRETS, "s", "demo")


async def test_it_has_room_for_those_in_use_of_ten_thousand_namespaces(api: FakeApi) -> None:
    previews = {f"preview-of-a-pull-request-{number:06}" for number in range(12_000)}
    async with Client(api.config) as client:
        gate = Gate()
        before, after = (ApplySet(client, "hub", gate, Namespaces(client, gate), lambda: {"z-used"}) for _ in range(2))
        await before.cover([GroupKind("", "ConfigMap")], previews | {"z-used"})
        parent = await client.get(CONFIGMAPS, applyset_parent("hub"), SYSTEM_NAMESPACE)
        assert sum(len(name) + len(text) for name, text in parent.annotations.items()) < 256 << 10
        await after.read()
        await after.cover([GroupKind("", "Secret")], {"zz-new"})
        assert len(after.namespaces) < len(previews)
        await before.read()
        assert before.kinds == {GroupKind("", "ConfigMap"), GroupKind("", "Secret")}
        assert {"z-used", "zz-new"} <= before.namespaces


async def test_it_is_not_gone_while_that_cannot_be_told(api: FakeApi, app: App) -> None:
    site = app.site
    await lose(site)
    api.faults.rules.append(Rule(Refuse(500, "InternalError"), verb="list", plural="secrets"))
    site.deliverer.remove(Removal(app.key, app.uid, site.name))
    async with site.engaged():
        told = await eventually(lambda: app.trouble("*"))
        assert told.reason == "NotListed"
        assert await site.exists(SECRETS, "s", "demo")
        api.faults.heal()
        await app.remove()
    assert not await site.exists(SECRETS, "s", "demo")


async def test_two_processes_that_write_it_lose_nothing_of_each_others(api: FakeApi) -> None:
    kinds = [GroupKind("", kind) for kind in ("ConfigMap", "Secret", "Service")]
    async with Client(api.config) as client:
        gate = Gate()
        records = [ApplySet(client, "hub", gate, Namespaces(client, gate)) for _ in range(3)]
        for record in records[:2]:
            await record.read()
        await records[0].cover(kinds[:1], ("a",))
        await records[1].cover(kinds[1:2], ("b",))
        await records[0].cover(kinds[2:], ("c",))
        await records[2].read()
        assert records[2].kinds == set(kinds)
        assert records[2].namespaces == {"a", "b", "c"}
        await client.delete(CONFIGMAPS, applyset_parent("hub"), SYSTEM_NAMESPACE)
        await records[0].cover((), ("d",))
        await records[2].read()
        assert records[2].kinds == set(kinds)


async def test_it_is_looked_for_once_and_not_where_there_is_a_record(app: App) -> None:
    site, others = app.site, [app.site.app("demo") for _ in range(3)]
    async with site.engaged():
        await others[0].remove()
        assert site.client.statistics().requests["list"] == 2
    site.deliverer.forget(site.name, others[0].uid)
    await lose(site)
    await site.plain.delete(NAMESPACES, "demo")
    async with site.engaged():
        new = site.app("default")
        await new.deliver(configmap("new", "default"))
        await new.remove()
        assert site.client.statistics().requests["list"] == 3
        for other in others:
            await other.remove()
        kinds = len([r for r in await site.plain.discovery.all() if r.verbs >= {"list", "watch", "patch"}])
        assert site.client.statistics().requests["list"] <= 3 + kinds
