"""What a former manager left: found by its labels, decided about, and taken, deleted or unmarked."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.api.manner import Manner
from atoll.api.objects import GroupKind, ObjectId
from atoll.deliver.heirs import Verdict
from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import Json, Site, configmap, deployment, eventually

LABELS = {"kubefed.io/managed": "true"}
KINDS = frozenset({CONFIGMAPS.group_kind, DEPLOYMENTS.group_kind})


class Case:
    """A member, and decisions by name."""

    def __init__(self, api: FakeApi, site: Site) -> None:
        self.api, self.site = api, site
        self.verdicts: dict[str, Verdict] = {}
        self.asked: list[str] = []

    def decide(self, cluster: str, about: ObjectId) -> Verdict:
        assert cluster == "c1"
        self.asked.append(about.name)
        return self.verdicts.get(about.name, "keep")

    def inherit(self, kinds: frozenset[GroupKind] = KINDS) -> None:
        self.site.deliverer.inherit(LABELS, kinds, self.decide)

    async def left(self, name: str, labels: dict[str, str] | None = None) -> None:
        body = configmap(name, "demo", a="1")
        body["metadata"]["labels"] = LABELS if labels is None else labels
        await self.site.plain.create(CONFIGMAPS, body)

    async def labels(self, name: str) -> Json | None:
        if not await self.site.exists(CONFIGMAPS, name, "demo"):
            return None
        return dict((await self.site.live(CONFIGMAPS, name, "demo")).labels)


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        await plain.create(NAMESPACES, {"metadata": {"name": "demo"}})
        yield Case(api, site)


async def test_each_is_kept_deleted_or_unmarked_as_is_decided(case: Case) -> None:
    for name in ("kept", "deleted", "unmarked"):
        await case.left(name, {**LABELS, "own": "1"})
    await case.left("bystander", {"kubefed.io/managed": "false"})
    case.verdicts = {"deleted": "delete", "unmarked": "unmark", "bystander": "delete"}
    case.inherit()
    async with case.site.engaged():
        await eventually(lambda: len(case.asked) == 3)

        async def done() -> bool:
            return await case.labels("deleted") is None and await case.labels("unmarked") == {"own": "1"}

        await eventually(done)
        assert await case.labels("kept") == {**LABELS, "own": "1"}
        assert await case.labels("bystander") == {"kubefed.io/managed": "false"}
        assert "bystander" not in case.asked


async def test_what_a_delivery_takes_is_found_no_more(case: Case) -> None:
    await case.left("c")
    case.inherit()
    app = case.site.app("demo")
    async with case.site.engaged():
        await eventually(lambda: case.asked == ["c"])
        await app.deliver(configmap("c", "demo", a="2"), manner=Manner(whole=True, labels=LABELS))
        case.verdicts = {"c": "delete"}
        case.inherit()
        await asyncio.sleep(0.1)  # it may be decided about once more, before the watch has brought who took it
        assert await case.site.exists(CONFIGMAPS, "c", "demo")
        asked = len(case.asked)
        case.inherit()
        await asyncio.sleep(0.1)
        assert len(case.asked) == asked


async def test_decisions_are_asked_for_anew_and_what_failed_is_tried_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atoll.deliver.heirs.TRY_AGAIN", (0.05, 0.1))
    await case.left("c")
    case.inherit()
    async with case.site.engaged():
        await eventually(lambda: case.asked == ["c"])
        case.api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb="delete", times=2))
        case.verdicts = {"c": "delete"}
        case.inherit()

        async def gone() -> bool:
            return await case.labels("c") is None

        await eventually(gone)
        assert case.asked == ["c"] * 4


async def test_kinds_begin_and_end_and_an_empty_estate_is_silent(case: Case) -> None:
    async with case.site.engaged():
        case.inherit()
        await eventually(lambda: case.api.requests.get("watch", 0) >= 2)
        before = case.api.requests.copy()
        await asyncio.sleep(0.3)
        assert case.api.requests == before
        case.inherit(frozenset({DEPLOYMENTS.group_kind}))
        await case.left("c")
        await asyncio.sleep(0.1)
        assert case.asked == []
        body = deployment("web", "demo")
        body["metadata"]["labels"] = LABELS
        await case.site.plain.create(DEPLOYMENTS, body)
        await eventually(lambda: case.asked == ["web"])
        case.inherit(frozenset())
        await case.site.plain.patch(DEPLOYMENTS, "web", "demo", {"metadata": {"annotations": {"a": "1"}}})
        await asyncio.sleep(0.1)
        assert case.asked == ["web"]
        case.inherit()
        await eventually(lambda: set(case.asked) == {"web", "c"})


async def test_a_kind_that_is_not_served_keeps_nobody_waiting(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.deliver.heirs.LOOK_FOR_KIND", (0.1, 0.2))
    gadget = GroupKind("example.com", "Gadget")
    await case.left("c")
    case.inherit(KINDS | {gadget})
    async with case.site.engaged():
        await eventually(lambda: case.asked == ["c"])
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        names = {"plural": "gadgets", "kind": "Gadget"}
        crds = await case.site.plain.discovery.resource("apiextensions.k8s.io", "CustomResourceDefinition")
        spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
        await case.site.plain.create(crds, {"metadata": {"name": "gadgets.example.com"}, "spec": spec})
        resource = Resource("example.com", "v1", "Gadget", "gadgets")
        metadata = {"name": "g", "namespace": "demo", "labels": LABELS}
        await case.site.plain.create(resource, {"metadata": metadata})
        await eventually(lambda: "g" in case.asked)


async def test_one_that_cannot_be_decided_about_stops_no_other(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bad", "deleted"):
        await case.left(name)
    decide = case.decide

    def failing(cluster: str, about: ObjectId) -> Verdict:
        if about.name == "bad":
            raise LookupError(about.name)
        return decide(cluster, about)

    monkeypatch.setattr(case, "decide", failing)
    case.verdicts = {"deleted": "delete"}
    case.inherit()
    async with case.site.engaged():

        async def done() -> bool:
            return await case.labels("deleted") is None

        await eventually(done)
        assert await case.labels("bad") == LABELS


async def test_a_namespace_is_not_deleted_while_an_application_has_something_in_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atoll.deliver.heirs.TRY_AGAIN", (0.02, 0.1))
    app = case.site.app("old")
    await case.site.plain.create(NAMESPACES, {"metadata": {"name": "old", "labels": LABELS}})
    case.verdicts = {"old": "delete"}
    async with case.site.engaged():
        await app.deliver(configmap("c", "old"))
        case.inherit(frozenset({NAMESPACES.group_kind}))
        await eventually(lambda: case.asked.count("old") > 2)
        assert await case.site.exists(CONFIGMAPS, "c", "old")
        await app.remove()

        async def gone() -> bool:
            return not await case.site.exists(NAMESPACES, "old")

        await eventually(gone)
