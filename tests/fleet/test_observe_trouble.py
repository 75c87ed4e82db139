"""Trouble on a real member: what is wrong is named, with its cause on top, within two seconds of the member knowing."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atoll.api.names import LABEL_APP, LABEL_HUB
from atoll.api.objects import Key, identify
from atoll.api.observation import Observation
from atoll.fleet.identity import HubIdentity
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, JOBS, NAMESPACES, PODS, SERVICES, STATEFULSETS
from atoll.observe.collector import Collector
from atoll.runtime.watchset import WatchSet

from .conftest import Fleet

Json = dict[str, Any]
QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")
RESOURCES = {r.kind: r for r in (CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, JOBS, PODS, SERVICES, STATEFULSETS)}
SOON = 20.0
"""Seconds for the member itself to get into trouble; two of them are ours."""


def workload(kind: str, name: str, image: str = "shop/web:1", replicas: int = 2, **spec: Any) -> Json:
    pod = {"containers": [{"name": "app", "image": image}]} | spec
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


class Scene:
    """One application in a namespace of its own on a real member, observed."""

    def __init__(self, client: Client, namespace: str, hub: str) -> None:
        self.client, self.namespace, self.hub = client, namespace, hub
        self.uid = f"uid-{secrets.token_hex(4)}"
        self.told: list[tuple[float, Observation]] = []
        self.collector = Collector(lambda o: self.told.append((time.monotonic(), o)))

    async def run(self, *objects: Json) -> None:
        ids = set()
        for body in objects:
            body["metadata"] |= {"namespace": self.namespace, "labels": {LABEL_HUB: self.hub, LABEL_APP: self.uid}}
            ids.add(identify(body))
        self.collector.expect("m", Key(self.namespace, "shop"), self.uid, frozenset(ids))
        for body in objects:
            await self.client.create(RESOURCES[body["kind"]], body)

    @property
    def last(self) -> Observation:
        return self.told[-1][1]

    async def until(self, check: Callable[[Observation], bool], seconds: float = SOON) -> Observation:
        end = time.monotonic() + seconds
        while not (self.told and check(self.last)):
            assert time.monotonic() < end, f"not within {seconds} s: {self.told[-1:]}"
            await asyncio.sleep(0.02)
        return self.last

    async def problem(self, reason: str, health: str = "Degraded") -> Any:
        found = await self.until(lambda o: o.health == health and any(p.reason == reason for p in o.problems))
        assert found.problems[0].reason == reason, found.problems
        return found.problems[0]


@asynccontextmanager
async def scene(fleet: Fleet, namespace: str) -> AsyncIterator[Scene]:
    hub = secrets.token_hex(4)
    async with fleet.client(fleet.members[0]) as client:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            async with WatchSet(client, f"{LABEL_HUB}={hub}", lambda o: o.labels.get(LABEL_APP)) as watches:
                for resource in RESOURCES.values():
                    await watches.ensure(resource)
                here = Scene(client, namespace, hub)
                member = Member("m", "uid", "v1", client, HubIdentity(hub), watches)
                task = asyncio.create_task(here.collector.engage(member))
                try:
                    yield here
                finally:
                    task.cancel()
                    await asyncio.wait([task])
        finally:
            await client.delete(NAMESPACES, namespace)


@pytest.fixture
async def here(fleet: Fleet, namespace: str) -> AsyncIterator[Scene]:
    async with scene(fleet, namespace) as found:
        yield found


async def test_a_deployment_comes_up_and_asks_nothing_more_of_the_member(here: Scene) -> None:
    service: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    service["spec"] = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    await here.run(workload("Deployment", "web"), service)
    found = await here.until(lambda o: o.health == "Healthy")
    assert (found.ready, found.desired, found.problems) == (2, 2, ())


async def test_an_image_that_cannot_be_pulled(here: Scene) -> None:
    await here.run(workload("Deployment", "web", "shop/does-not-exist:1"))
    problem = await here.problem("ErrImagePull")
    assert "shop/does-not-exist:1" in problem.message
    assert problem.object.kind == "Pod"
    await here.until(lambda o: o.problems[0].count == 2)
    told = len(here.told)
    await asyncio.sleep(3)
    assert len(here.told) - told <= 1, "back-off and retry are the same trouble"


async def test_a_container_that_crashes(here: Scene) -> None:
    await here.run(workload("Deployment", "web", "shop/crash:1"))
    problem = await here.problem("CrashLoopBackOff")
    assert "exit code 1" in problem.message
    seen = len(here.told)
    await asyncio.sleep(15)
    assert {o.health for _, o in here.told[seen:]} <= {"Degraded"}, "between two crashes it runs, and isn't well"


async def test_a_pod_that_no_node_takes(here: Scene) -> None:
    big = workload("Deployment", "web")
    big["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "5000"}}
    await here.run(big)
    problem = await here.problem("Unschedulable", "Progressing")
    assert "Insufficient cpu" in problem.message


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_a_quota_that_refuses_pods(here: Scene, kind: str) -> None:
    quota: Json = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small", "namespace": here.namespace},
    }
    await here.client.create(QUOTAS, quota | {"spec": {"hard": {"pods": "0"}}})
    await asyncio.sleep(0.5)  # the quota controller's first look
    await here.run(workload(kind, "web"))
    problem = await here.problem("FailedCreate")
    assert "exceeded quota: small" in problem.message


async def test_a_job_that_fails(here: Scene) -> None:
    job: Json = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"}}
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "shop/does-not-exist:1"}]}
    job["spec"] = {"backoffLimit": 0, "activeDeadlineSeconds": 3, "template": {"spec": pod}}
    await here.run(job)
    await here.problem("ErrImagePull")
    found = await here.until(lambda o: any(p.reason == "DeadlineExceeded" for p in o.problems))
    assert found.health == "Degraded"


async def test_what_is_mended_is_well_again(here: Scene) -> None:
    await here.run(workload("Deployment", "web", "shop/does-not-exist:1"))
    await here.problem("ErrImagePull")
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop/web:1"}]}}}}
    await here.client.patch(DEPLOYMENTS, "web", here.namespace, patch, type="strategic")
    found = await here.until(lambda o: o.health == "Healthy")
    assert found.problems == ()


async def test_a_problem_is_told_within_two_seconds_of_the_members_knowing(here: Scene) -> None:
    known: list[float] = []

    async def watch() -> None:
        while not known:
            for pod in (await here.client.list(PODS, here.namespace)).items:
                states = pod.body().get("status", {}).get("containerStatuses") or ()
                if any((s.get("state", {}).get("waiting") or {}).get("reason") == "ErrImagePull" for s in states):
                    known.append(time.monotonic())
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    await here.run(workload("Deployment", "web", "shop/does-not-exist:1"))
    await here.problem("ErrImagePull")
    await watching
    told = next(at for at, o in here.told if o.problems and o.problems[0].reason == "ErrImagePull")
    assert told - known[0] < 2.0


async def test_an_object_that_somebody_deletes_is_missing(here: Scene) -> None:
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    await here.run(body)
    await here.until(lambda o: o.health == "Healthy")
    await here.client.delete(CONFIGMAPS, "settings", here.namespace)
    found = await here.until(lambda o: o.health == "Missing")
    assert str(found.problems[0].object) == "ConfigMap/settings"


async def test_a_deletion_that_is_stuck_names_its_finalizer(here: Scene) -> None:
    body: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "finalizers": ["example.org/keep"]},
    }
    await here.run(body)
    await here.client.delete(CONFIGMAPS, "settings", here.namespace)
    try:
        found = await here.until(lambda o: bool(o.problems) and o.problems[0].reason == "Terminating")
        assert "example.org/keep" in found.problems[0].message
    finally:
        await here.client.patch(
            CONFIGMAPS, "settings", here.namespace, {"metadata": {"finalizers": None}}, type="merge"
        )
