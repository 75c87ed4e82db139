"""What a member refuses to give away is said with its reason, and asked for ever more seldom."""

import asyncio

import pytest

from atoll.api.delivery import Removal
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import Site, configmap, eventually

ONE = configmap("c0", "demo")
MANY = tuple(configmap(f"c{i}", "demo") for i in range(20))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.deliver.session.LOOK_AGAIN", 0.01)


@pytest.mark.parametrize(("verb", "how"), [("delete", "prune"), ("delete", "remove"), ("patch", "orphan")])
async def test_who_may_not_take_them_away_does_not_ask_for_all_of_them_at_each_look(
    api: FakeApi, site: Site, verb: str, how: str
) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(*MANY)
        api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb=verb))
        before = site.requests().get(verb, 0)
        if how == "prune":
            app.submit(ONE)
        else:
            site.deliverer.remove(Removal(app.key, app.uid, site.name, orphan=how == "orphan"))
        await eventually(lambda: app.trouble("c1"))
        await asyncio.sleep(0.3)  # thirty looks
        assert site.requests()[verb] - before <= len(MANY)
        told = app.trouble("c1")
        assert told
        assert told.reason == "Forbidden"


async def test_they_go_when_they_may(api: FakeApi, site: Site) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(*MANY)
        api.faults.rules.append(Rule(Refuse(500, "InternalError"), verb="delete", times=40))
        await app.remove()
        assert not await site.exists(CONFIGMAPS, "c1", "demo")


async def test_what_stays_since_its_kind_is_not_followed_says_so(api: FakeApi, site: Site) -> None:
    app = site.app("demo")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "demo"}}
    async with site.engaged():
        await app.deliver(ONE, secret)
        api.faults.rules.append(Rule(Refuse(403, "Forbidden"), plural="secrets"))
        api.break_connections()
        await eventually(lambda: not site.watches.listed(SECRETS.group_kind))
        app.submit(ONE)
        told = await eventually(lambda: app.trouble("s"))
        assert told.reason == "NotListed"
        api.faults.heal()
        await app.outcome("Applied")
        assert not await site.exists(SECRETS, "s", "demo")


async def test_who_asks_for_a_removal_again_and_again_does_not_hold_it_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atoll.deliver.prune.PATIENCE", 0.1)
    app = site.app("demo")
    stuck = configmap("stuck", "demo", {"atoll.dev/wave": "1"})
    stuck["metadata"]["finalizers"] = ["example.org/never"]
    async with site.engaged():
        await app.deliver(ONE, stuck)
        for _ in range(40):  # as the hub does whenever a cluster that owes it is looked at
            site.deliverer.remove(Removal(app.key, app.uid, site.name))
            await asyncio.sleep(0.01)
        assert not await site.exists(CONFIGMAPS, "c0", "demo")
