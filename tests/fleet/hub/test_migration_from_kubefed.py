"""From KubeFed to Applications, and back: what runs on the members isn't touched."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.kubefed.names import LABEL_MANAGED
from atoll.cli.migration.report import Report
from atoll.cli.migration.running import Run
from atoll.cli.session import Options, Session
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, DEPLOYMENTS, PODS, SECRETS
from atoll.kube.transport import Answer, Request
from tests.fleet.hub.kubefed_before import MANAGER, RESOURCES, KubeFed
from tests.fleet.hub.world import World, configmap, deployment

Json = dict[str, Any]


@pytest.fixture
async def kubefed(world: World) -> AsyncIterator[KubeFed]:
    before = KubeFed(world)
    await before.install()
    try:
        yield before
    finally:
        await before.close()


def template(name: str, replicas: int = 2) -> Json:
    body = deployment(name, replicas=replicas, COLOUR="blue", OLD="1")
    return {"spec": body["spec"]}


async def standing(world: World) -> dict[tuple[str, str, str], Any]:
    """All that must not change on the members: identities, specs, and Pods with their restarts."""
    found: dict[tuple[str, str, str], Any] = {}
    for cluster in world.members:
        client = world.clients[cluster]
        for resource in (DEPLOYMENTS, CONFIGMAPS):
            for item in (await client.list(resource, world.namespace)).items:
                if item.name != "kube-root-ca.crt":
                    body = item.body()
                    found[cluster, item.kind, item.name] = item.uid, body.get("spec"), body.get("data")
        for pod in (await client.list(PODS, world.namespace)).items:
            statuses = (pod.body().get("status") or {}).get("containerStatuses", ())
            found[cluster, "Pod", pod.name] = pod.uid, [s["restartCount"] for s in statuses]
    return found


async def running(world: World, pods: int) -> bool:
    for cluster in world.members:
        items = (await world.clients[cluster].list(PODS, world.namespace)).items
        if sum((p.body().get("status") or {}).get("phase") == "Running" for p in items) != pods:
            return False
    return True


def run(world: World, kubefed: KubeFed, hub: Client | None = None, patience: float = 10.0) -> Run:
    """What `atoll migrate kubefed` does, without another process."""
    return Run(
        Session(Options(str(world.fleet.kubeconfig), "hub")), hub or world.hub, control_namespace=kubefed.namespace,
        home="", namespaces=(world.namespace,), timeout=60.0, say=lambda _: None, patience=patience,
    )  # fmt: skip


def states(report: Report) -> list[str]:
    assert not report.failed, report.failed
    return sorted(row.state for row in report.objects)


async def test_there_and_back_and_there_again(world: World, kubefed: KubeFed) -> None:
    one, two, _ = world.members
    await kubefed.federate("Namespace", world.namespace, {})
    await kubefed.federate(
        "Deployment", "web", template("web"),
        {
            one: [{"path": "/spec/template/spec/containers/0/image", "value": "nginx:1.29"}],
            two: [{"path": "/spec/template/spec/containers/0/env/-", "op": "add", "value": {"name": "X", "value": "y"}},
                  {"path": "/metadata/labels", "value": {"team": "shop"}}],
        },
    )  # fmt: skip
    await kubefed.federate("Deployment", "api", template("api", 1), {two: [{"path": "/spec/replicas", "value": 1}]})
    await kubefed.federate("ConfigMap", "settings", {"data": {"a": "1"}})
    await world.eventually(lambda: running(world, 3), 30)
    before = await standing(world)

    async with kubefed.at_work():
        flags = ("--kubefed-namespace", kubefed.namespace, "--dry-run", "-o", "json")
        report = json.loads(await asyncio.to_thread(world.atoll, "migrate", "kubefed", *flags))
        assert {row["object"].split()[0]: row["state"] for row in report["objects"]} == {
            "FederatedNamespace": "ready", "FederatedDeployment": "ready", "FederatedConfigMap": "ready"
        }  # fmt: skip
        assert not (await world.hub.list(APPLICATIONS, world.namespace)).items

        assert states(await run(world, kubefed).there(apply=True, accept=False)) == ["migrated"] * 4
        assert await standing(world) == before
        for name in ("deployment-web", "deployment-api", "configmap-settings"):
            await world.ready(name)
        assert await standing(world) == before
        await no_trace_of_kubefed(world)
        for resource in RESOURCES.values():
            assert not (await world.hub.list(resource, world.namespace)).items
        assert states(await run(world, kubefed).there(apply=True, accept=False)) == ["migrated"] * 4  # nothing to do

        assert states(await run(world, kubefed).back(apply=True, discard=False)) == ["back"] * 4
        assert not (await world.hub.list(APPLICATIONS, world.namespace)).items
        assert not (await world.hub.list(SECRETS, world.namespace, labels="atoll.dev/migration")).items
        await world.eventually(lambda: kubefeds(world), 10)
        assert await standing(world) == before

        assert states(await run(world, kubefed).there(apply=True, accept=False)) == ["migrated"] * 4
        assert await standing(world) == before

    app = (await world.hub.get(APPLICATIONS, "deployment-web", world.namespace)).body()
    container = app["spec"]["manifests"][0]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [entry for entry in container["env"] if entry["name"] != "OLD"]
    await world.patch("deployment-web", {"manifests": app["spec"]["manifests"]})
    for cluster in world.members:
        await world.eventually(lambda cluster=cluster: without_old(world, cluster), 20)  # type: ignore[misc]
    report = await run(world, kubefed).back(apply=True, discard=False)
    assert states(report) == ["back"] * 3 + ["left out"]
    (left,) = [row for row in report.objects if row.state == "left out"]
    assert left.name == "deployment-web" and "spec.manifests" in left.findings[0].why


MANY = int(os.environ.get("ATOLL_TEST_MIGRATED", "0"))


@pytest.mark.skipif(not MANY, reason="ATOLL_TEST_MIGRATED=100 migrates so many Deployments, in a minute or two")
async def test_many_under_load(world: World, kubefed: KubeFed) -> None:
    names = [f"web-{index}" for index in range(MANY)]
    clusters = world.members[:2]
    await kubefed.federate("Namespace", world.namespace, {})
    for name in names:
        await kubefed.federate("Deployment", name, template(name, 1), clusters=clusters)

    async def running_all() -> bool:
        found = {key: value for key, value in (await standing(world)).items() if key[1] == "Pod"}
        return len(found) == 2 * MANY

    await world.eventually(running_all, 120)
    await asyncio.sleep(1)
    before, times, stop = await standing(world), {}, asyncio.Event()

    async def load(number: int) -> int:
        """Applications of others, changed all the time."""
        await world.deploy(f"load-{number}", [configmap(f"load-{number}", turn="0")])
        turn = 0
        while not stop.is_set():
            turn += 1
            await world.patch(f"load-{number}", {"manifests": [configmap(f"load-{number}", turn=str(turn))]})
            await asyncio.sleep(0.02)
        await world.ready(f"load-{number}", 60)
        return turn

    async def same() -> bool:
        now = {key: value for key, value in (await standing(world)).items() if not key[2].startswith("load-")}
        return now == before

    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(load(number)) for number in range(2)]
        for way in ("there", "back", "there again"):
            one, began = run(world, kubefed, patience=0.1), time.monotonic()
            going = one.back(apply=True, discard=False) if way == "back" else one.there(apply=True, accept=False)
            assert len(states(await going)) == MANY + 1
            times[way] = time.monotonic() - began
            assert await same(), way
        stop.set()
    beside = sum(task.result() for task in loads)
    sys.stdout.write(f"{MANY} Deployments on {len(clusters)} clusters: seconds {times}; {beside} changes beside\n")
    for name in names:
        await world.ready(name=f"deployment-{name}", seconds=60)
    assert await same()


STRIDE = int(os.environ.get("ATOLL_TEST_CUT_STRIDE", "2"))
"""It is cut off after so many writes more each time; 1 takes 15 s."""


class CutError(Exception):
    """The process was killed."""


class CutClient(Client):
    """A client whose process is killed after `left` writes: the last one is carried out, and nobody hears of it."""

    left = 0
    made = 0

    async def _send(self, request: Request, *, again: bool = False) -> Answer:
        answer = await super()._send(request, again=again)
        if request.method != "GET":
            self.made += 1
            if self.made == self.left:
                raise CutError
        return answer


async def test_cut_off_after_any_write_it_is_begun_again(world: World, kubefed: KubeFed) -> None:
    await kubefed.federate("Namespace", world.namespace, {})
    await kubefed.federate("ConfigMap", "settings", {"data": {"a": "1"}}, clusters=world.members[:1])
    before = await standing(world)

    async def cut(writes: int, *, there: bool) -> bool:
        """Go until so many writes were made; whether it came to its end before."""
        async with CutClient(load_kubeconfig(world.fleet.kubeconfig, "hub")) as hub:
            hub.left = writes
            try:
                report = await go(hub, there=there)
            except CutError:
                return False
            except ExceptionGroup as cut_off:
                if not cut_off.subgroup(CutError):
                    raise
                return False
            return not report.failed

    async def go(hub: Client, *, there: bool) -> Report:
        one = run(world, kubefed, hub, patience=0.1)
        return await (one.there(apply=True, accept=False) if there else one.back(apply=True, discard=False))

    writes, whole = 1 - STRIDE, False
    while not whole:
        writes, whole = writes + STRIDE, True
        for there, end in ((True, ["migrated"] * 2), (False, ["back"] * 2)):
            if not await cut(writes, there=there):
                whole = False
                assert await standing(world) == before, writes
                assert set(states(await go(world.hub, there=there))) <= set(end)
            assert await standing(world) == before, writes
        assert len((await world.hub.list(RESOURCES["ConfigMap"], world.namespace)).items) == 1
    assert writes > 8


async def without_old(world: World, cluster: str) -> bool:
    found = await world.find(cluster, DEPLOYMENTS, "web")
    assert found is not None
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return "OLD" not in {entry["name"] for entry in container["env"]}


async def no_trace_of_kubefed(world: World) -> None:
    for cluster in world.members:
        for resource, name in ((DEPLOYMENTS, "web"), (DEPLOYMENTS, "api"), (CONFIGMAPS, "settings")):
            live = await world.clients[cluster].get(resource, name, world.namespace, managed_fields=True)
            assert LABEL_MANAGED not in live.labels
            assert MANAGER not in {entry["manager"] for entry in live.body()["metadata"]["managedFields"]}


async def kubefeds(world: World) -> bool:
    for cluster in world.members:
        for resource, name in ((DEPLOYMENTS, "web"), (DEPLOYMENTS, "api"), (CONFIGMAPS, "settings")):
            live = await world.clients[cluster].get(resource, name, world.namespace)
            if live.labels.get(LABEL_MANAGED) != "true" or "atoll.dev/app" in live.labels:
                return False
    return True
