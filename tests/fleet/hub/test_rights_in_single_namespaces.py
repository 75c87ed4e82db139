"""`atoll cluster join --rights namespaces=a,b`: all that Atoll does there works, and nothing else is tried for long.

A member serves as a hub of its own here and manages another member: so what other tests have delivered to that with all
rights is another hub's.
"""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from atoll.api.crds import crds
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet import credentials
from atoll.fleet.connect import read_secret
from atoll.fleet.identity import hub_identity
from atoll.fleet.leave import leave
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES, SECRETS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, condition_of, configmap, deployment

Json = dict[str, Any]
CLUSTER_ROLE: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}


class Limited:
    """A hub with one cluster, joined with rights in two namespaces, `a` and `b`; there is a third, `c`."""

    def __init__(self, fleet: Fleet, process: HubProcess, hub: Client, member: Client) -> None:
        self.fleet, self.process, self.hub, self.member = fleet, process, hub, member
        mark = secrets.token_hex(3)
        self.a, self.b, self.c = (f"{letter}-{mark}" for letter in "abc")
        self.name = f"limited-{mark}"

    async def open(self) -> None:
        for name in (self.a, self.b, self.c):
            body: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await self.member.create(NAMESPACES, body)
            body["metadata"]["labels"] = {"atoll.dev/reach": "cluster"}
            await self.hub.create(NAMESPACES, body)
        self.join(self.a, self.b)

    def join(self, *namespaces: str) -> None:
        kubeconfig = str(self.fleet.kubeconfig)
        done = subprocess.run(
            [
                sys.executable, "-m", "atoll", "--kubeconfig", kubeconfig, "--context", self.process.context,
                "cluster", "join", self.name, "--kubeconfig", kubeconfig, "--context", self.fleet.members[-1],
                "--rights", f"namespaces={','.join(namespaces)}",
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    async def close(self) -> None:
        for namespace in (self.a, self.b, self.c):
            for app in (await self.hub.list(APPLICATIONS, namespace)).items:
                await self.delete(app.name, namespace)
        with suppress(NotFound):
            await leave(self.hub, self.name, "orphan", timeout=30)
        for name in (self.a, self.b, self.c):
            for client in (self.hub, self.member):
                with suppress(NotFound):
                    await client.delete(NAMESPACES, name)

    async def apply(self, name: str, namespace: str, *manifests: Json) -> None:
        body = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"placement": {"all": True}, "manifests": list(manifests)},
        }
        await self.hub.apply(APPLICATIONS, body, name=name, namespace=namespace, manager="test", force=True)

    async def becomes(self, name: str, namespace: str, kind: str, status: str, seconds: float = 20.0) -> Json:
        """Wait until the condition has this status, of the present generation; the condition."""
        found: Json = {}

        async def check() -> bool:
            nonlocal found
            app = (await self.hub.get(APPLICATIONS, name, namespace)).body()
            found = condition_of(app.get("status") or {}, kind)
            return bool(
                found.get("observedGeneration") == app["metadata"]["generation"] and found.get("status") == status
            )

        with suppress(AssertionError):
            await eventually(check, seconds)
        assert found.get("status") == status, found
        return found

    async def ready(self, name: str, namespace: str) -> None:
        await self.becomes(name, namespace, "Ready", "True")

    async def delete(self, name: str, namespace: str, seconds: float = 20.0) -> None:
        await self.hub.delete(APPLICATIONS, name, namespace)

        async def check() -> bool:
            return name not in {a.name for a in (await self.hub.list(APPLICATIONS, namespace)).items}

        await eventually(check, seconds)

    async def data(self, name: str, namespace: str) -> Json | None:
        with suppress(NotFound):
            found: Json = (await self.member.get(CONFIGMAPS, name, namespace)).body()["data"]
            return found
        return None

    async def cluster(self) -> Json:
        return (await self.hub.get(CLUSTERS, self.name)).body().get("status") or {}


