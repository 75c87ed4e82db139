"""What is delivered in a version that isn't served any more is there in the others, and is removed in one of them."""

from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.testing.fakeapi import FakeApi, Kind
from atoll.testing.fakeapi.kinds import VERBS
from tests.delivering import Site, eventually

OLD, NEW = (Resource("example.org", version, "Thing", "things", True, VERBS) for version in ("v1", "v2"))
THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "demo"}}


async def test_it_is_gone_when_it_is_gone_in_every_version() -> None:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        app = site.app("demo")
        for resource in (OLD, NEW):
            api.cluster.kinds.add(Kind(resource))
        async with site.engaged():
            await app.deliver(THING)
            api.cluster.kinds.remove(OLD.group_kind)
            api.cluster.kinds.add(Kind(NEW))
            api.break_connections()
            await eventually(lambda: not site.watches.listed(OLD.group_kind))
            await app.remove()
            assert not await site.exists(NEW, "t", "demo")
