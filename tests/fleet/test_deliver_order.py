"""In which order objects go, and what keeps them: waves, kinds not served, what can't be changed in place."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from atoll.kube.errors import NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, CRDS, DEPLOYMENTS, JOBS, NAMESPACES
from tests.delivering import Json, Site, configmap, deployment, eventually, object_id, sites
from tests.fleet.conftest import definition


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


class Kind:
    """A custom kind that no other test has."""

    def __init__(self) -> None:
        self.group = f"g{secrets.token_hex(4)}.example.org"
        self.resource = Resource(self.group, "v1", "Widget", "widgets")

    def definition(self) -> Json:
        return definition(self.resource)

    def widget(self, name: str, namespace: str) -> Json:
        metadata = {"name": name, "namespace": namespace}
        return {"apiVersion": f"{self.group}/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 1}}


@pytest.fixture
async def kind(site: Site) -> AsyncIterator[Kind]:
    kind = Kind()
    yield kind
    with suppress(NotFound):
        await site.plain.delete(CRDS, f"widgets.{kind.group}")


def wave(name: str, namespace: str, number: int, **data: str) -> Json:
    return configmap(name, namespace, {"atoll.dev/wave": str(number)}, **data)


async def test_a_custom_resource_goes_with_its_definition(site: Site, kind: Kind) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(kind.widget("w", ns), kind.definition(), configmap("one", ns))
    assert (await site.live(kind.resource, "w", ns)).body()["spec"] == {"size": 1}
    await app.remove(seconds=30)
    await eventually(lambda: gone(site, CRDS, f"widgets.{kind.group}"))


async def gone(site: Site, resource: Resource, name: str, namespace: str = "") -> bool:
    return not await site.exists(resource, name, namespace)


async def test_a_kind_that_is_not_served_waits_and_the_rest_goes(site: Site, kind: Kind) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(kind.widget("w", ns), configmap("one", ns), wave("later", ns, 3), state="Waiting")
    trouble = app.trouble("w")
    assert trouble
    assert (trouble.state, trouble.reason) == ("Waiting", "KindNotServed")
    assert await site.exists(CONFIGMAPS, "one", ns)
    assert await site.exists(CONFIGMAPS, "later", ns)
    await site.plain.create(CRDS, kind.definition())
    await app.outcome("Applied", seconds=20)
    assert await site.exists(kind.resource, "w", ns)


async def test_a_kind_delivered_by_another_application_is_used_at_once(site: Site, kind: Kind) -> None:
    app, definer = site.app(ns := site.namespace()), site.app(ns)
    await app.deliver(kind.widget("w", ns), state="Waiting")
    definer.submit(kind.definition())
    await app.outcome("Applied", seconds=1.5)


async def test_waves_go_in_order_and_a_failure_holds_the_next(site: Site) -> None:
    app = site.app(ns := site.namespace())
    broken = wave("second", ns, 2, a="b")
    broken["data"] = {"a": 1}
    await app.deliver(wave("third", ns, 3), broken, wave("first", ns, 1), wave("zero", ns, -1), state="Failed")
    assert await site.exists(CONFIGMAPS, "zero", ns)
    assert await site.exists(CONFIGMAPS, "first", ns)
    assert not await site.exists(CONFIGMAPS, "third", ns)
    failed, held = app.trouble("second"), app.trouble("third")
    assert failed
    assert held
    assert (failed.state, failed.reason) == ("Failed", "Invalid")
    assert (held.state, held.reason, held.message) == ("Waiting", "WaveHeld", "waits for ConfigMap/second")
    await app.deliver(wave("third", ns, 3), wave("second", ns, 2, a="b"), wave("first", ns, 1), wave("zero", ns, -1))
    names = ("zero", "first", "second", "third")
    stamps = [int((await site.live(CONFIGMAPS, name, ns)).resource_version) for name in names]
    assert stamps == sorted(stamps)


async def test_a_replacement_that_cannot_be_made_keeps_what_it_replaces(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns), configmap("one", ns))
    broken = deployment("web2", ns)
    del broken["spec"]["template"]["spec"]["containers"][0]["name"]
    await app.deliver(broken, state="Failed")
    await eventually(lambda: gone(site, CONFIGMAPS, "one", ns))
    kept = app.trouble("web")
    assert kept
    assert kept.reason == "PruneHeld"
    assert await site.exists(DEPLOYMENTS, "web", ns)
    await app.deliver(deployment("web2", ns))
    await eventually(lambda: gone(site, DEPLOYMENTS, "web", ns))


async def test_an_immutable_field_is_refused_and_named(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns))
    changed = deployment("web", ns)
    changed["spec"]["selector"]["matchLabels"] = changed["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    old = await site.live(DEPLOYMENTS, "web", ns)
    await app.deliver(changed, state="Failed")
    trouble = app.trouble("web")
    assert trouble
    assert trouble.reason == "Immutable"
    assert "spec.selector" in trouble.message
    await app.deliver(changed, recreate=True)
    new = await site.live(DEPLOYMENTS, "web", ns)
    assert new.uid != old.uid
    assert new.body()["spec"]["selector"]["matchLabels"] == {"app": "other"}


async def test_a_jobs_template_is_recreated_when_told_so(site: Site) -> None:
    app = site.app(ns := site.namespace())

    def job(image: str) -> Json:
        spec = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
        metadata = {"name": "once", "namespace": ns}
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": spec}}}

    await app.deliver(job("busybox:1"))
    await app.deliver(job("busybox:2"), state="Failed")
    trouble = app.trouble("once")
    assert trouble
    assert len(trouble.message) < 400
    await app.deliver(job("busybox:2"), recreate=True, seconds=20)
    live = (await site.live(JOBS, "once", ns)).body()
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "busybox:2"


async def test_a_claims_data_is_never_thrown_away(site: Site) -> None:
    app = site.app(ns := site.namespace())
    claims = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")

    def claim(storage_class: str) -> Json:
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1024Mi"}},
        }
        metadata = {"name": "data", "namespace": ns}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}

    await app.deliver(claim("x"))
    old = await site.live(claims, "data", ns)
    await app.deliver(claim("y"), recreate=True, state="Failed")
    trouble = app.trouble("data")
    assert trouble
    assert trouble.reason == "Immutable"
    assert "never recreated" in trouble.message
    assert (await site.live(claims, "data", ns)).uid == old.uid


async def test_nothing_at_all_must_be_meant(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns))
    outcome = await app.deliver(state="Failed")
    assert outcome.objects[0].reason == "EmptyRefused"
    assert await site.exists(CONFIGMAPS, "one", ns)
    await app.deliver(allow_empty=True)
    await eventually(lambda: gone(site, CONFIGMAPS, "one", ns))


async def test_a_suspended_delivery_writes_nothing(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    await app.deliver(configmap("one", ns, a="2"), suspend=True, state="Suspended")
    await site.plain.patch(CONFIGMAPS, "one", ns, {"data": {"a": "3"}})
    await asyncio.sleep(0.3)
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "3"}
    await app.deliver(configmap("one", ns, a="2"))
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "2"}


async def test_protected_objects_are_neither_written_nor_pruned(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"), configmap("two", ns, a="1"))
    both = frozenset({object_id(configmap("one", ns)), object_id(configmap("two", ns))})
    await app.deliver(configmap("one", ns, a="2"), protected=both)
    assert (await site.live(CONFIGMAPS, "one", ns)).body()["data"] == {"a": "1"}
    assert await site.exists(CONFIGMAPS, "two", ns)


async def test_a_namespace_that_goes_away_comes_back_with_all_in_it(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    old = await site.live(NAMESPACES, ns)
    await site.plain.delete(NAMESPACES, ns)

    async def back() -> bool:
        return (await site.live(NAMESPACES, ns)).uid != old.uid and await site.exists(CONFIGMAPS, "one", ns)

    await eventually(back, 60)
    await app.outcome("Applied")


async def test_objects_over_the_limit_and_duplicate_keys_are_refused_in_the_members_words(site: Site) -> None:
    app = site.app(ns := site.namespace())
    twice = deployment("web", ns)
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    twice["spec"]["template"]["spec"]["containers"][0]["env"] = env
    await app.deliver(configmap("large", ns, a="x" * 1_600_000), twice, configmap("one", ns), state="Failed")
    large, double = app.trouble("large"), app.trouble("web")
    assert large
    assert double
    assert large.reason in {"TooLarge", "Invalid"}
    assert "duplicate entries" in double.message
    assert await site.exists(CONFIGMAPS, "one", ns)


async def test_secrets_stay_secret(site: Site) -> None:
    app = site.app(ns := site.namespace())
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": ns},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": "hunter2hunter2=="},
    }
    await app.deliver(body, state="Failed")
    assert "hunter2" not in str(app.latest)
