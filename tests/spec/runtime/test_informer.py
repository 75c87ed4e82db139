"""An informer's copy is the server's state, and nobody is told twice or misses a change."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from atoll.api.objects import ObjectId
from atoll.kube.errors import Forbidden, KubeError, NotFound, TooManyRequests, Unreachable
from atoll.kube.objects import Object
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.informer import Change, Informer
from atoll.runtime.ratelimit import Backoff
from atoll.telemetry import Metrics
from atoll.testing.fakeapi import BreakWatch, EndWatch, Fault, Gone, HangWatch, Refuse, Repeat, Reset, Rule, SlowBody
from tests.spec.runtime.conftest import Server, until

Seen = list[tuple[str, str | None, str | None]]
Start = Callable[..., AbstractAsyncContextManager["Following"]]


class Following:
    """A running informer of the `x` in ConfigMaps, and all that it told."""

    def __init__(self, informer: Informer[str]) -> None:
        self.informer = informer
        self.seen: Seen = []
        informer.subscribe(self._change)

    def _change(self, change: Change[str]) -> None:
        assert self.informer.get(change.id) == change.new
        self.seen.append((change.id.name, change.old, change.new))

    def contents(self) -> dict[str, str]:
        return {identity.name: x for identity, x in self.informer.items()}

    def news(self) -> Seen:
        """What was told since the last call."""
        news, self.seen = self.seen, []
        return news


def x_of(found: Object) -> str:
    return str(found.body()["data"]["x"])


@asynccontextmanager
async def following(server: Server, **options: Any) -> AsyncIterator[Following]:
    informer = Informer(server.client, CONFIGMAPS, transform=x_of, backoff=Backoff(0.005, 0.05), **options)
    follows = Following(informer)
    task = asyncio.create_task(informer.run())
    try:
        yield follows
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def identity(name: str) -> ObjectId:
    return ObjectId("", "ConfigMap", "default", name)


async def test_it_lists_then_watches(server: Server) -> None:
    server.put("a")
    async with following(server) as follows:
        assert not follows.informer.synced
        await follows.informer.wait_synced()
        assert follows.news() == [("a", None, "1")]
        server.put("b")
        server.put("a", "2")
        server.delete("b")
        await until(lambda: len(follows.seen) == 3)
        assert follows.news() == [("b", None, "1"), ("a", "1", "2"), ("b", "1", None)]
        assert follows.informer.get(identity("a")) == "2"
        assert follows.informer.values() == ["2"]
        assert follows.informer.fresh
    assert not follows.informer.fresh
    assert server.api.requests["list"] == 1


async def test_it_reads_all_pages_before_it_is_synced(server: Server) -> None:
    for number in range(7):
        server.put(f"m{number}")
    async with following(server, page=2) as follows:
        await follows.informer.wait_synced()
        assert len(follows.informer) == 7
    assert server.api.requests["list"] == 4


async def test_an_object_that_leaves_the_selector_is_gone_and_comes_back_as_new(server: Server) -> None:
    server.put("a", "1", app="x")
    server.put("other", "1", app="y")
    async with following(server, labels="app=x") as follows:
        await follows.informer.wait_synced()
        server.put("a", "2", app="y")
        server.put("a", "3", app="x")
        await until(lambda: len(follows.seen) == 3)
        assert follows.news() == [("a", None, "1"), ("a", "1", None), ("a", None, "3")]


async def test_a_namespace_and_a_field_selector_bound_it(server: Server) -> None:
    server.put("a", namespace="default")
    server.put("a", namespace="kube-system")
    server.put("b", namespace="default")
    async with following(server, namespace="default", fields="metadata.name=a") as follows:
        await follows.informer.wait_synced()
        assert follows.contents() == {"a": "1"}


@pytest.mark.parametrize(
    "fault",
    [
        BreakWatch(events=1),
        BreakWatch(events=1, torn=True),
        EndWatch(events=1),
        Refuse(429, "TooManyRequests"),
        Refuse(503, "ServiceUnavailable"),
        Reset(),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_watch_that_ends_goes_on_from_where_it_was(server: Server, fault: Fault) -> None:
    server.put("a")
    server.api.faults.rules.append(Rule(fault, verb="watch", times=2))
    async with following(server) as follows:
        await follows.informer.wait_synced()
        for number in range(2, 6):
            server.put("a", str(number))
        await until(lambda: follows.contents() == {"a": "5"})
        assert [new for _, _, new in follows.news()] == ["1", "2", "3", "4", "5"]
    assert server.api.requests["list"] == 1


@pytest.mark.parametrize("as_status", [True, False])
async def test_after_410_it_lists_again_and_tells_the_difference(server: Server, as_status: bool) -> None:
    for name in ("changed", "deleted", "kept", "recreated"):
        server.put(name)
    async with following(server) as follows:
        await follows.informer.wait_synced()
        follows.news()
        server.api.faults.rules.append(Rule(Gone(as_status=as_status), times=1))
        server.put("changed", "2")
        server.delete("deleted")
        server.delete("recreated")
        server.put("recreated", "new")
        server.put("added")
        server.api.cluster.store.compact()
        await server.break_watches()
        await until(lambda: follows.contents() == server.contents())
        assert sorted(follows.news(), key=str) == [
            ("added", None, "1"),
            ("changed", "1", "2"),
            ("deleted", "1", None),
            ("recreated", "1", None),
            ("recreated", None, "new"),
        ]
        assert follows.informer.restarts >= 1
        server.put("kept", "2")
        await until(lambda: bool(follows.seen))
        assert follows.news() == [("kept", "1", "2")]


async def test_the_old_copy_stays_while_lists_fail(server: Server) -> None:
    server.put("a")
    async with following(server) as follows:
        await until(lambda: server.api.watching > 0)
        server.api.faults.rules.append(Rule(Refuse(403, "Forbidden")))
        server.api.cluster.store.compact()
        server.put("a", "2")
        await server.break_watches()
        await until(lambda: isinstance(follows.informer.last_error, Forbidden))
        assert (follows.informer.synced, follows.informer.fresh) == (True, False)
        assert follows.contents() == {"a": "1"}
        assert follows.informer.connected_since is None
        server.api.faults.heal()
        await until(lambda: follows.contents() == {"a": "2"})
        assert follows.informer.last_error is None
        assert follows.informer.fresh


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Refuse(429, "TooManyRequests"), TooManyRequests),
        (Refuse(404, "NotFound"), NotFound),
        (Reset(), Unreachable),
        (SlowBody(cut=True), Unreachable),
    ],
)
async def test_it_says_why_it_is_not_synced_and_goes_on_trying(
    server: Server, fault: Fault, error: type[KubeError]
) -> None:
    server.put("a")
    server.api.faults.rules.append(Rule(fault, verb="list"))
    async with following(server) as follows:
        await follows.informer.wait_attempt()
        assert isinstance(follows.informer.last_error, error)
        assert not follows.informer.synced
        server.api.faults.heal()
        await follows.informer.wait_synced()
        assert follows.contents() == {"a": "1"}


async def test_old_events_that_come_again_are_passed_over(server: Server) -> None:
    server.put("a")
    server.put("gone")
    async with following(server) as follows:
        await follows.informer.wait_synced()
        server.put("a", "2")
        server.delete("gone")
        await until(lambda: follows.contents() == {"a": "2"})
        follows.news()
        server.api.faults.rules.append(Rule(Repeat(events=10), times=1))
        await server.break_watches()
        server.put("a", "3")
        await until(lambda: follows.contents() == {"a": "3"})
        assert follows.news() == [("a", "2", "3")]


async def test_a_silent_watch_is_given_up(server: Server) -> None:
    server.put("a")
    server.api.faults.rules.append(Rule(HangWatch(), times=1))
    async with following(server, idle=0.1) as follows:
        await follows.informer.wait_synced()
        server.put("a", "2")
        await until(lambda: follows.contents() == {"a": "2"})
        assert follows.informer.restarts == 1


async def test_bookmarks_keep_a_quiet_watch_alive_and_spare_lists(server: Server) -> None:
    server.put("a")
    async with following(server, idle=0.2) as follows:
        await follows.informer.wait_synced()
        for _ in range(10):
            server.put("other", str(_), namespace="kube-system")
            server.delete("other", "kube-system")
        await asyncio.sleep(0.3)
        assert follows.informer.restarts == 0
    async with following(server, namespace="default") as follows:
        await follows.informer.wait_synced()
        server.put("b", namespace="kube-system")
        await asyncio.sleep(0.12)  # a bookmark tells of a revision that no event of ours has
        server.api.cluster.store.compact()
        lists = server.api.requests["list"]
        await server.break_watches()
        server.put("a", "2")
        await until(lambda: follows.contents()["a"] == "2")
        assert server.api.requests["list"] == lists


async def test_a_server_restored_from_a_backup_is_listed_again(server: Server) -> None:
    server.put("a")
    async with following(server) as follows:
        await follows.informer.wait_synced()
        await until(lambda: server.api.watching > 0)
        follows.informer._mirror.version = "1000"
        await server.break_watches()
        server.put("a", "2")
        await until(lambda: follows.contents() == {"a": "2"})


async def test_a_server_that_ends_every_watch_at_once_is_not_hammered(server: Server) -> None:
    server.api.faults.rules.append(Rule(EndWatch()))
    informer: Informer[Object] = Informer(server.client, CONFIGMAPS, backoff=Backoff(0.02, 0.1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await informer.run()
    assert server.api.requests["watch"] < 12


async def test_the_pause_that_a_server_asks_for_is_kept(server: Server) -> None:
    server.api.faults.rules.append(Rule(Refuse(429, "TooManyRequests", 1), times=1))
    async with following(server) as follows:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await follows.informer.wait_synced()
        await follows.informer.wait_synced()
    assert server.api.requests["list"] == 2


async def test_handlers_that_raise_hurt_nobody(server: Server) -> None:
    informer: Informer[Object] = Informer(server.client, CONFIGMAPS)
    seen: list[str] = []

    def bad(change: Change[Object]) -> None:
        raise ValueError(change.id.name)

    informer.subscribe(bad)
    informer.subscribe(lambda change: seen.append(change.id.name))
    server.put("a")
    task = asyncio.create_task(informer.run())
    with capture_logs() as logs:
        await until(lambda: seen == ["a"])
    assert [entry["event"] for entry in logs] == ["handler failed"]
    task.cancel()


async def test_who_comes_late_is_told_what_is_there_and_who_leaves_nothing_more(server: Server) -> None:
    server.put("a")
    async with following(server) as follows:
        await follows.informer.wait_synced()
        late: Seen = []
        leave = follows.informer.subscribe(lambda c: late.append((c.id.name, c.old, c.new)))
        assert late == [("a", None, "1")]
        server.put("a", "2")
        await until(lambda: len(late) == 2)
        leave()
        server.put("a", "3")
        await until(lambda: follows.contents() == {"a": "3"})
        assert len(late) == 2


async def test_an_object_that_cannot_be_read_is_passed_over(server: Server) -> None:
    server.api.cluster.create(server.kind, "default", {"metadata": {"name": "strange"}})
    server.put("a")
    with capture_logs() as logs:
        async with following(server) as follows:
            await follows.informer.wait_synced()
            assert follows.contents() == {"a": "1"}
    assert "an object could not be read, and is passed over" in [entry["event"] for entry in logs]


async def test_it_is_counted(server: Server) -> None:
    metrics = Metrics(CollectorRegistry())

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(name, {"cluster": "m1", "kind": "ConfigMap", **labels})

    server.put("a")
    server.put("b")
    async with following(server, scope="m1", meter=metrics) as follows:
        await follows.informer.wait_synced()
        assert value("atoll_informer_objects") == 2
        server.delete("a")
        await server.break_watches()
        await until(lambda: follows.contents() == {"b": "1"})
        assert value("atoll_informer_objects") == 1
        await until(lambda: value("atoll_watch_restarts_total", cause="Unreachable") == 1)
    assert value("atoll_informer_objects") == 0


async def test_without_transform_objects_come_with_their_bytes(server: Server) -> None:
    server.put("a")
    informer: Informer[Object] = Informer(server.client, CONFIGMAPS)
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    found = informer.get(identity("a"))
    assert found is not None
    assert (found.kind, found.version, found.body()["data"]) == ("ConfigMap", "v1", {"x": "1"})
    assert b"managedFields" not in found.raw
    task.cancel()


async def test_errors_other_than_the_apis_do_not_end_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError

    server.put("a")
    with capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(server.client, "list", broken)
        informer: Informer[Object] = Informer(server.client, CONFIGMAPS, backoff=Backoff(0.001, 0.01))
        task = asyncio.create_task(informer.run())
        await informer.wait_attempt()
        assert "ZeroDivisionError" in str(informer.last_error)
    await informer.wait_synced()
    task.cancel()
    assert {entry["event"] for entry in logs if entry["log_level"] == "error"} == {"informer failed"}
