"""The fake API server as our own client sees it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.objects import GroupKind
from atoll.kube.client import Client
from atoll.kube.errors import (
    AlreadyExists,
    Conflict,
    Expired,
    FieldConflict,
    KindNotServed,
    KubeError,
    NotFound,
    ServerTimeout,
    TooManyRequests,
    Unavailable,
    Unreachable,
)
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from atoll.kube.watching import WatchEvent
from atoll.testing.fakeapi import (
    BreakWatch,
    EndWatch,
    FakeApi,
    Gone,
    Refuse,
    Repeat,
    Reset,
    Rule,
    SlowBody,
)


class Bench:
    """A server and a client of it."""

    def __init__(self, api: FakeApi, client: Client) -> None:
        self.api, self.client = api, client

    async def make(self, name: str, *, app: str = "a", x: str = "1") -> str:
        body = {"metadata": {"name": name, "namespace": "default", "labels": {"app": app}}, "data": {"x": x}}
        return (await self.client.create(CONFIGMAPS, body)).resource_version

    async def watch(self, version: str, most: int, **options: Any) -> list[tuple[str, str]]:
        """The first `most` events, or as many as come within the watch's second."""
        seen: list[tuple[str, str]] = []
        async with contextlib.aclosing(self.client.watch(CONFIGMAPS, version, timeout=1, **options)) as events:
            async for event in events:
                seen.append(told(event))
                if len(seen) == most:
                    break
        return seen


def told(event: WatchEvent) -> tuple[str, str]:
    return event.type, event.object.name


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with FakeApi() as api, Client(api.config) as client:
        yield Bench(api, client)


async def test_the_verbs(bench: Bench) -> None:
    client = bench.client
    await bench.make("a")
    with pytest.raises(AlreadyExists):
        await bench.make("a")
    live = await client.get(CONFIGMAPS, "a", "default")
    assert (live.kind, live.body()["data"]) == ("ConfigMap", {"x": "1"})
    patched = await client.patch(CONFIGMAPS, "a", "default", {"data": {"y": "2"}})
    with pytest.raises(Conflict):
        await client.replace(CONFIGMAPS, {**live.body(), "data": {}})
    await client.replace(CONFIGMAPS, {**patched.body(), "data": {"z": "3"}})
    await client.patch(CONFIGMAPS, "a", "default", [{"op": "add", "path": "/data/w", "value": "4"}], type="json")
    assert (await client.get(CONFIGMAPS, "a", "default")).body()["data"] == {"z": "3", "w": "4"}
    with pytest.raises(Conflict):
        await client.delete(CONFIGMAPS, "a", "default", uid="another")
    assert await client.delete(CONFIGMAPS, "a", "default", uid=live.uid) is None
    with pytest.raises(NotFound):
        await client.get(CONFIGMAPS, "a", "default")


async def test_apply_and_its_conflicts(bench: Bench) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    await bench.client.apply(CONFIGMAPS, body, name="a", namespace="default", manager="one", only_create=True)
    with pytest.raises(AlreadyExists):
        await bench.client.apply(CONFIGMAPS, body, name="a", namespace="default", manager="one", only_create=True)
    other = {**body, "data": {"x": "2"}}
    with pytest.raises(FieldConflict) as conflict:
        await bench.client.apply(CONFIGMAPS, other, name="a", namespace="default", manager="two")
    assert (conflict.value.managers, conflict.value.fields) == (("one",), (".data.x",))
    with pytest.raises(Conflict):
        await bench.client.apply(CONFIGMAPS, other, name="a", namespace="default", manager="two", force=True, uid="no")


async def test_discovery_knows_kinds_as_crds_come_and_go(bench: Bench) -> None:
    assert await bench.client.discovery.resource("apps", "Deployment") == DEPLOYMENTS
    with pytest.raises(KindNotServed):
        await bench.client.discovery.resource("example.org", "Thing")


async def test_a_list_in_pages_is_one_snapshot(bench: Bench) -> None:
    for number in range(5):
        version = await bench.make(f"m{number}")
    pages = bench.client.pages(CONFIGMAPS, limit=2)
    first = await anext(pages)
    await bench.client.delete(CONFIGMAPS, "m4", "default")
    await bench.make("m9")
    rest = [page async for page in pages]
    assert [o.name for page in (first, *rest) for o in page.items] == ["m0", "m1", "m2", "m3", "m4"]
    assert {page.resource_version for page in (first, *rest)} == {version}


async def test_a_page_after_compaction_is_expired_and_list_reads_anew(bench: Bench) -> None:
    for number in range(5):
        await bench.make(f"m{number}")
    pages = bench.client.pages(CONFIGMAPS, limit=2)
    await anext(pages)
    await bench.make("m9")
    bench.api.cluster.store.compact()
    with pytest.raises(Expired):
        await anext(pages)


