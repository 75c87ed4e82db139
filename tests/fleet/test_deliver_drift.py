"""Drift: how quickly it is repaired, who may keep what, and who fights."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS
from tests.delivering import Json, Site, configmap, deployment, eventually, sites

HPAS = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
REPLICAS = Retain(Target(kind="Deployment"), "/spec/replicas")


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


def hpa(name: str, namespace: str, least: int, most: int) -> Json:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    metadata = {"name": name, "namespace": namespace}
    spec = {"scaleTargetRef": ref, "minReplicas": least, "maxReplicas": most}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


async def scale(site: Site, name: str, namespace: str, replicas: int) -> None:
    """As an autoscaler does."""
    patch = {"spec": {"replicas": replicas}}
    await site.plain.patch(DEPLOYMENTS, name, namespace, patch, subresource="scale", manager="hpa-controller")


async def replicas(site: Site, name: str, namespace: str) -> int:
    return int((await site.live(DEPLOYMENTS, name, namespace)).body()["spec"]["replicas"])


async def watched_replicas(site: Site, name: str, namespace: str, seen: list[int]) -> None:
    """Every number of replicas that the Deployment ever has."""
    now = await site.plain.get(DEPLOYMENTS, name, namespace)
    events = site.plain.watch(DEPLOYMENTS, now.resource_version, namespace)
    async for event in events:
        live = event.object
        if live.name == name and event.type == "MODIFIED":
            seen += [live.body()["spec"]["replicas"]]


async def test_drift_is_repaired_in_milliseconds(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(*(configmap(f"c{i}", ns, a="1") for i in range(10)), deployment("web", ns))
    listing = await site.plain.list(CONFIGMAPS, ns)
    repaired: dict[str, float] = {}

    async def look() -> None:
        async for event in site.plain.watch(CONFIGMAPS, listing.resource_version, ns):
            if event.type == "MODIFIED" and event.object.body()["data"] == {"a": "1"}:
                repaired.setdefault(event.object.name, time.perf_counter())

    looking = asyncio.create_task(look())
    delays: list[float] = []
    for _ in range(4):
        for i in range(10):
            repaired.clear()
            began = time.perf_counter()
            await site.plain.patch(CONFIGMAPS, f"c{i}", ns, {"data": {"a": "drifted"}})
            await eventually(lambda: repaired)
            delays.append(repaired[f"c{i}"] - began)
            await asyncio.sleep(0.02)
    looking.cancel()
    assert statistics.median(delays) < 0.1, delays  # measured 5 to 12 ms; the machine is shared


async def test_an_hpa_added_to_a_deployment_never_lets_replicas_fall(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns, 10))
    seen: list[int] = []
    looking = asyncio.create_task(watched_replicas(site, "web", ns, seen))
    await site.plain.create(HPAS, hpa("web", ns, 3, 20))
    await scale(site, "web", ns, 15)
    await asyncio.sleep(0.3)
    assert await replicas(site, "web", ns) == 15
    await app.deliver(deployment("web", ns, 10, image="nginx:2"))
    assert await replicas(site, "web", ns) == 15
    without = deployment("web", ns, None, image="nginx:3")
    await app.deliver(without)
    assert await replicas(site, "web", ns) == 15
    await scale(site, "web", ns, 12)
    await asyncio.sleep(0.2)
    looking.cancel()
    assert await replicas(site, "web", ns) == 12
    assert min(seen) >= 10


async def test_replicas_left_out_while_only_we_own_them_are_handed_over(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns, 10))
    seen: list[int] = []
    looking = asyncio.create_task(watched_replicas(site, "web", ns, seen))
    await app.deliver(deployment("web", ns, None), hpa("web", ns, 3, 20))
    await asyncio.sleep(0.2)
    looking.cancel()
    assert await replicas(site, "web", ns) == 10
    assert set(seen) == {10}
    fields = (await site.live(DEPLOYMENTS, "web", ns)).body()["metadata"]["managedFields"]
    owners = {e["manager"] for e in fields if "f:replicas" in e["fieldsV1"].get("f:spec", {})}
    assert owners == {"atoll-handover"}
    await scale(site, "web", ns, 7)
    await app.deliver(deployment("web", ns, None, image="nginx:2"), hpa("web", ns, 3, 20))
    fields = (await site.live(DEPLOYMENTS, "web", ns)).body()["metadata"]["managedFields"]
    assert not [e for e in fields if e["manager"] == "atoll-handover"]
    assert await replicas(site, "web", ns) == 7


async def test_retained_fields_are_set_at_creation_and_left_alone_afterwards(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns, 4), retain=(REPLICAS,))
    assert await replicas(site, "web", ns) == 4
    await site.plain.patch(DEPLOYMENTS, "web", ns, {"spec": {"replicas": 6}}, manager="keda")
    await app.deliver(deployment("web", ns, 4, image="nginx:2"), retain=(REPLICAS,))
    assert await replicas(site, "web", ns) == 6
    await app.deliver(deployment("web", ns, 2, image="nginx:3"), retain=(REPLICAS,))
    assert await replicas(site, "web", ns) == 6
    await app.deliver(deployment("web", ns, 2, image="nginx:3"))
    await eventually(lambda: _has(site, ns, 2))


async def _has(site: Site, namespace: str, wanted: int) -> bool:
    return await replicas(site, "web", namespace) == wanted


async def test_a_retained_field_in_a_container_is_handed_over(site: Site) -> None:
    image = Retain(Target(kind="Deployment", name="web"), "/spec/template/spec/containers/0/image")
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns, 1, image="nginx:1"), retain=(image,))
    changed = deployment("web", ns, 2, image="nginx:9")
    await app.deliver(changed, retain=(image,))
    spec = (await site.live(DEPLOYMENTS, "web", ns)).body()["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == "nginx:1"
    assert spec["replicas"] == 2


async def test_a_user_who_scales_by_hand_is_put_right_without_an_hpa(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(deployment("web", ns, 2))
    await scale(site, "web", ns, 5)
    await eventually(lambda: _has(site, ns, 2))


async def test_a_writer_that_fights_is_noticed_slowed_down_and_named(site: Site) -> None:
    app = site.app(ns := site.namespace())
    await app.deliver(configmap("one", ns, a="1"))
    before = site.requests().get("apply", 0)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        await site.plain.patch(CONFIGMAPS, "one", ns, {"data": {"a": "theirs"}}, manager="rival")
        await asyncio.sleep(0.02)
    repairs = site.requests().get("apply", 0) - before
    assert 5 <= repairs <= 9
    outcome = await app.outcome("Conflict")
    assert outcome.objects[0].reason == "Fighting"
    assert "rival" in outcome.objects[0].message
    assert "/data/a" in outcome.objects[0].message


async def test_what_the_server_makes_of_a_value_is_no_drift(site: Site) -> None:
    app = site.app(ns := site.namespace())
    web = deployment("web", ns)
    container = web["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}}
    container["env"] = [{"name": "EMPTY", "value": ""}]
    container["tty"] = False
    web["spec"]["template"]["metadata"]["creationTimestamp"] = None
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    web["spec"]["strategy"] = {}
    web["status"] = {}
    await app.deliver(web)
    before = site.requests()
    await site.plain.patch(DEPLOYMENTS, "web", ns, {"metadata": {"labels": {"theirs": "x"}}})
    await asyncio.sleep(0.3)
    assert site.requests() == before
    await site.plain.patch(DEPLOYMENTS, "web", ns, {"metadata": {"annotations": {"theirs": "y"}}})
    await asyncio.sleep(0.2)
    assert site.requests() == before


async def test_a_value_that_a_policy_changes_is_taken_as_it_is_and_no_loop_begins(site: Site) -> None:
    """A mutating policy on the member rewrites what we send: that is seen in the answer to our own apply."""
    app = site.app(ns := site.namespace())
    limit = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "l", "namespace": ns},
        "spec": {"limits": [{"type": "Container", "default": {"cpu": "0.5"}, "defaultRequest": {"cpu": "100m"}}]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": ns},
        "spec": {"ports": [{"port": 80, "targetPort": "http"}], "selector": {"a": "b"}, "clusterIP": ""},
    }
    await app.deliver(limit, service)
    before = site.requests()
    services = Resource("", "v1", "Service", "services")
    await site.plain.patch(services, "s", ns, {"metadata": {"labels": {"theirs": "x"}}})
    await asyncio.sleep(0.3)
    assert site.requests() == before
