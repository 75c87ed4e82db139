"""A Namespace takes all in it along, a CRD all of its kind: neither is deleted while something of that stays."""

import asyncio

import pytest

from atoll.api.delivery import Removal
from atoll.api.names import LABEL_APP
from atoll.api.objects import Json
from atoll.kube.resources import CONFIGMAPS, CRDS, NAMESPACES, SECRETS
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import Site, configmap, eventually

HOME: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
SECRET: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "x"}}
KEPT = configmap("c", "x", {"atoll.dev/prune": "false"}, a="1")
REST = configmap("rest", "demo")
CRD: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "names": {"kind": "Thing", "plural": "things"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True}],
    },
}
THING: Json = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "demo"}}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.deliver.session.LOOK_AGAIN", 0.02)


async def unmarked(site: Site, holder: Json) -> bool:
    resource = NAMESPACES if holder is HOME else CRDS
    live = await site.plain.get(resource, holder["metadata"]["name"])
    return LABEL_APP not in live.labels and not live.deleting


@pytest.mark.parametrize(("holder", "wanted"), [(HOME, KEPT), (HOME, SECRET), (CRD, THING)])
async def test_what_is_wanted_still_is_not_deleted_with_the_holder_that_is_left_out(
    site: Site, holder: Json, wanted: Json
) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(holder, wanted)
        before = site.requests()
        await app.deliver(wanted)
        await eventually(lambda: unmarked(site, holder))
        assert site.requests().get("delete", 0) == before.get("delete", 0)
        assert app.latest
        assert app.latest.state == "Applied"


@pytest.mark.parametrize("removal", [False, True])
async def test_what_is_kept_on_purpose_is_not_deleted_with_its_namespace(site: Site, *, removal: bool) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(HOME, KEPT, SECRET, REST)
        await (app.remove() if removal else app.deliver(REST))
        await eventually(lambda: unmarked(site, HOME))
        assert await site.exists(CONFIGMAPS, "c", "x")
        assert not await site.exists(SECRETS, "s", "x")


async def test_nothing_is_let_go_that_says_why_a_namespace_stays_before_the_namespace_is(
    api: FakeApi, site: Site
) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(HOME, KEPT)
        api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb="patch", plural="namespaces"))
        site.deliverer.remove(Removal(app.key, app.uid, site.name))
        await eventually(lambda: app.trouble("x"))
        assert LABEL_APP in (await site.plain.get(CONFIGMAPS, "c", "x")).labels
        api.faults.heal()
        await eventually(lambda: unmarked(site, HOME))
        assert await site.exists(CONFIGMAPS, "c", "x")


async def test_a_namespace_waits_until_it_is_known_what_is_in_it(api: FakeApi, site: Site) -> None:
    app, other = site.app("demo"), site.app("demo")
    async with site.engaged():
        await app.deliver(HOME, REST)
        await other.deliver(SECRET)
    api.faults.rules += [Rule(Refuse(403, "Forbidden"), verb=verb, plural="secrets") for verb in ("list", "watch")]
    app.submit(REST)
    async with site.engaged():
        await eventually(lambda: app.trouble("x"))
        await asyncio.sleep(0.05)
        assert await site.exists(SECRETS, "s", "x")
        told = app.trouble("x")
        assert told
        assert told.reason == "NotListed"
        assert "Secret" in told.message
        api.faults.heal()
        await eventually(lambda: unmarked(site, HOME))
        assert await site.exists(SECRETS, "s", "x")