async def test_selectors(bench: Bench) -> None:
    for name, app in (("one", "a"), ("two", "b"), ("three", "c")):
        await bench.make(name, app=app)

    async def names(labels: str = "", fields: str = "") -> set[str]:
        return {o.name for o in (await bench.client.list(CONFIGMAPS, labels=labels, fields=fields)).items}

    assert await names("app=a") == {"one"}
    assert await names("app!=a") == {"two", "three"}
    assert await names("app in (a, b),app!=b") == {"one"}
    assert await names("app notin (a,b)") == {"three"}
    assert await names("!app") == set()
    assert await names("app") == {"one", "two", "three"}
    assert await names(fields="metadata.name=two") == {"two"}


async def test_a_watch_tells_what_came_after_its_version(bench: Bench) -> None:
    version = await bench.make("a")
    await bench.make("b")
    await bench.client.patch(CONFIGMAPS, "a", "default", {"data": {"x": "2"}})
    await bench.client.delete(CONFIGMAPS, "b", "default")
    assert await bench.watch(version, 3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_what_leaves_the_selector_is_deleted_and_what_enters_is_added(bench: Bench) -> None:
    version = await bench.make("a", app="x")
    for app in ("y", "x"):
        await bench.client.patch(CONFIGMAPS, "a", "default", {"metadata": {"labels": {"app": app}}})
    assert await bench.watch(version, 2, labels="app=x") == [("DELETED", "a"), ("ADDED", "a")]


async def test_bookmarks_move_the_version(bench: Bench) -> None:
    bench.api._bookmark_every = 0.02
    version = await bench.make("a")
    await bench.client.create(NAMESPACES, {"metadata": {"name": "n"}})
    async with contextlib.aclosing(bench.client.watch(CONFIGMAPS, version, timeout=1)) as events:
        event = await anext(events)
    assert (event.type, int(event.object.resource_version)) == ("BOOKMARK", int(version) + 1)


@pytest.mark.parametrize("as_status", [True, False])
async def test_a_compacted_version_is_expired(bench: Bench, as_status: bool) -> None:
    version = await bench.make("a")
    await bench.make("b")
    if as_status:
        bench.api.faults.rules.append(Rule(Gone(as_status=True)))
    else:
        bench.api.cluster.store.compact()
    with pytest.raises(Expired):
        await bench.watch(version, 1)


async def test_a_version_yet_to_come_is_refused_for_lists(bench: Bench) -> None:
    with pytest.raises(ServerTimeout, match="Too large resource version"):
        await bench.client.request("GET", "/api/v1/configmaps", params={"resourceVersion": "9999"})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Refuse(429, "TooManyRequests", 7), TooManyRequests),
        (Refuse(503, "ServiceUnavailable"), Unavailable),
        (Reset(), Unreachable),
        (SlowBody(cut=True), Unreachable),
    ],
)
async def test_faults_of_requests(bench: Bench, fault: Any, error: type[KubeError]) -> None:
    await bench.make("a")
    bench.api.faults.rules.append(Rule(fault, verb="list"))
    with pytest.raises(error) as raised:
        await bench.client.list(CONFIGMAPS)
    if isinstance(raised.value, TooManyRequests):
        assert raised.value.retry_after == 7
    assert (await bench.client.get(CONFIGMAPS, "a", "default")).name == "a"


async def test_a_write_can_happen_and_its_answer_be_lost(bench: Bench) -> None:
    bench.api.faults.rules.append(Rule(Reset(after=True), verb="create", times=1))
    with pytest.raises(KubeError):
        await bench.make("a")
    assert (await bench.client.get(CONFIGMAPS, "a", "default")).name == "a"


@pytest.mark.parametrize("torn", [True, False])
async def test_a_watch_breaks_between_events_or_in_one(bench: Bench, torn: bool) -> None:
    version = await bench.make("a")
    for name in ("b", "c", "d"):
        await bench.make(name)
    bench.api.faults.rules.append(Rule(BreakWatch(events=2, torn=torn)))
    seen = []
    with pytest.raises(Unreachable):  # noqa: PT012
        async for event in bench.client.watch(CONFIGMAPS, version):
            seen.append(told(event))  # noqa: PERF401  what came before the break counts
    assert seen == [("ADDED", "b"), ("ADDED", "c")]


async def test_a_watch_ends_in_good_order(bench: Bench) -> None:
    version = await bench.make("a")
    await bench.make("b")
    bench.api.faults.rules.append(Rule(EndWatch(events=1)))
    assert await bench.watch(version, 9) == [("ADDED", "b")]


async def test_a_watch_repeats_old_events(bench: Bench) -> None:
    await bench.make("a")
    version = await bench.make("b")
    await bench.make("c")
    bench.api.faults.rules.append(Rule(Repeat(events=2)))
    assert await bench.watch(version, 3) == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


async def test_unknown_paths_and_kinds_are_not_found(bench: Bench) -> None:
    for path in ("/nowhere", "/apis/apps/v1/nothings", "/api/v1/namespaces/default/configmaps/a/status"):
        with pytest.raises(NotFound):
            await bench.client.request("GET", path)
    assert GroupKind("", "ConfigMap") in {resource.group_kind for resource in await bench.client.discovery.all()}
