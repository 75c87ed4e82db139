"""Kinds that are served in other versions than before, or in the other scope."""

import msgspec
import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.testing.fakeapi import FakeApi, Kind
from atoll.testing.fakeapi.kinds import VERBS
from tests.delivering import Site, configmap, eventually

OLD, NEW = (Resource("example.org", version, "Thing", "things", True, VERBS) for version in ("v1", "v2"))
WIDE = msgspec.structs.replace(OLD, namespaced=False)
KIND = OLD.group_kind
REST = configmap("rest", "demo")


def thing(version: str, name: str = "t") -> Json:
    metadata = {"name": name, "namespace": "demo"}
    return {"apiVersion": f"example.org/{version}", "kind": "Thing", "metadata": metadata}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.deliver.session.ACCOUNT_AGAIN", (0.01, 1.0))
    monkeypatch.setattr("atoll.deliver.refusals.LATER", (0.02, 0.1))
    monkeypatch.setattr("atoll.deliver.carrying.LATER", (0.02, 0.1))
    monkeypatch.setattr("atoll.kube.discovery.REFRESH_AFTER", 0.01)


async def no_longer_served(api: FakeApi, site: Site) -> None:
    """From now on the kind is there in the new version only."""
    api.cluster.kinds.remove(KIND)
    api.cluster.kinds.add(Kind(NEW))
    api.break_connections()
    await eventually(lambda: not site.watches.listed(KIND))


async def test_what_is_left_out_is_found_in_another_version() -> None:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        app = site.app("demo")
        for resource in (OLD, NEW):
            api.cluster.kinds.add(Kind(resource))
        async with site.engaged():
            await app.deliver(thing("v1"), REST)
            await no_longer_served(api, site)
            await app.deliver(REST)

            async def gone() -> bool:
                return not await site.exists(NEW, "t", "demo")

            await eventually(gone)


async def test_who_asks_for_the_new_version_does_not_wait_for_the_old_one() -> None:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        first, second = site.app("demo"), site.app("demo")
        for resource in (OLD, NEW):
            api.cluster.kinds.add(Kind(resource))
        async with site.engaged():
            await first.deliver(thing("v1"))
            await second.deliver(thing("v2", "other"))
            api.cluster.kinds.remove(KIND)
            api.cluster.kinds.add(Kind(NEW))
            api.break_connections()
            await first.outcome("Waiting")
            await second.deliver(thing("v2", "other"), thing("v2", "third"))
            await first.deliver(thing("v2"))


async def test_a_kind_that_came_back_in_the_other_scope_is_met_in_that_one() -> None:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        app = site.app("demo")
        api.cluster.kinds.add(Kind(OLD))
        async with site.engaged():
            await app.deliver(thing("v1"))
            await plain.delete(OLD, "t", "demo")
            api.cluster.kinds.add(Kind(WIDE))  # as quickly as that: no watch breaks
            await eventually(lambda: (told := app.trouble("t")) and told.reason == "ClusterScoped")
            wide = thing("v1")
            del wide["metadata"]["namespace"]
            await app.deliver(wide)
            await plain.delete(WIDE, "t")
            api.cluster.kinds.add(Kind(OLD))
            await eventually(lambda: (told := app.trouble("t")) and told.reason == "NamespaceMissing")
            await app.deliver(thing("v1"))
