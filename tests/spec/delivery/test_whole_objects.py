"""Objects that are written as a whole: what is sent, what is kept, and when nothing is sent at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from atoll.api.application import Retain
from atoll.api.delivery import Delivery, Removal
from atoll.api.differences import Target
from atoll.api.manner import LatePatch, Manner
from atoll.api.names import LABEL_APP, LABEL_HUB
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import App, Json, Site, configmap, deployment, eventually

LABEL = {"kubefed.io/managed": "true"}
MANNER = Manner(whole=True, labels=LABEL, hands_off={"kubefed.io/managed": "false"}, tell_versions=True)


@pytest.fixture
async def site(api: FakeApi) -> AsyncIterator[Site]:
    async with Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        await plain.create(NAMESPACES, {"metadata": {"name": "demo"}})
        async with site.engaged():
            yield site


@pytest.fixture
def app(site: Site) -> App:
    return site.app("demo")


def writes(site: Site) -> dict[str, int]:
    return {verb: n for verb, n in site.requests().items() if verb not in {"get", "list"}}


async def updated(site: Site, number: int) -> None:
    await eventually(lambda: writes(site).get("update") == number)


def target(site: Site, app: App) -> Delivery:
    found = site.deliverer.targets("c1")[app.uid]
    assert isinstance(found, Delivery)
    return found


async def data(site: Site, name: str = "c") -> Json:
    return (await site.live(CONFIGMAPS, name, "demo")).body().get("data") or {}


async def edit(site: Site, patch: Json, name: str = "c") -> None:
    await site.plain.patch(CONFIGMAPS, name, "demo", patch, manager="somebody")


async def test_made_by_one_post_with_labels_and_marks_last(site: Site, app: App) -> None:
    late = (LatePatch("replace", "/metadata/labels", {"team": "a"}), LatePatch("add", "/data/b", "2"))
    outcome = await app.deliver(configmap("c", "demo", a="1"), manner=MANNER, late=late)
    live = await site.live(CONFIGMAPS, "c", "demo")
    assert live.body()["data"] == {"a": "1", "b": "2"}
    assert live.labels.items() >= {"team": "a", **LABEL, LABEL_APP: app.uid, LABEL_HUB: site.hub.id}.items()
    managers = {(e["manager"], e["operation"]) for e in live.body()["metadata"]["managedFields"]}
    assert managers == {("atoll", "Update")}
    assert writes(site) == {"create": 3, "apply": 1}  # the object, and namespaces, and the record of kinds
    assert [version for _, version in outcome.versions] == [f"gen:{live.generation}"]


@pytest.mark.parametrize(
    "patch",
    [
        {"data": {"a": "2"}},
        {"data": {"a": None}},
        {"data": {"more": "1"}},  # beside what was sent
        {"metadata": {"labels": {"theirs": "1"}}},
        {"metadata": {"labels": {LABEL_HUB: None, LABEL_APP: None}}},
        {"metadata": {"labels": dict.fromkeys(LABEL)}},
    ],
)
async def test_drift_is_put_right_by_one_put(site: Site, app: App, patch: Json) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    await edit(site, patch)

    async def right() -> bool:
        live = await site.live(CONFIGMAPS, "c", "demo")
        labels = {*LABEL, LABEL_HUB, LABEL_APP, "applyset.kubernetes.io/part-of"}
        return live.body().get("data") == {"a": "1"} and set(live.labels) == labels

    await eventually(right)
    assert writes(site)["update"] == 1


async def test_what_others_may_write_is_left_and_kept(site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    await edit(site, {"metadata": {"annotations": {"theirs": "1"}, "finalizers": ["example.com/theirs"]}})
    await edit(site, {"status": {"phase": "theirs"}})
    await eventually(lambda: (live := site.watches.of(app.uid)) and b"phase" in live[0].raw)
    outcome = await app.deliver(configmap("c", "demo", a="3"), manner=MANNER)
    assert writes(site)["update"] == 1
    live = await site.live(CONFIGMAPS, "c", "demo")
    assert live.annotations["theirs"] == "1"
    assert live.finalizers == ("example.com/theirs",)
    assert live.body()["status"] == {"phase": "theirs"}
    assert live.body()["data"] == {"a": "3"}
    assert [version for _, version in outcome.versions] == [f"gen:{live.generation}"]


async def test_what_comes_back_each_time_is_left_in_the_end(site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    for number in range(1, 6):
        await edit(site, {"data": {"theirs": "1"}})
        await updated(site, number)
        await eventually(lambda: site.watches.of(app.uid) and b"theirs" not in site.watches.of(app.uid)[0].raw)
    await edit(site, {"data": {"theirs": "1"}})
    await app.outcome("Conflict")
    await asyncio.sleep(1.2)
    assert writes(site)["update"] == 5


async def test_a_restart_writes_nothing(api: FakeApi, site: Site, app: App) -> None:
    late = (LatePatch("add", "/spec/replicas", 3),)
    delivery = deployment("web", "demo")
    await app.deliver(delivery, configmap("c", "demo", a="1"), manner=MANNER, late=())
    await edit(site, {"metadata": {"annotations": {"theirs": "1"}}})
    other = site.app("demo")
    await other.deliver(deployment("late", "demo"), manner=MANNER, late=late)
    before = api.requests.copy()
    targets = [target(site, app), target(site, other)]
    async with Client(api.config) as client:
        again = Site("c1", client, site.plain)
        again.hub = site.hub
        again.alive |= {app.uid, other.uid}
        async with again.engaged():
            for wanted in targets:
                again.deliverer.submit(wanted)
            await eventually(
                lambda: {o.state for o in again.outcomes.values()} == {"Applied"} and len(again.outcomes) == 2
            )
            assert writes(again) == {}
            assert [v for _, v in again.outcomes[other.uid].versions] == ["gen:1"]
    assert api.requests.get("update") == before.get("update")


async def test_a_revision_that_changes_nothing_writes_nothing(site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    await edit(site, {"metadata": {"annotations": {"theirs": "1"}}})
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    assert "update" not in writes(site)


async def test_what_was_put_beside_it_while_nobody_looked_goes(api: FakeApi, site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    wanted = target(site, app)
    site.deliverer.forget("c1", app.uid)
    await edit(site, {"data": {"theirs": "1"}})
    site.deliverer.submit(wanted)

    async def right() -> bool:
        return await data(site) == {"a": "1"}

    await eventually(right)


async def test_replicas_that_are_retained_and_late_patches_that_beat_them(site: Site, app: App) -> None:
    retain = (Retain(Target(kind="Deployment"), "/spec/replicas"),)
    await app.deliver(deployment("web", "demo", 2), manner=MANNER, retain=retain)
    await site.plain.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 7}}, manager="hpa")
    await app.deliver(deployment("web", "demo", 2, image="nginx:2"), manner=MANNER, retain=retain)
    live = (await site.live(DEPLOYMENTS, "web", "demo")).body()["spec"]
    assert (live["replicas"], live["template"]["spec"]["containers"][0]["image"]) == (7, "nginx:2")
    late = (LatePatch("replace", "/spec/replicas", 4),)
    await app.deliver(deployment("web", "demo", 2, image="nginx:2"), manner=MANNER, retain=retain, late=late)
    assert (await site.live(DEPLOYMENTS, "web", "demo")).body()["spec"]["replicas"] == 4


async def test_what_exists_is_taken_by_put_when_it_may_be(site: Site, app: App) -> None:
    await site.plain.create(CONFIGMAPS, configmap("c", "demo", old="1"), manager="kubectl-create")
    outcome = await app.deliver(configmap("c", "demo", a="1"), manner=MANNER, state="Conflict")
    assert (outcome.objects[0].reason, outcome.versions) == ("Exists", ())
    uid = (await site.live(CONFIGMAPS, "c", "demo")).uid
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER, adopt=True)
    live = await site.live(CONFIGMAPS, "c", "demo")
    assert (live.uid, await data(site)) == (uid, {"a": "1"})
    assert {e["manager"] for e in live.body()["metadata"]["managedFields"]} == {"atoll"}


async def test_what_a_former_manager_left_is_taken_in_any_case(site: Site, app: App) -> None:
    body = configmap("c", "demo", old="1")
    body["metadata"]["labels"] = LABEL
    await site.plain.create(CONFIGMAPS, body, manager="controller-manager")
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    assert await data(site) == {"a": "1"}


async def test_hands_off(site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    await edit(site, {"metadata": {"labels": {"kubefed.io/managed": "false"}}, "data": {"a": "theirs"}})
    await app.outcome("Conflict")
    assert app.trouble("c").reason == "HandsOff"  # type: ignore[union-attr]
    assert await data(site) == {"a": "theirs"}
    await edit(site, {"metadata": {"labels": {"kubefed.io/managed": None}}})
    await app.outcome("Applied")
    assert await data(site) == {"a": "1"}
    await edit(site, {"metadata": {"labels": {"kubefed.io/managed": "false"}}})
    await app.outcome("Conflict")
    site.deliverer.remove(Removal(app.key, app.uid, "c1", manner=MANNER))
    await eventually(lambda: app.latest and app.latest.gone)
    assert (await site.live(CONFIGMAPS, "c", "demo")).labels == {"kubefed.io/managed": "false"}


@pytest.mark.parametrize(
    ("late", "text"),
    [
        (LatePatch("add", "/metadata/annotations/x", "1", "spec.overrides[0]"), "spec.overrides[0]: add /metadata/ann"),
        (LatePatch("remove", "/data/x"), "nothing to remove"),
        (LatePatch("replace", "/metadata", 5), "TypeError"),
        (LatePatch("replace", "/apiVersion", "other/v1"), "within its group only"),
    ],
)
async def test_a_patch_that_does_not_apply(site: Site, app: App, late: LatePatch, text: str) -> None:
    outcome = await app.deliver(configmap("c", "demo", a="1"), manner=MANNER, late=(late,), state="Failed")
    (found,) = outcome.objects
    assert (found.reason, found.doing) == ("PatchFailed", "patch")
    assert text in found.message
    assert not await site.exists(CONFIGMAPS, "c", "demo")


@pytest.mark.parametrize("verb", ["create", "update", "delete", "patch"])
async def test_what_was_tried_is_told(api: FakeApi, site: Site, app: App, verb: str) -> None:
    if verb != "create":
        await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb=verb, plural="configmaps"))
    if verb in {"create", "update"}:
        outcome = await app.deliver(configmap("c", "demo", a="2"), manner=MANNER, state="Failed")
        assert outcome.objects[0].doing == verb
        return
    site.deliverer.remove(Removal(app.key, app.uid, "c1", orphan=verb == "patch", manner=MANNER))
    await eventually(lambda: app.trouble("c"))
    assert app.trouble("c").doing == ("delete" if verb == "delete" else "unmark")  # type: ignore[union-attr]


async def test_a_namespace_that_is_somebody_elses_to_make(site: Site, app: App) -> None:
    manner = msgspec.structs.replace(MANNER, make_namespaces=False)
    await app.deliver(configmap("c", "other", a="1"), manner=manner, state="Waiting")
    found = app.trouble("c")
    assert found is not None
    assert (found.reason, found.doing) == ("NamespaceMissing", "create")
    maker = site.app("other")
    await maker.deliver({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}, manner=MANNER)
    await app.outcome("Applied", seconds=0.4)


async def test_an_orphan_loses_the_labels(site: Site, app: App) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    site.deliverer.remove(Removal(app.key, app.uid, "c1", orphan=True, manner=MANNER))
    await eventually(lambda: app.latest and app.latest.gone)
    live = await site.live(CONFIGMAPS, "c", "demo")
    assert (live.labels, live.annotations, await data(site)) == ({}, {}, {"a": "1"})


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (None, {"propagationPolicy": "Background"}),
        ({"gracePeriodSeconds": 0, "propagationPolicy": "Foreground"}, {"propagationPolicy": "Foreground"}),
        ({"orphanDependents": True, "preconditions": {"resourceVersion": ""}}, {"propagationPolicy": "Orphan"}),
        ({"preconditions": {"uid": "another"}}, None),
    ],
)
async def test_delete_options(
    site: Site, app: App, monkeypatch: pytest.MonkeyPatch, options: Any, sent: Json | None
) -> None:
    await app.deliver(configmap("c", "demo", a="1"), manner=MANNER)
    live = await site.live(CONFIGMAPS, "c", "demo")
    seen: list[Json] = []
    plain = site.client.delete

    async def delete(*args: Any, **how: Any) -> Any:
        seen.append(how)
        return await plain(*args, **how)

    monkeypatch.setattr(site.client, "delete", delete)
    manner = msgspec.structs.replace(MANNER, deletion=options)
    site.deliverer.remove(Removal(app.key, app.uid, "c1", manner=manner))
    if sent is None:
        await eventually(lambda: app.trouble("c"))
        found = app.trouble("c")
        assert found is not None
        assert (found.reason, found.doing, seen) == ("PreconditionFailed", "delete", [])
        return
    await eventually(lambda: app.latest and app.latest.gone)
    (how,) = seen
    assert (how["uid"], how["resource_version"]) == (live.uid, live.resource_version)
    assert how["propagation"] == sent["propagationPolicy"]
    assert how["grace_seconds"] == (options or {}).get("gracePeriodSeconds")


async def test_a_patch_may_choose_another_version_of_the_kind(site: Site, app: App) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": f"v{n}", "served": True, "storage": n == 1, "schema": schema} for n in (1, 2)]
    names = {"plural": "gadgets", "kind": "Gadget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    crds = await site.plain.discovery.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    await site.plain.create(crds, {"metadata": {"name": "gadgets.example.com"}, "spec": spec})
    gadget = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": "demo"}}
    late = (LatePatch("replace", "/apiVersion", "example.com/v2"),)
    await app.deliver(gadget, manner=MANNER, late=late)
    (live,) = site.watches.of(app.uid)
    assert live.version == "v2"
