"""Members that are overloaded, slow, or break off: on a fake API server with faults."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.api.delivery import Removal
from atoll.deliver.session import WORKERS
from atoll.deliver.together import LANES
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.fakeapi import Delay, FakeApi, Refuse, Reset, Rule
from tests.delivering import Site, configmap, eventually


@asynccontextmanager
async def member(api: FakeApi) -> AsyncIterator[Site]:
    async with Client(api.config) as client, Client(api.config) as plain:
        yield Site("c1", client, plain)


async def test_a_member_that_says_429_gets_no_storm_and_is_served_when_it_recovers(api: FakeApi) -> None:
    async with member(api) as site, site.engaged():
        app = site.app("demo")
        await app.deliver(configmap("one", "demo"))
        api.faults.rules.append(Rule(Refuse(429, "TooManyRequests", retry_after=1), verb="apply"))
        before = site.client.statistics().requests["apply"]
        app.submit(*(configmap(f"c{i}", "demo") for i in range(100)))
        await asyncio.sleep(2.5)
        sent = site.client.statistics().requests["apply"] - before
        assert sent <= 16 + 4, sent  # what was under way at first, then one a second
        assert app.latest
        assert app.latest.state == "Applying"
        assert {o.reason for o in app.latest.objects} <= {"TooManyRequests"}
        api.faults.heal()
        await app.outcome("Applied", seconds=20)


async def test_answers_that_are_lost_after_the_effect_do_no_harm(api: FakeApi) -> None:
    async with member(api) as site, site.engaged():
        app = site.app("demo")
        api.faults.rules.append(Rule(Reset(after=True), rate=0.3, verb="apply"))
        api.faults.rules.append(Rule(Reset(), rate=0.2, verb="apply"))
        app.submit(*(configmap(f"c{i}", "demo", a="1") for i in range(30)))
        await app.outcome("Applied", seconds=20)
        api.faults.heal()
        listing = await site.plain.list(CONFIGMAPS, "demo")
        assert len(listing.items) == 30


async def test_five_thousand_objects_go_and_one_that_drifts_is_found_quickly(api: FakeApi) -> None:
    async with member(api) as site, site.engaged():
        app = site.app("demo")
        objects = [configmap(f"c{i}", "demo", a="1") for i in range(5000)]
        small = site.app("other")
        app.submit(*objects)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await small.deliver(configmap("one", "other"))
        assert time.monotonic() - began < 2  # it does not wait behind the large one
        await app.outcome("Applied", seconds=60)
        before = site.requests()
        began = time.monotonic()
        await site.plain.patch(CONFIGMAPS, "c77", "demo", {"data": {"a": "2"}})

        async def right() -> bool:
            live = await site.plain.get(CONFIGMAPS, "c77", "demo")
            return bool(live.body()["data"] == {"a": "1"})

        await eventually(right)
        assert time.monotonic() - began < 0.5
        assert site.requests().get("apply", 0) - before.get("apply", 0) == 1


async def test_a_kind_that_cannot_be_listed_holds_up_nobody_else(api: FakeApi) -> None:
    async with member(api) as site, site.engaged():
        app = site.app("demo")
        await app.deliver(configmap("one", "demo", a="1"))
        api.faults.rules.append(Rule(Refuse(500, "InternalError"), verb="list", plural="secrets"))
        sick = [site.app("demo") for _ in range(3 * WORKERS)]
        for number, each in enumerate(sick):
            metadata = {"name": f"s{number}", "namespace": "demo"}
            each.submit({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        await eventually(
            lambda: sum(each.trouble(f"s{number}") is not None for number, each in enumerate(sick)) > WORKERS
        )
        await app.deliver(configmap("one", "demo", a="2"), seconds=2)
        api.faults.heal()
        for each in sick:
            await each.outcome("Applied")


async def test_contact_lost_and_found_again_sends_only_what_differs(api: FakeApi) -> None:
    async with member(api) as site:
        app = site.app("demo")
        async with site.engaged():
            await app.deliver(*(configmap(f"c{i}", "demo", a="1") for i in range(10)))
        await site.plain.patch(CONFIGMAPS, "c3", "demo", {"data": {"a": "2"}})
        await site.plain.delete(CONFIGMAPS, "c4", "demo")
        app.submit(*(configmap(f"c{i}", "demo", a="1") for i in range(9)))
        before = site.requests()
        site.outcomes.clear()
        async with site.engaged():
            await app.outcome("Applied")
            await eventually(lambda: site.requests().get("delete", 0) == 1)
        after = site.requests()
        assert after["apply"] - before["apply"] == 2
        assert not await site.exists(CONFIGMAPS, "c9", "demo")


async def test_what_is_wanted_while_a_member_is_away_is_remembered_and_the_last_word_counts(api: FakeApi) -> None:
    async with member(api) as site:
        app, leaver = site.app("demo"), site.app("demo")
        async with site.engaged():
            await leaver.deliver(configmap("theirs", "demo"))
        app.submit(configmap("first", "demo"))
        app.submit(configmap("second", "demo"))
        removal = asyncio.create_task(leaver.remove())
        await asyncio.sleep(0.05)
        async with site.engaged():
            await app.outcome("Applied")
            assert (await removal).gone
        assert not await site.exists(CONFIGMAPS, "first", "demo")
        assert await site.exists(CONFIGMAPS, "second", "demo")
        assert not await site.exists(CONFIGMAPS, "theirs", "demo")


async def test_nothing_is_pruned_while_a_kind_cannot_be_listed(api: FakeApi) -> None:
    async with member(api) as site:
        app = site.app("demo")
        async with site.engaged():
            await app.deliver(configmap("one", "demo"), configmap("two", "demo"))
        api.faults.rules += [
            Rule(Refuse(403, "Forbidden"), verb="list", plural="configmaps"),
            Rule(Refuse(403, "Forbidden"), verb="watch", plural="configmaps"),
        ]
        async with site.engaged():
            site.outcomes.clear()
            app.submit(configmap("one", "demo"))
            await app.outcome("Failed")
            task = asyncio.create_task(app.remove(seconds=30))
            await asyncio.sleep(0.3)
            assert app.latest
            assert not app.latest.gone
            assert app.latest.objects[0].reason == "NotListed"
            assert await site.exists(CONFIGMAPS, "two", "demo")
            api.faults.heal()
            await task
        assert not await site.exists(CONFIGMAPS, "two", "demo")


@pytest.mark.parametrize("pruning", [False, True])
async def test_who_is_told_to_leave_all_as_it_is_deletes_nothing_more_and_says_nothing_more(
    api: FakeApi, *, pruning: bool
) -> None:
    async with member(api) as site, site.engaged():
        app = site.app("demo")
        await app.deliver(*(configmap(f"c{i}", "demo") for i in range(100)))
        api.faults.rules.append(Rule(Delay(0.05), verb="delete"))
        if pruning:
            app.submit(configmap("c0", "demo"))
        else:
            site.deliverer.remove(Removal(app.key, app.uid, site.name))
        await eventually(lambda: site.client.statistics().requests.get("delete", 0) > LANES)
        site.deliverer.forget(site.name, app.uid)
        said = len(site.history)
        await asyncio.sleep(0.4)
        left = (await site.plain.list(CONFIGMAPS, "demo")).items
        assert len(left) >= 100 - 3 * LANES
        assert len(site.history) == said
