"""The collector: what should be there, against what a member's watches show; told only when the verdict changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from atoll.api.application import HealthRule
from atoll.api.names import LABEL_APP
from atoll.api.objects import GroupKind, Json, Key, ObjectId
from atoll.api.observation import ObjectHealth, Observation
from atoll.fleet.identity import HubIdentity
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object, of_body
from atoll.observe import site
from atoll.observe.collector import Collector
from atoll.observe.custom import HealthRules
from atoll.observe.health import assess
from atoll.runtime.changes import Change, Handler
from atoll.runtime.watchset import WatchSet

from .bodies import condition, deployment, live

APP, KEY = "uid-1", Key("shop", "shop")
WEB = ObjectId("apps", "Deployment", "shop", "web")
CONFIG = ObjectId("", "ConfigMap", "shop", "web")
KINDS = frozenset({WEB.group_kind, CONFIG.group_kind})


class Watches:
    """A WatchSet by hand."""

    namespaces = ()

    def __init__(self) -> None:
        self.objects: dict[ObjectId, Object] = {}
        self.here: set[GroupKind] = set(KINDS)
        self.broken: set[GroupKind] = set()
        self.handlers: list[Handler[Object]] = []
        self.looked: list[ObjectId] = []

    def put(self, body: Json, app: str = APP) -> None:
        body["metadata"]["labels"] = {LABEL_APP: app}
        new = of_body(body)
        old, self.objects[new.id] = self.objects.get(new.id), new
        self.tell(Change(new.id, old, new))

    def remove(self, about: ObjectId) -> None:
        self.tell(Change(about, self.objects.pop(about), None))

    def tell(self, change: Change[Object]) -> None:
        for handler in tuple(self.handlers):
            handler(change)

    def get(self, about: ObjectId) -> Object | None:
        self.looked.append(about)
        return self.objects.get(about)

    def subscribe(self, handler: Handler[Object]) -> Callable[[], None]:
        self.handlers.append(handler)
        return lambda: self.handlers.remove(handler)

    def listed(self, kind: GroupKind, _: str = "") -> bool:
        return kind in self.here and kind not in self.broken

    def kinds(self) -> frozenset[GroupKind]:
        return frozenset(self.here)

    def error(self, kind: GroupKind, _: str = "") -> KubeError | None:
        return KubeError("connection reset") if kind in self.broken else None


class Member1:
    """One engaged member, and all that was reported of it."""

    def __init__(self) -> None:
        self.watches = Watches()
        self.told: list[Observation] = []
        self.collector = Collector(self.told.append)

    def expect(self, *ids: ObjectId, rules: tuple[HealthRule, ...] = ()) -> None:
        self.collector.expect("m1", KEY, APP, frozenset(ids), rules)

    def passed(self) -> None:
        """Delivery has had its turn."""
        self.collector.passed("m1", APP)

    @property
    def healths(self) -> list[str]:
        return [o.health for o in self.told]

    @property
    def last(self) -> Observation:
        return self.told[-1]

    @asynccontextmanager
    async def engaged(self) -> AsyncIterator[None]:
        no_client = cast("Client", None)  # healthy objects and cluster-scoped ones are never looked at closely
        member = Member("m1", "uid", "v1", no_client, HubIdentity("hub", 1), cast("WatchSet", self.watches))
        task = asyncio.create_task(self.collector.engage(member))
        await asyncio.sleep(0.03)
        yield
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def member() -> Member1:
    return Member1()


async def soon() -> None:
    await asyncio.sleep(0.03)


async def test_what_is_there_and_well_is_told_once(member: Member1) -> None:
    member.watches.put(deployment())
    member.watches.put(live("v1", "ConfigMap"))
    member.expect(WEB, CONFIG)
    async with member.engaged():
        await soon()
        assert member.told == [Observation(KEY, APP, "m1", "Healthy", 3, 3)]
        member.watches.put(live("v1", "ConfigMap", resourceVersion="9"))
        await soon()
        assert len(member.told) == 1, "a change that changes no verdict is not told"


async def test_what_is_expected_and_absent_is_missing(member: Member1) -> None:
    member.watches.put(deployment())
    member.expect(WEB, CONFIG)
    async with member.engaged():
        await soon()
        assert member.told == [], "it may be on its way"
        member.passed()
        await soon()
        assert member.last.health == "Missing"
        (problem,) = member.last.problems
        assert (problem.object, problem.reason) == (CONFIG, "Missing")
        member.watches.put(live("v1", "ConfigMap"))
        await soon()
        assert member.healths == ["Missing", "Healthy"]
        member.watches.remove(CONFIG)
        await soon()
        assert member.healths == ["Missing", "Healthy", "Missing"]


async def test_what_does_not_come_is_missing_after_a_while(member: Member1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "GRACE", 0.1)
    monkeypatch.setattr(site, "TICK", 0.02)
    member.expect(WEB)
    async with member.engaged():
        assert member.told == []
        await asyncio.sleep(0.2)
        assert member.healths == ["Missing"]


async def test_an_object_of_another_application_is_not_ours(member: Member1) -> None:
    member.watches.put(deployment(), app="somebody-else")
    member.expect(WEB)
    async with member.engaged():
        member.passed()
        await soon()
        assert member.healths == ["Missing"]


async def test_what_is_expected_no_longer_does_not_count(member: Member1) -> None:
    member.watches.put(deployment())
    member.expect(WEB, CONFIG)
    async with member.engaged():
        member.expect(WEB)
        await soon()
        assert member.last == Observation(KEY, APP, "m1", "Healthy", 3, 3)


async def test_a_burst_is_one_report(member: Member1) -> None:
    ids = [WEB._replace(name=f"web-{n}") for n in range(50)]
    member.expect(*ids)
    async with member.engaged():
        member.passed()
        await soon()
        for about in ids:
            body = deployment()
            body["metadata"]["name"] = about.name
            member.watches.put(body)
        await soon()
        assert member.healths == ["Missing", "Healthy"]
        assert (member.last.ready, member.last.desired) == (150, 150)


async def test_nothing_is_told_before_the_kinds_are_listed(member: Member1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "GRACE", 0.3)
    monkeypatch.setattr(site, "TICK", 0.02)
    member.watches.here = {CONFIG.group_kind}
    member.expect(WEB)
    async with member.engaged():
        await soon()
        assert member.told == []
        member.watches.here = set(KINDS)
        member.watches.put(deployment())
        await soon()
        assert member.healths == ["Healthy"]


async def test_a_kind_that_never_comes_is_missing_after_a_while(
    member: Member1, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "GRACE", 0.1)
    monkeypatch.setattr(site, "TICK", 0.02)
    member.watches.here = set()
    member.expect(WEB)
    async with member.engaged():
        await asyncio.sleep(0.2)
        assert member.healths == ["Missing"]


async def test_a_kind_that_cannot_be_listed_is_unknown(member: Member1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "GRACE", 0.1)
    monkeypatch.setattr(site, "TICK", 0.02)
    member.watches.broken = {WEB.group_kind}
    member.expect(WEB)
    async with member.engaged():
        await asyncio.sleep(0.2)
        assert member.healths == ["Unknown"]
        assert "connection reset" in member.last.problems[0].message


async def test_a_watch_that_is_broken_for_long_is_not_believed_and_a_short_break_is(
    member: Member1, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "LATELY", 0.2)
    monkeypatch.setattr(site, "TICK", 0.02)
    monkeypatch.setattr(site, "IDLE_TICK", 0.02)
    monkeypatch.setattr(site, "ILL_TICK", 0.02)
    member.watches.put(deployment())
    member.expect(WEB)
    async with member.engaged():
        member.watches.broken = {WEB.group_kind}
        await asyncio.sleep(0.1)
        member.watches.broken = set()
        await soon()
        assert member.healths == ["Healthy"]
        member.watches.broken = {WEB.group_kind}
        await asyncio.sleep(0.4)
        assert member.healths == ["Healthy", "Unknown"]
        assert member.last.problems[0].reason == "LastSeen"
        member.watches.broken = set()
        await asyncio.sleep(0.1)
        assert member.healths == ["Healthy", "Unknown", "Healthy"]


async def test_a_users_rules_hold_for_its_objects(member: Member1) -> None:
    rule = HealthRule(api_version="v1", kind="ConfigMap", degraded="object.data.ok != 'yes'", message="'not ok'")
    body = live("v1", "ConfigMap")
    body["data"] = {"ok": "no"}
    body["metadata"]["namespace"] = ""  # so that nobody looks for Pods
    member.watches.put(body)
    about = CONFIG._replace(namespace="")
    member.expect(about, rules=(rule,))
    async with member.engaged():
        await soon()
        assert (member.last.health, member.last.problems[0].message) == ("Degraded", "not ok")
        member.expect(about)
        await soon()
        assert member.last.health == "Healthy"


async def test_what_was_told_stands_while_the_cluster_is_away_and_is_not_repeated(member: Member1) -> None:
    member.watches.put(deployment())
    member.expect(WEB)
    async with member.engaged():
        await soon()
    assert member.collector.observation("m1", APP) == member.last
    member.watches.put(deployment(2))
    await soon()
    assert len(member.told) == 1
    assert member.watches.handlers == []
    async with member.engaged():
        await soon()
        assert [o.desired for o in member.told] == [3, 2]


async def test_what_is_forgotten_is_told_no_more(member: Member1) -> None:
    member.watches.put(deployment())
    member.expect(WEB)
    async with member.engaged():
        await soon()
        member.collector.forget("m1", APP)
        member.watches.remove(WEB)
        await soon()
        assert len(member.told) == 1
        assert member.collector.observation("m1", APP) is None


async def test_five_thousand_objects_cost_a_change_no_more_than_five(member: Member1) -> None:
    ids = [CONFIG._replace(name=f"c{n}") for n in range(5000)]
    for about in ids:
        body = live("v1", "ConfigMap")
        body["metadata"]["name"] = about.name
        member.watches.put(body)
    member.watches.put(deployment())
    member.expect(WEB, *ids)
    async with member.engaged():
        await asyncio.sleep(0.5)
        assert member.healths == ["Healthy"]
        looked: list[ObjectId] = []
        member.watches.looked = looked
        member.watches.put(deployment(3, condition("Available", "True")))
        await soon()
        assert looked == [WEB]


async def test_an_object_that_cannot_be_read_hides_no_other(member: Member1, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it raised ended the look at the whole cluster, again and again: nobody's health there was told any more."""

    def failing(body: Json, rules: HealthRules) -> ObjectHealth:
        if body["kind"] == "Deployment":
            raise TypeError("of another form")
        return assess(body, rules)

    monkeypatch.setattr(site, "assess", failing)
    member.watches.put(deployment())
    member.watches.put(live("v1", "ConfigMap", status={}), "uid-2")
    member.expect(WEB)
    member.collector.expect("m1", KEY, "uid-2", frozenset({CONFIG}))
    async with member.engaged():
        await soon()
        assert {(o.uid, o.health) for o in member.told} == {(APP, "Unknown"), ("uid-2", "Healthy")}
