"""Many kinds under one selector."""

import asyncio
import time

import pytest

from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.kube.errors import Forbidden, KindNotServed, KubeError, TooManyRequests
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.runtime.changes import Change
from atoll.runtime.watchset import WatchSet
from atoll.testing.fakeapi import FakeCluster, Kind, Refuse, Rule
from tests.spec.runtime.conftest import Server, until

CRD: Json = {
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [{"name": "v1", "served": True}, {"name": "v2", "served": True}],
    },
}
THINGS = Resource("example.org", "v1", "Thing", "things")
THINGS_V2 = Resource("example.org", "v2", "Thing", "things")
MAP, THING = CONFIGMAPS.group_kind, THINGS.group_kind


def watching(server: Server, errors: list[KubeError] | None = None) -> WatchSet:
    collected = [] if errors is None else errors
    return WatchSet(server.client, "ours=yes", lambda o: o.labels.get("app"), lambda _, error: collected.append(error))


def kind(cluster: FakeCluster, group: str, name: str) -> Kind:
    found = cluster.kinds.of(GroupKind(group, name))
    assert found is not None
    return found


def thing(server: Server, name: str) -> None:
    body = {"metadata": {"name": name, "labels": {"ours": "yes", "app": "t"}}}
    server.api.cluster.create(kind(server.api.cluster, "example.org", "Thing"), "default", body)


def crd(server: Server) -> None:
    server.api.cluster.create(kind(server.api.cluster, *("apiextensions.k8s.io", "CustomResourceDefinition")), "", CRD)


def names(found: list[Object]) -> list[str]:
    return sorted(o.name for o in found)


async def test_kinds_are_watched_when_they_are_asked_for(server: Server) -> None:
    server.put("a", ours="yes", app="one")
    server.put("b", ours="yes", app="two")
    server.put("theirs", app="one")
    async with watching(server) as watches:
        assert (watches.kinds(), watches.listed(MAP)) == (frozenset(), False)
        await watches.ensure(CONFIGMAPS)
        await watches.ensure(SECRETS)
        assert watches.kinds() == {MAP, SECRETS.group_kind}
        assert watches.listed(MAP)
        assert names(watches.all()) == ["a", "b"]
        assert names(watches.of("one")) == ["a"]
        assert watches.get(ObjectId("", "ConfigMap", "default", "b")) is not None
    assert server.api.requests["list"] == 2


async def test_many_who_ask_share_one_watch(server: Server) -> None:
    async with watching(server) as watches, asyncio.TaskGroup() as scope:
        for _ in range(10):
            scope.create_task(watches.ensure(CONFIGMAPS))
    assert server.api.requests["list"] == 1


async def test_changes_are_told_and_the_index_follows(server: Server) -> None:
    server.put("a", ours="yes", app="one")
    seen: list[tuple[str, bool, bool]] = []

    def note(change: Change[Object]) -> None:
        assert watches.get(change.id) is change.new
        seen.append((change.id.name, change.old is not None, change.new is not None))

    async with watching(server) as watches:
        watches.subscribe(note)
        await watches.ensure(CONFIGMAPS)
        server.put("a", ours="yes", app="two")
        await until(lambda: len(seen) == 2)
        assert (names(watches.of("one")), names(watches.of("two"))) == ([], ["a"])
        server.put("a", ours="no", app="two")
        await until(lambda: len(seen) == 3)
        assert seen == [("a", False, True), ("a", True, True), ("a", True, False)]
        assert watches.of("two") == watches.all() == []
        assert not watches._by_index


async def test_a_kind_that_is_not_served_is_dropped_and_said(server: Server) -> None:
    errors: list[KubeError] = []
    async with watching(server, errors) as watches:
        began = time.monotonic()
        with pytest.raises(KindNotServed):
            await watches.ensure(THINGS)
        assert time.monotonic() - began < 2
        assert watches.kinds() == frozenset()
        crd(server)
        thing(server, "t")
        await watches.ensure(THINGS)
        assert names(watches.of("t")) == ["t"]
        assert [error.status for error in errors if isinstance(error, KubeError) and hasattr(error, "status")] == [404]


