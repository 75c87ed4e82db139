"""Whose an object is: adopting, refusing, collisions, other hubs, newer revisions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.intent import Revision
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from tests.delivering import Site, configmap, deployment, eventually, sites


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


async def test_an_object_that_is_not_ours_is_left_alone_and_its_manager_named(site: Site) -> None:
    ns = await site.made_namespace()
    theirs = await site.plain.create(CONFIGMAPS, configmap("one", ns, a="theirs"), manager="helm")
    app = site.app(ns)
    await app.deliver(configmap("one", ns, a="ours"), configmap("two", ns), state="Conflict")
    trouble = app.trouble("one")
    assert trouble
    assert (trouble.state, trouble.reason) == ("Conflict", "Exists")
    assert "helm" in trouble.message
    assert (await site.live(CONFIGMAPS, "one", ns)).resource_version == theirs.resource_version
    assert await site.exists(CONFIGMAPS, "two", ns)


async def test_it_is_refused_also_when_no_field_conflicts(site: Site) -> None:
    ns = await site.made_namespace()
    await site.plain.create(CONFIGMAPS, configmap("one", ns, a="1"), manager="helm")
    app = site.app(ns)
    await app.deliver(configmap("one", ns, a="1"), state="Conflict")
    await app.remove()
    assert await site.exists(CONFIGMAPS, "one", ns)


async def test_adopt_takes_it_with_all_that_its_owner_had_applied(site: Site) -> None:
    ns = await site.made_namespace()
    body = deployment("web", ns, 2)
    body["spec"]["template"]["spec"]["priorityClassName"] = "system-node-critical"
    body["metadata"]["labels"] = {"old": "label"}
    old = await site.plain.create(DEPLOYMENTS, body, manager="kubectl-client-side-apply")
    app = site.app(ns)
    await app.deliver(deployment("web", ns, 2, image="nginx:2"), adopt=True)
    live = await site.live(DEPLOYMENTS, "web", ns)
    assert live.uid == old.uid
    assert "old" not in live.labels
    spec = live.body()["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "nginx:2"
    assert "priorityClassName" not in spec
    managers = {(e["manager"], e.get("subresource", "")) for e in live.body()["metadata"]["managedFields"]}
    assert ("kubectl-client-side-apply", "") not in managers
    assert ("atoll", "") in managers


async def test_adopt_leaves_a_controllers_fields_with_it(site: Site) -> None:
    ns = await site.made_namespace()
    await site.plain.create(CONFIGMAPS, configmap("one", ns, a="1"), manager="helm")
    await site.plain.patch(CONFIGMAPS, "one", ns, {"data": {"injected": "x"}}, manager="ca-injector")
    app = site.app(ns)
    await app.deliver(configmap("one", ns, a="2"), adopt=True)
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "2", "injected": "x"}


async def test_adopt_never_takes_from_another_application(site: Site) -> None:
    first, second = site.app(ns := site.namespace()), site.app(ns)
    await first.deliver(configmap("one", ns, a="first"))
    live = await site.live(CONFIGMAPS, "one", ns)
    await second.deliver(configmap("one", ns, a="second"), state="Conflict", adopt=True)
    trouble = second.trouble("one")
    assert trouble
    assert trouble.reason == "OtherApplication"
    assert str(first.key) in trouble.message
    assert (await site.live(CONFIGMAPS, "one", ns)).resource_version == live.resource_version
    await second.remove()
    assert await site.exists(CONFIGMAPS, "one", ns)


async def test_what_another_application_lets_go_of_is_taken_at_once(site: Site) -> None:
    first, second = site.app(ns := site.namespace()), site.app(ns)
    await first.deliver(configmap("one", ns, a="first"))
    await second.deliver(configmap("one", ns, a="second"), configmap("two", ns), state="Conflict", adopt=True)
    await first.remove()
    await second.outcome("Applied", seconds=2.0)
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "second"}


async def test_what_a_dead_application_left_is_taken_with_adopt_only(site: Site) -> None:
    dead, living = site.app(ns := site.namespace()), site.app(ns)
    await dead.deliver(configmap("one", ns, a="dead"))
    site.deliverer.forget(site.name, dead.uid)
    site.alive.remove(dead.uid)
    await eventually(lambda: site.deliverer.unclaimed(site.name) == {dead.uid: 1})
    await living.deliver(configmap("one", ns, a="living"), state="Conflict")
    trouble = living.trouble("one")
    assert trouble
    assert trouble.reason == "FormerApplication"
    await living.deliver(configmap("one", ns, a="living"), adopt=True)
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "living"}
    assert site.deliverer.unclaimed(site.name) == {}


async def test_another_hubs_object_is_never_taken(site: Site, fleet: Any) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    async with sites(fleet) as other, other.engaged():
        rival = other.app(ns)
        await rival.deliver(configmap("one", ns, a="2"), state="Conflict", adopt=True)
        trouble = rival.trouble("one")
        assert trouble
        assert trouble.reason == "OtherHub"
        assert site.hub.id in trouble.message


async def test_a_newer_revision_is_never_replaced(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="new"), epoch=2, sequence=1)
    outcome = await app.deliver(configmap("one", ns, a="old"), epoch=1, sequence=9, state="Conflict")
    assert {o.reason for o in outcome.objects} == {"NewerRevision"}
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "new"}
    await app.deliver(configmap("two", ns), epoch=1, sequence=10, state="Conflict")
    live = await site.live(CONFIGMAPS, "one", ns)
    assert Revision.parse(live.annotations["atoll.dev/revision"]) == Revision(2, app.uid, 1)


async def test_labels_that_somebody_took_off_come_back(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    nothing = {"metadata": {"labels": {"atoll.dev/hub": None, "atoll.dev/app": None}}}
    await site.plain.patch(CONFIGMAPS, "one", ns, nothing)

    async def marked() -> bool:
        return (await site.live(CONFIGMAPS, "one", ns)).labels.get("atoll.dev/app") == app.uid

    await eventually(marked)


async def test_a_namespace_that_atoll_made_can_be_delivered_later(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns))
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns, "labels": {"team": "a"}}}
    await app.deliver(manifest, configmap("one", ns))
    assert (await site.live(NAMESPACES, ns)).labels["team"] == "a"


async def test_a_namespace_of_somebody_else_does_not_hold_up_what_lives_in_it(site: Site) -> None:
    ns = await site.made_namespace()
    app = site.app(ns)
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}
    await app.deliver(manifest, configmap("one", ns), state="Conflict")
    assert await site.exists(CONFIGMAPS, "one", ns)
    await app.remove()
    assert await site.exists(NAMESPACES, ns)


async def test_a_namespace_with_another_applications_objects_is_left_when_its_own_goes(site: Site) -> None:
    first, second = site.app(ns := site.namespace()), site.app(ns)
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}
    await first.deliver(manifest, configmap("first", ns))
    await second.deliver(configmap("second", ns))
    await first.remove()
    assert await site.exists(CONFIGMAPS, "second", ns)
    assert not (await site.live(NAMESPACES, ns)).deleting
    assert not await site.exists(CONFIGMAPS, "first", ns)
