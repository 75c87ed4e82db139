"""Nothing of an application is on a member for certain only while every kind on record is followed there."""

from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.testing.fakeapi import FakeApi, Kind, Refuse, Rule
from atoll.testing.fakeapi.kinds import VERBS
from tests.delivering import Site, configmap, eventually, object_id

THINGS = Resource("example.org", "v1", "Thing", "things", True, VERBS)
THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "demo"}}
KIND, MAP = THINGS.group_kind, object_id(configmap("c", "demo")).group_kind


async def test_a_kind_that_was_not_served_when_the_member_was_reached_may_be_served_now(
    api: FakeApi, site: Site
) -> None:
    api.cluster.kinds.add(Kind(THINGS))
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(THING)
    api.cluster.kinds.remove(KIND)
    async with Client(api.config) as client:
        again = Site("c1", client, site.plain)  # another process of the hub, which knows of nothing
        again.hub = site.hub
        async with again.engaged():
            await eventually(lambda: again.deliverer.knows("c1"))
            api.cluster.kinds.add(Kind(THINGS))
            assert await again.exists(THINGS, "t", "demo")
            assert not again.deliverer.clear_of("c1", app.uid)


async def test_while_a_watch_is_broken_nothing_is_for_certain(api: FakeApi, site: Site) -> None:
    app, other = site.app("demo"), site.app("demo")
    async with site.engaged():
        await app.deliver(configmap("c", "demo", a="1"))
        assert not site.deliverer.clear_of("c1", app.uid)
        assert site.deliverer.clear_of("c1", other.uid)
        api.faults.rules.append(Rule(Refuse(500, "InternalError"), plural="configmaps"))
        api.break_connections()
        await eventually(lambda: not site.watches.listed(MAP))
        assert not site.deliverer.clear_of("c1", other.uid)
        api.faults.heal()
        await eventually(lambda: site.deliverer.clear_of("c1", other.uid))