@pytest.fixture(scope="module")
def process(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    context = fleet.members[-2]
    asyncio.run(install(fleet, context))
    process = HubProcess(fleet.kubeconfig, tmp_path_factory.mktemp("limited") / "hub.log", context=context)
    process.start()
    try:
        yield process
    finally:
        process.stop()


async def install(fleet: Fleet, context: str) -> None:
    async with fleet.client(context) as hub:
        for crd in crds():
            await hub.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
        await eventually(lambda: hub.list(CLUSTERS), 10)


@pytest.fixture
async def limited(fleet: Fleet, process: HubProcess) -> AsyncIterator[Limited]:
    async with fleet.client(process.context) as hub, fleet.client(fleet.members[-1]) as member:
        world = Limited(fleet, process, hub, member)
        try:
            await world.open()
            yield world
        finally:
            await world.close()


async def test_delivery_repair_health_prune_and_removal(limited: Limited) -> None:
    a, b = limited.a, limited.b
    web, one, two = deployment("web", replicas=2), configmap("one", v="1"), configmap("two", v="1")
    await limited.apply("shop", a, web, one, two)
    await limited.apply("shop", b, configmap("one", v="b"))
    await limited.ready("shop", a)
    await limited.ready("shop", b)

    await limited.member.patch(CONFIGMAPS, "one", a, {"data": {"v": "2"}})

    async def repaired() -> bool:
        return await limited.data("one", a) == {"v": "1"}

    await eventually(repaired)
    await limited.apply("shop", a, deployment("web", image="nginx:2", replicas=2), one)

    async def pruned() -> bool:
        return await limited.data("two", a) is None

    await eventually(pruned)
    await limited.apply("shop", a, web, one)
    await limited.ready("shop", a)
    await limited.delete("shop", a)
    assert await limited.data("one", a) is None
    with pytest.raises(NotFound):
        await limited.member.get(DEPLOYMENTS, "web", a)
    assert await limited.data("one", b) == {"v": "b"}


async def test_what_is_outside_the_rights_is_forbidden_in_clear_words_and_the_rest_goes(limited: Limited) -> None:
    a, c = limited.a, limited.c
    await limited.apply("fine", a, configmap("one", v="1"))
    elsewhere = {**configmap("three", v="1"), "metadata": {"name": "three", "namespace": c}}
    await limited.apply("beyond", a, configmap("two", v="1"), elsewhere)
    role = {**CLUSTER_ROLE, "metadata": {"name": f"role-{a}"}, "rules": []}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": a}}
    await limited.apply("scoped", a, namespace, role, configmap("four", v="1"))

    said = (await limited.becomes("beyond", a, "Stalled", "True"))["message"]
    assert f"namespace {c} is outside of Atoll's rights on this cluster: namespaces={a},{limited.b}" in said
    said = (await limited.becomes("scoped", a, "Stalled", "True"))["message"]
    assert 'cannot list resource "' in said
    assert "at the cluster scope" in said
    await limited.ready("fine", a)

    assert await limited.data("two", a) == {"v": "1"}
    assert await limited.data("four", a) == {"v": "1"}
    assert await limited.data("three", c) is None
    for name in ("beyond", "scoped", "fine"):
        await limited.delete(name, a)
    assert await limited.data("four", a) is None


async def test_a_namespace_that_goes_from_the_member_takes_nobody_elses_with_it(limited: Limited) -> None:
    a, b = limited.a, limited.b
    await limited.apply("shop", a, configmap("one", v="1"))
    await limited.apply("shop", b, configmap("one", v="1"))
    await limited.ready("shop", a)
    await limited.ready("shop", b)

    await limited.member.delete(NAMESPACES, b)
    said = await limited.becomes("shop", b, "Ready", "False")
    said = (await limited.becomes("shop", b, "Stalled", "True"))["message"]
    assert "is forbidden" in said

    await limited.apply("shop", a, configmap("one", v="2"), configmap("two", v="2"))
    await limited.ready("shop", a)
    await limited.apply("shop", a, configmap("one", v="3"))
    await limited.ready("shop", a)

    async def pruned() -> bool:
        return await limited.data("two", a) is None

    await eventually(pruned)
    await limited.delete("shop", b)
    await limited.delete("shop", a)


async def test_nodes_are_counted_where_pods_may_not_be_read(limited: Limited) -> None:
    async def counted() -> bool:
        status = await limited.cluster()
        return bool(status.get("nodes")) and condition_of(status, "Ready").get("status") == "True"

    await eventually(counted, 15)
    status = await limited.cluster()
    assert status["allocatable"]["cpu"] > 0
    assert not status.get("requested")


async def test_a_new_token_is_taken_without_a_new_connection_and_wider_rights_with_one(limited: Limited) -> None:
    a, b, c = limited.a, limited.b, limited.c
    await limited.apply("shop", a, configmap("one", v="1"))
    await limited.ready("shop", a)
    identity = await hub_identity(limited.hub)
    log, begun = limited.process.log, limited.process.log.read_text().count("watch broke")

    secret = await limited.hub.get(SECRETS, limited.name, SYSTEM_NAMESPACE)
    old = read_secret(secret)[0]
    async with Client(old) as account:
        renewed, _ = await credentials.rotate(limited.hub, account, identity.id, secret, old)
    assert read_secret(renewed)[0].token != old.token
    since = condition_of(await limited.cluster(), "Reachable")["lastTransitionTime"]
    await limited.apply("shop", a, configmap("one", v="2"))
    await limited.ready("shop", a)
    assert log.read_text().count("watch broke") == begun
    assert condition_of(await limited.cluster(), "Reachable")["lastTransitionTime"] == since

    await asyncio.to_thread(limited.join, a, b, c)
    await limited.apply("shop", c, configmap("one", v="c"))
    await limited.ready("shop", c)
    assert await limited.data("one", c) == {"v": "c"}
