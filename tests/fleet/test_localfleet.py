"""The local fleet is a real one: its API servers, controllers and simulated nodes do what users expect of clusters."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest

from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import DEPLOYMENTS, EVENTS, JOBS, NAMESPACES, NODES, PODS, SERVICES
from tests.fleet.conftest import Fleet

Body = dict[str, Any]


def workload(image: str, *, replicas: int = 1) -> Body:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def job(image: str) -> Body:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once"},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"labels": {"app": "once"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "once", "image": image}]},
            },
        },
    }


@pytest.fixture
async def member(fleet: Fleet, namespace: str) -> AsyncIterator[Client]:
    """A client of the first member, where `namespace` exists."""
    async with fleet.client(fleet.members[0]) as client:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        yield client
        await client.delete(NAMESPACES, namespace)


def placed(body: Body, namespace: str) -> Body:
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


async def eventually(client: Client, namespace: str, holds: Callable[[list[Body]], bool], seconds: float = 20) -> None:
    """The Pods of `namespace` come to be so that `holds`."""
    give_up_at = time.monotonic() + seconds
    while not holds(pods := [pod.body() for pod in (await client.list(PODS, namespace)).items]):
        assert time.monotonic() < give_up_at, json.dumps([pod["status"] for pod in pods])
        await anyio.sleep(0.1)


async def gone(client: Client, namespace: str, seconds: float = 20) -> None:
    """Until `namespace` exists no more."""
    give_up_at = time.monotonic() + seconds
    with suppress(NotFound):
        while await client.get(NAMESPACES, namespace):
            assert time.monotonic() < give_up_at
            await anyio.sleep(0.2)


def waiting_reasons(pods: list[Body]) -> set[str]:
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
    return {status["state"]["waiting"]["reason"] for status in statuses if "waiting" in status["state"]}


async def reasons(client: Client, namespace: str) -> set[str]:
    events: tuple[Object, ...] = (await client.list(EVENTS, namespace)).items
    return {event.body()["reason"] for event in events}


async def test_members_have_ready_nodes_with_capacity_and_a_place(fleet: Fleet) -> None:
    for context in fleet.members:
        async with fleet.client(context) as client:
            nodes = (await client.list(NODES)).items
        assert nodes
        for node in nodes:
            assert node.labels["topology.kubernetes.io/region"]
            assert node.labels["topology.kubernetes.io/zone"]
            assert node.body()["status"]["allocatable"]["cpu"] == "16"


async def test_a_deployment_on_a_member_becomes_running_pods(member: Client, namespace: str) -> None:
    await member.create(DEPLOYMENTS, placed(workload("nginx:1", replicas=3), namespace))
    await eventually(member, namespace, lambda pods: [pod["status"]["phase"] for pod in pods] == ["Running"] * 3)
    pod = (await member.list(PODS, namespace)).items[0]
    lines = [line async for line in member.logs(pod.name, namespace, tail=1)]
    assert b"simulated Pod" in lines[0]


async def test_a_deployment_on_the_hub_stays_a_template(fleet: Fleet, namespace: str) -> None:
    async with fleet.client("hub") as hub:
        await hub.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        await hub.create(DEPLOYMENTS, placed(workload("nginx:1"), namespace))
        await anyio.sleep(1)
        assert (await hub.list(PODS, namespace)).items == ()
        assert "observedGeneration" not in (await hub.get(DEPLOYMENTS, "web", namespace)).body().get("status", {})
        await hub.delete(NAMESPACES, namespace)
        await gone(hub, namespace)  # the namespace controller runs on a hub, too


async def test_a_bad_image_is_in_trouble_as_on_a_real_node(member: Client, namespace: str) -> None:
    await member.create(DEPLOYMENTS, placed(workload("shop/web:does-not-exist"), namespace))
    await eventually(member, namespace, lambda pods: waiting_reasons(pods) == {"ErrImagePull"})
    await eventually(member, namespace, lambda pods: waiting_reasons(pods) == {"ImagePullBackOff"})
    assert {"Failed", "BackOff"} <= await reasons(member, namespace)


async def test_a_crashing_container_backs_off(member: Client, namespace: str) -> None:
    await member.create(DEPLOYMENTS, placed(workload("shop/crash:1"), namespace))
    await eventually(member, namespace, lambda pods: waiting_reasons(pods) == {"CrashLoopBackOff"})
    assert "BackOff" in await reasons(member, namespace)


async def test_a_container_that_is_not_ready_runs_only(member: Client, namespace: str) -> None:
    await member.create(DEPLOYMENTS, placed(workload("shop/not-ready:1"), namespace))
    await eventually(member, namespace, lambda pods: [pod["status"]["phase"] for pod in pods] == ["Running"])
    assert (await member.get(DEPLOYMENTS, "web", namespace)).body()["status"].get("readyReplicas", 0) == 0


@pytest.mark.parametrize(("image", "outcome"), [("shop/migrate:1", "Complete"), ("shop/crash:1", "Failed")])
async def test_a_job_ends(member: Client, namespace: str, image: str, outcome: str) -> None:
    await member.create(JOBS, placed(job(image), namespace))
    give_up_at = time.monotonic() + 20
    while True:
        conditions = (await member.get(JOBS, "once", namespace)).body().get("status", {}).get("conditions", [])
        if outcome in {condition["type"] for condition in conditions}:
            break
        assert time.monotonic() < give_up_at, conditions
        await anyio.sleep(0.1)


async def test_a_load_balancer_gets_an_address(member: Client, namespace: str) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    await member.create(SERVICES, body)
    give_up_at = time.monotonic() + 20
    while not (await member.get(SERVICES, "web", namespace)).body()["status"]["loadBalancer"].get("ingress"):
        assert time.monotonic() < give_up_at
        await anyio.sleep(0.1)
