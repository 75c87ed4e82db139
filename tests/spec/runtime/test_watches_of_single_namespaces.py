"""A WatchSet that may read some namespaces only."""

import pytest

from atoll.api.objects import ObjectId
from atoll.kube.errors import Forbidden, KubeError
from atoll.kube.objects import Resource
from atoll.kube.resources import CLUSTERROLES, CONFIGMAPS, NAMESPACES
from atoll.runtime.watchset import WatchSet
from atoll.testing.fakeapi import HangWatch, Refuse, Rule
from tests.spec.runtime.conftest import Server, until

MAP = CONFIGMAPS.group_kind


@pytest.fixture
def limited(server: Server) -> Server:
    """The server refuses what goes beyond namespaces `a` and `b`."""
    server.api.faults.rules.append(Rule(Refuse(403, "Forbidden"), namespace=""))
    namespaces = server.api.cluster.kinds.of(NAMESPACES.group_kind)
    assert namespaces is not None
    for namespace in "abc":
        server.api.cluster.create(namespaces, "", {"metadata": {"name": namespace}})
        server.put(f"in-{namespace}", namespace=namespace, ours="yes", app=namespace)
    return server


def watching(server: Server, errors: list[tuple[Resource, KubeError]] | None = None) -> WatchSet:
    told = [] if errors is None else errors
    return WatchSet(
        server.client,
        "ours=yes",
        lambda o: o.labels.get("app"),
        lambda *error: told.append(error),
        namespaces=("a", "b"),
    )


def refuse_b(server: Server) -> None:
    server.api.faults.rules.append(Rule(Refuse(403, "Forbidden"), namespace="b"))


async def test_each_is_watched_by_itself_and_they_are_one_set(limited: Server) -> None:
    async with watching(limited) as watches:
        await watches.ensure(CONFIGMAPS)
        assert watches.listed(MAP)
        assert sorted(o.name for o in watches.all()) == ["in-a", "in-b"]
        limited.put("more", namespace="b", ours="yes", app="b")
        await until(lambda: len(watches.of("b")) == 2)
        limited.delete("in-a", "a")
        await until(lambda: not watches.of("a"))
        assert limited.api.requests["list"] == 2


async def test_an_own_write_goes_where_it_belongs(limited: Server) -> None:
    limited.api.faults.rules.append(Rule(HangWatch(0), verb="watch"))
    async with watching(limited) as watches:
        await watches.ensure(CONFIGMAPS)
        for namespace, seen in (("b", True), ("c", False)):
            body = {"metadata": {"name": "w", "labels": {"ours": "yes"}}}
            made = limited.api.cluster.create(limited.kind, namespace, body)
            answer = await limited.client.get(CONFIGMAPS, made["metadata"]["name"], namespace)
            watches.saw(answer)
            assert (watches.get(ObjectId("", "ConfigMap", namespace, "w")) is answer) == seen


async def test_cluster_scoped_kinds_are_told_as_the_server_answers(limited: Server) -> None:
    errors: list[tuple[Resource, KubeError]] = []
    async with watching(limited, errors) as watches:
        with pytest.raises(Forbidden, match="by a fault"):
            await watches.ensure(CLUSTERROLES)
        assert not watches.listed(CLUSTERROLES.group_kind)
        assert [(resource.kind, type(error)) for resource, error in errors] == [("ClusterRole", Forbidden)]
        limited.api.faults.heal()  # somebody gives the rights
        await until(lambda: watches.listed(CLUSTERROLES.group_kind))


async def test_one_namespace_that_is_refused_does_not_hide_the_others(limited: Server) -> None:
    refuse_b(limited)
    async with watching(limited) as watches:
        await watches.ensure(CONFIGMAPS)
        assert (watches.listed(MAP), watches.listed(MAP, "a"), watches.listed(MAP, "b")) == (False, True, False)
        assert isinstance(watches.error(MAP, "b"), Forbidden)
        assert watches.error(MAP, "a") is None
        assert [namespace for namespace, _ in watches.unlisted(MAP)] == ["b"]
        assert [o.name for o in watches.all()] == ["in-a"]
        limited.api.faults.heal()
        await until(lambda: watches.listed(MAP))
        assert [o.name for o in watches.of("b")] == ["in-b"]


async def test_when_all_are_refused_so_is_the_kind(limited: Server) -> None:
    limited.api.faults.rules.append(Rule(Refuse(403, "Forbidden")))
    async with watching(limited) as watches:
        with pytest.raises(Forbidden):
            await watches.ensure(CONFIGMAPS, timeout=60)


async def test_what_lies_outside_is_said(limited: Server) -> None:
    async with watching(limited) as watches:
        await watches.ensure(CONFIGMAPS)
        assert [watches.excludes(namespace) for namespace in ("a", "c", "")] == [False, True, False]
        assert not watches.listed(MAP, "c")
    async with WatchSet(limited.client, "ours=yes", lambda _: None) as everywhere:
        assert not everywhere.excludes("c")
