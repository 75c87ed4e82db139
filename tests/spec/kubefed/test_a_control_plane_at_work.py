"""The hub in KubeFed's place, on two servers in memory: what is written where, how often, and what is told."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atoll.api.crds import crds
from atoll.api.kubefed.manifests import definitions
from atoll.api.kubefed.types import ENABLED, TargetType, body_of, federated_type, type_config
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.identity import hub_identity
from atoll.fleet.link import Link
from atoll.hub.hub import Hub
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import (
    FEDERATEDSERVICESTATUSES,
    FEDERATEDTYPECONFIGS,
    KUBEFEDCLUSTERS,
    KUBEFEDCONFIGS,
    PROPAGATEDVERSIONS,
    REPLICASCHEDULINGPREFERENCES,
)
from atoll.kube.objects import Resource
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES, SECRETS, SERVICES
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from atoll.testing.fakeapi.cluster import FakeCluster
from tests.delivering import eventually

Json = dict[str, Any]
PLANE = "kfs"
TARGETS = {target.kind: target for target in ENABLED}
EU = {"clusters": [{"name": "eu"}]}


def resource(target: TargetType) -> Resource:
    made = federated_type(target)
    return Resource(made.group, made.version, made.kind, made.plural, namespaced=made.namespaced)


class Plane:
    """A host and a member, `eu`."""

    def __init__(self, host: Client, member: Client, api: FakeApi) -> None:
        self.host = host
        self.member = member
        self.api = api

    async def furnish(self, *, raw: bool = False, collected: str = "", scope: str = "Cluster") -> None:
        for client in (self.host, self.member):
            await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        for name in (PLANE, "demo"):
            await self.host.create(NAMESPACES, {"metadata": {"name": name}})
        for crd in (*crds(), *definitions()):
            await self.host.create(CRDS, crd)
        gates = [{"name": "RawResourceStatusCollection", "configuration": "Enabled" if raw else "Disabled"}]
        await self.make(KUBEFEDCONFIGS, "kubefed", PLANE, spec={"scope": scope, "featureGates": gates})
        for target in ENABLED:
            body = body_of(type_config(target, namespace=PLANE))
            if target.kind == collected:
                status = {"kind": "FederatedServiceStatus", "version": "v1alpha1", "group": "core.kubefed.io"}
                body["spec"] |= {
                    "statusCollection": "Enabled",
                    "statusType": {**status, "pluralName": "federatedservicestatuses", "scope": "Namespaced"},
                }
            await self.host.create(FEDERATEDTYPECONFIGS, body)
        await self.make(SECRETS, "eu", PLANE, data={"token": base64.b64encode(b"t").decode()})
        spec = {"apiEndpoint": self.member.config.server, "secretRef": {"name": "eu"}}
        await self.make(KUBEFEDCLUSTERS, "eu", PLANE, spec=spec)
        await self.federate("Namespace", "demo", placement=EU)

    async def make(self, kind: Resource, name: str, namespace: str, **fields: Any) -> None:
        metadata = {"name": name, "namespace": namespace}
        await self.host.create(
            kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}
        )

    async def federate(self, kind: str, name: str, namespace: str = "demo", **spec: Any) -> None:
        await self.make(resource(TARGETS[kind]), name, namespace, spec=spec)

    async def status(self, kind: str, name: str, namespace: str = "demo") -> Json:
        live = await self.host.get(resource(TARGETS[kind]), name, namespace)
        found: Json = live.body().get("status") or {}
        return found

    async def well(self, kind: str, name: str, namespace: str = "demo") -> Json:
        async def check() -> Json | None:
            status = await self.status(kind, name, namespace)
            good = [one for one in status.get("conditions") or () if one["status"] == "True"]
            return status if good else None

        found: Json = await eventually(check)
        return found

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Client]:
        """A hub, by its client of the host."""
        async with Client(self.api.config) as client:
            hub = Hub(client, await hub_identity(client), kubefed=PLANE)
            running = asyncio.create_task(hub.run())
            try:
                await eventually(lambda: self._ready(hub, running))
                yield client
            finally:
                await cancel_and_wait(running)

    @staticmethod
    def _ready(hub: Hub, running: "asyncio.Task[None]") -> bool:
        if running.done():
            running.result()
        return not hub.unready


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with (
        FakeApi() as api,
        FakeApi() as other,
        Client(api.config) as host,
        Client(other.config) as member,
    ):
        yield Plane(host, member, api)


async def gone(get: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await get()
    except NotFound:
        return True
    return False


async def test_an_object_is_propagated_told_and_recorded_once(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run():
        await plane.federate("ConfigMap", "web", template={"data": {"a": "1"}}, placement=EU)
        assert (await plane.well("ConfigMap", "web"))["clusters"] == [{"name": "eu"}]
        live = await plane.member.get(CONFIGMAPS, "web", "demo")
        assert live.body()["data"] == {"a": "1"}
        record = await eventually(lambda: plane.host.get(PROPAGATEDVERSIONS, "configmap-web", "demo"))
        before = await plane.host.get(resource(TARGETS["ConfigMap"]), "web", "demo")
    async with plane.run():  # a restart writes nothing
        await plane.federate("ConfigMap", "other", template={}, placement=EU)
        await plane.well("ConfigMap", "other")
        after = await plane.host.get(resource(TARGETS["ConfigMap"]), "web", "demo")
        assert after.resource_version == before.resource_version
        assert (await plane.member.get(CONFIGMAPS, "web", "demo")).resource_version == live.resource_version
        again = await plane.host.get(PROPAGATEDVERSIONS, "configmap-web", "demo")
        assert again.resource_version >= record.resource_version
        await plane.host.delete(resource(TARGETS["ConfigMap"]), "web", "demo")
        await eventually(lambda: gone(lambda: plane.host.get(resource(TARGETS["ConfigMap"]), "web", "demo")))
        assert await gone(lambda: plane.member.get(CONFIGMAPS, "web", "demo"))


def writes(client: Client) -> int:
    """Requests that wrote something on the host, Events among them."""
    requests = client.statistics().requests
    return sum(requests.get(verb, 0) for verb in ("create", "patch", "update", "apply", "delete"))


async def test_an_object_costs_the_host_four_writes_and_an_event(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run() as client:
        await plane.well("Namespace", "demo")
        await plane.federate("ConfigMap", "first", template={}, placement=EU)
        await plane.well("ConfigMap", "first")
        await eventually(lambda: plane.host.get(PROPAGATEDVERSIONS, "configmap-first", "demo"))
        await settled(client)
        before = writes(client)
        await plane.federate("ConfigMap", "web", template={}, placement=EU)
        await plane.well("ConfigMap", "web")
        await settled(client)
        assert writes(client) - before == 5


async def settled(client: Client) -> None:
    """Until nothing was written for a while."""
    for _ in range(20):
        before = writes(client)
        await asyncio.sleep(0.3)
        if writes(client) == before:
            return


async def test_what_is_left_of_kubefed_is_let_go(plane: Plane) -> None:
    await plane.furnish()
    await plane.member.create(NAMESPACES, {"metadata": {"name": "demo"}})
    metadata = {"name": "left", "namespace": "demo", "labels": {"kubefed.io/managed": "true", "a": "b"}}
    await plane.member.create(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    async with plane.run():

        async def let_go() -> bool:
            return (await plane.member.get(CONFIGMAPS, "left", "demo")).labels == {"a": "b"}

        await eventually(let_go)


async def test_members_statuses_are_gathered_where_that_is_wanted(plane: Plane) -> None:
    await plane.furnish(raw=True, collected="Deployment")
    async with plane.run():
        await plane.federate("Deployment", "web", template={"spec": {"replicas": 1}}, placement=EU)
        await eventually(lambda: plane.member.get(DEPLOYMENTS, "web", "demo"))
        await plane.member.patch(DEPLOYMENTS, "web", "demo", {"status": {"readyReplicas": 1}}, subresource="status")

        async def gathered() -> bool:
            clusters = (await plane.status("Deployment", "web")).get("clusters") or ()
            return [one.get("remoteStatus") for one in clusters] == [{"readyReplicas": 1}]

        await eventually(gathered)
        await plane.well("Deployment", "web")


async def test_services_statuses_are_gathered_in_the_older_way(plane: Plane) -> None:
    await plane.furnish(collected="Service")
    async with plane.run():
        await plane.federate("Service", "web", template={"spec": {"ports": [{"port": 80}]}}, placement=EU)
        await eventually(lambda: plane.member.get(SERVICES, "web", "demo"))
        status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        await plane.member.patch(SERVICES, "web", "demo", {"status": status}, subresource="status")

        async def gathered() -> bool:
            live = await plane.host.get(FEDERATEDSERVICESTATUSES, "web", "demo")
            return live.body().get("clusterStatus") == [{"clusterName": "eu", "status": status}]

        await eventually(gathered)
        config = (await plane.host.get(FEDERATEDTYPECONFIGS, "services", PLANE)).body()
        assert config["status"]["statusController"] == "Running"


async def test_a_cluster_that_is_unjoined_keeps_what_it_has(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run():
        await plane.federate("ConfigMap", "web", template={"data": {"a": "1"}}, placement={"clusterSelector": {}})
        await plane.well("ConfigMap", "web")
        await plane.host.delete(KUBEFEDCLUSTERS, "eu", PLANE)
        await eventually(lambda: gone(lambda: plane.host.get(CLUSTERS, "eu")))
        left = await plane.member.get(CONFIGMAPS, "web", "demo")
        assert left.body()["data"] == {"a": "1"}
        assert not left.labels


async def test_a_cluster_whose_name_no_cluster_may_have_is_told_so(plane: Plane) -> None:
    await plane.furnish()
    plane.api.faults.rules.append(Rule(Refuse(422, "Invalid"), verb="apply", plural="clusters"))
    async with plane.run():

        async def malformed() -> bool:
            body = (await plane.host.get(KUBEFEDCLUSTERS, "eu", PLANE)).body()
            conditions = (body.get("status") or {}).get("conditions") or [{}]
            return bool(conditions[0].get("type") == "ConfigMalformed")

        await eventually(malformed)


async def test_a_type_that_names_anothers_federated_kind_takes_nothing_from_it(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run():
        await plane.federate("ConfigMap", "web", template={"data": {"a": "1"}}, placement=EU)
        await plane.well("ConfigMap", "web")
        uid = (await plane.member.get(CONFIGMAPS, "web", "demo")).uid
        federated = body_of(type_config(TARGETS["ConfigMap"]))["spec"]["federatedType"]
        await plane.host.patch(FEDERATEDTYPECONFIGS, "secrets", PLANE, {"spec": {"federatedType": federated}})

        async def refused() -> bool:
            told = (await plane.host.get(FEDERATEDTYPECONFIGS, "secrets", PLANE)).body()["status"]
            return (told["observedGeneration"], told["propagationController"]) == (2, "NotRunning")

        await eventually(refused)
        await plane.federate("ConfigMap", "other", template={}, placement=EU)
        await plane.well("ConfigMap", "other")
        assert (await plane.member.get(CONFIGMAPS, "web", "demo")).uid == uid
        assert await gone(lambda: plane.member.get(SECRETS, "other", "demo"))
        await plane.host.delete(FEDERATEDTYPECONFIGS, "configmaps", PLANE)

        async def has_it_now() -> bool:
            told = (await plane.host.get(FEDERATEDTYPECONFIGS, "secrets", PLANE)).body()["status"]
            return bool(told["propagationController"] == "Running")

        await eventually(has_it_now)


async def test_without_the_type_of_namespaces_nothing_is_taken_away(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run():
        await plane.federate("ConfigMap", "web", template={"data": {"a": "1"}}, placement=EU)
        await plane.well("ConfigMap", "web")
        await plane.host.delete(FEDERATEDTYPECONFIGS, "namespaces", PLANE)

        async def stopped() -> bool:
            live = await plane.host.get(FEDERATEDTYPECONFIGS, "configmaps", PLANE)
            return bool(live.body()["status"]["propagationController"] == "NotRunning")

        await eventually(stopped)
        assert (await plane.member.get(CONFIGMAPS, "web", "demo")).body()["data"] == {"a": "1"}


async def test_a_control_plane_of_one_namespace_looks_at_no_other(plane: Plane) -> None:
    await plane.furnish(scope="Namespaced")
    await plane.member.create(NAMESPACES, {"metadata": {"name": PLANE}})
    async with plane.run():
        await plane.federate("ConfigMap", "elsewhere", template={}, placement=EU)
        await plane.federate("ConfigMap", "web", PLANE, template={"data": {"a": "1"}}, placement=EU)
        await plane.well("ConfigMap", "web", PLANE)
        assert (await plane.member.get(CONFIGMAPS, "web", PLANE)).body()["data"] == {"a": "1"}
        assert await plane.status("ConfigMap", "elsewhere") == {}
        config = (await plane.host.get(FEDERATEDTYPECONFIGS, "namespaces", PLANE)).body()
        assert config["status"]["propagationController"] == "NotRunning"


async def test_replicas_are_divided_by_a_preference(plane: Plane) -> None:
    await plane.furnish()
    async with plane.run():
        await plane.federate("Deployment", "web", template={"spec": {"replicas": 1}}, placement={"clusters": []})
        spec = {"targetKind": "FederatedDeployment", "totalReplicas": 3}
        await plane.make(REPLICASCHEDULINGPREFERENCES, "web", "demo", spec=spec)

        async def divided() -> bool:
            live = await plane.member.get(DEPLOYMENTS, "web", "demo")
            return bool(live.body()["spec"]["replicas"] == 3)

        await eventually(divided)
        live = (await plane.host.get(resource(TARGETS["Deployment"]), "web", "demo")).body()
        assert live["spec"]["placement"] == EU


async def test_a_restart_moves_no_replicas(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers late is Ready all the same: as told before, until the thresholds say otherwise."""
    await plane.furnish()
    both = {"clusters": [{"name": "eu"}, {"name": "us"}]}
    preferred = {"targetKind": "FederatedDeployment", "totalReplicas": 4}
    federated = resource(TARGETS["Deployment"])
    async with FakeApi(FakeCluster(7)) as other, Client(other.config) as us:
        await us.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        await plane.make(SECRETS, "us", PLANE, data={"token": base64.b64encode(b"t").decode()})
        endpoint = {"apiEndpoint": us.config.server, "secretRef": {"name": "us"}}
        await plane.make(KUBEFEDCLUSTERS, "us", PLANE, spec=endpoint)
        await plane.host.patch(resource(TARGETS["Namespace"]), "demo", "demo", {"spec": {"placement": both}})

        async def replicas() -> list[int]:
            found = [await client.get(DEPLOYMENTS, "web", "demo") for client in (plane.member, us)]
            return [live.body()["spec"]["replicas"] for live in found]

        async with plane.run():
            await plane.federate("Deployment", "web", template={"spec": {"replicas": 1}}, placement={"clusters": []})
            await plane.make(REPLICASCHEDULINGPREFERENCES, "web", "demo", spec=preferred)

            async def divided() -> bool:
                return await replicas() == [2, 2]

            await eventually(divided)
            await plane.well("Deployment", "web")

        contact = Link._contact

        async def late(link: Link) -> None:
            if link.target.name == "us":
                await asyncio.sleep(0.5)
            await contact(link)

        monkeypatch.setattr(Link, "_contact", late)
        generation = (await plane.host.get(federated, "web", "demo")).generation
        async with plane.run():
            await asyncio.sleep(1.5)
            assert await replicas() == [2, 2]
        assert (await plane.host.get(federated, "web", "demo")).generation == generation
