"""What was written is known before it is told as applied: no status says that the health from before is of now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS
from atoll.observe.collector import Collector
from atoll.testing.fakeapi import FakeApi, HangWatch, Rule
from tests.delivering import App, Site, configmap, deployment, eventually, object_id

WEB = object_id(deployment("web", "demo"))


class Case:
    """A member whose watches can be made to hang."""

    def __init__(self, api: FakeApi, site: Site) -> None:
        self.api = api
        self.site = site
        self.collector = Collector(lambda _: None)

    @asynccontextmanager
    async def engaged(self) -> AsyncIterator[None]:
        async with self.site.engaged():
            member = Member(self.site.name, "uid", "v1", self.site.client, self.site.hub, self.site.watches)
            observing = asyncio.create_task(self.collector.engage(member))
            try:
                yield
            finally:
                observing.cancel()
                await asyncio.wait([observing])

    async def hang(self) -> None:
        """From now on watches are open and bring nothing."""
        self.api.faults.rules.append(Rule(HangWatch(0), verb="watch"))
        before = self.api.requests["watch"]
        self.api.break_connections()
        await eventually(lambda: self.api.requests["watch"] > before)
        await eventually(lambda: all(map(self.site.watches.listed, self.site.watches.kinds())))

    def submit(self, app: App, image: str) -> None:
        delivery = app.submit(deployment("web", "demo", image=image))
        self.collector.expect(self.site.name, app.key, app.uid, frozenset(m.id for m in delivery.objects))

    async def health(self, app: App) -> str:
        """What a status that is written now would say."""
        await self.collector.catch_up(self.site.name, app.uid)
        seen = self.collector.observation(self.site.name, app.uid)
        return seen.health if seen else ""


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        yield Case(api, Site("c1", client, plain))


async def test_when_applied_is_told_the_watches_know_what_was_written(case: Case) -> None:
    app, watches = case.site.app("demo"), case.site
    async with case.site.engaged():
        await app.deliver(configmap("c", "demo", a="1"))
        await case.hang()
        await app.deliver(configmap("c", "demo", a="2"), configmap("d", "demo", a="3"))
        known = {live.name: live.body()["data"]["a"] for live in watches.watches.of(app.uid)}
        assert known == {"c": "2", "d": "3"}
        assert case.site.requests()["apply"] == 4  # three, and the record of kinds


async def test_the_health_from_before_is_not_told_of_a_new_revision(case: Case) -> None:
    app = case.site.app("demo")
    async with case.engaged():
        case.submit(app, "nginx:1")
        await app.outcome("Applied")
        replicas = {f"{word}Replicas": 1 for word in ("ready", "updated", "available")}
        status = {"status": {"observedGeneration": 1, "replicas": 1, **replicas}}
        await case.site.plain.patch(DEPLOYMENTS, "web", "demo", status, subresource="status")
        await eventually(lambda: case.site.watches.get(WEB))

        async def well() -> bool:
            return await case.health(app) == "Healthy"

        await eventually(well)
        await case.hang()
        before = app.latest
        case.submit(app, "nginx:2")
        await eventually(lambda: app.latest and app.latest != before and app.latest.state == "Applied")
        assert await case.health(app) == "Progressing"


async def test_an_object_that_is_gone_does_not_come_back_by_an_old_answer(case: Case) -> None:
    app = case.site.app("demo")
    async with case.site.engaged():
        await app.deliver(configmap("c", "demo", a="1"), configmap("d", "demo", a="1"))
        await app.deliver(configmap("d", "demo", a="1"))
        await eventually(lambda: len(case.site.watches.of(app.uid)) == 1)
        await case.site.plain.delete(CONFIGMAPS, "d", "demo")
        await eventually(lambda: case.site.requests().get("apply", 0) == 4)  # made anew
        await eventually(lambda: [o.name for o in case.site.watches.of(app.uid)] == ["d"])