async def test_when_a_crd_goes_its_objects_go_and_its_kind_is_not_listed(server: Server) -> None:
    crd(server)
    thing(server, "t")
    server.put("a", ours="yes", app="one")
    async with watching(server) as watches:
        await watches.ensure(CONFIGMAPS)
        await watches.ensure(THINGS)
        crds = kind(server.api.cluster, "apiextensions.k8s.io", "CustomResourceDefinition")
        server.api.cluster.delete(crds, "", "things.example.org")
        await until(lambda: THING not in watches.kinds())
        assert not watches.listed(THING)
        assert names(watches.all()) == ["a"]
        assert watches.listed(MAP)


async def test_a_refusal_is_raised_at_once_and_the_watch_goes_on_trying(server: Server) -> None:
    server.put("a", ours="yes", app="one")
    server.api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb="list"))
    async with watching(server) as watches:
        for _ in range(2):
            with pytest.raises(Forbidden):
                await watches.ensure(CONFIGMAPS, timeout=60)
        assert isinstance(watches.error(MAP), Forbidden)
        server.api.faults.heal()
        await until(lambda: watches.listed(MAP))
        await watches.ensure(CONFIGMAPS)
        assert names(watches.all()) == ["a"]


async def test_other_errors_are_raised_when_the_time_is_over(server: Server) -> None:
    server.api.faults.rules.append(Rule(Refuse(429, "TooManyRequests"), verb="list"))
    async with watching(server) as watches:
        with pytest.raises(TooManyRequests):
            await watches.ensure(CONFIGMAPS, timeout=0.1)
        assert not watches.listed(MAP)


async def test_a_kind_is_not_listed_while_its_watch_is_broken(server: Server) -> None:
    server.put("a", ours="yes", app="one")
    async with watching(server) as watches:
        await watches.ensure(CONFIGMAPS)
        await until(lambda: server.api.watching > 0)
        server.api.faults.rules.append(Rule(Refuse(503, "ServiceUnavailable")))
        await server.break_watches()
        await until(lambda: not watches.listed(MAP))
        assert names(watches.all()) == ["a"]
        server.api.faults.heal()
        await until(lambda: watches.listed(MAP))


async def test_another_version_replaces_the_first_and_no_object_is_told_as_gone(server: Server) -> None:
    crd(server)
    thing(server, "a")
    seen: list[tuple[str, str]] = []
    async with watching(server) as watches:
        await watches.ensure(THINGS)
        watches.subscribe(lambda c: seen.append((c.id.name, "gone" if c.new is None else c.new.version)))
        await watches.ensure(THINGS_V2)
        assert seen == [("a", "v1"), ("a", "v2")]
        assert [o.version for o in watches.all()] == ["v2"]
        assert watches.kinds() == {THING}


async def test_what_was_deleted_between_two_versions_is_told_as_gone(server: Server) -> None:
    crd(server)
    thing(server, "a")
    thing(server, "b")
    async with watching(server) as watches:
        await watches.ensure(THINGS)
        await until(lambda: server.api.watching > 0)
        server.api.faults.rules.append(Rule(Refuse(503, "ServiceUnavailable")))
        await server.break_watches()
        await until(lambda: not watches.listed(THING))
        server.api.cluster.delete(kind(server.api.cluster, "example.org", "Thing"), "default", "a")
        server.api.faults.heal()
        await watches.ensure(THINGS_V2)
        assert names(watches.all()) == ["b"]


async def test_stop_forgets_a_kind(server: Server) -> None:
    server.put("a", ours="yes", app="one")
    async with watching(server) as watches:
        await watches.ensure(CONFIGMAPS)
        watches.stop(MAP)
        assert (watches.kinds(), watches.all(), watches.of("one")) == (frozenset(), [], [])
        await watches.ensure(CONFIGMAPS)
        assert names(watches.all()) == ["a"]
