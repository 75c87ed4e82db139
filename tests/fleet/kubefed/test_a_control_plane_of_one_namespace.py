"""Scope Namespaced on real clusters: `controller-manager` works for its own namespace, with a member's rights there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atoll.api.kubefed.types import ENABLED, TargetType
from atoll.hub.kubefed.ensuring import ensure
from atoll.install.kubefed.joining import Joining, join
from atoll.install.kubefed.unjoining import Unjoining, unjoin
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, NAMESPACES, SECRETS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, free_port
from tests.fleet.kubefed.commands import Words, control_plane, launched
from tests.fleet.kubefed.world import CONTROL_PLANE, HOST, MEMBER, apply, federated_resource

TYPES = tuple(target for target in ENABLED if target.kind in ("ConfigMap", "Secret", "Namespace"))
CONFIGMAP = next(target for target in TYPES if target.kind == "ConfigMap")
SECRET = next(target for target in TYPES if target.kind == "Secret")


@asynccontextmanager
async def manager(fleet: Fleet, namespace: str, log: Path) -> AsyncIterator[None]:
    """`controller-manager`, ready."""
    port = free_port()
    line = (
        f"--kubeconfig={fleet.kubeconfig} --kubefed-namespace={namespace} --healthz-addr=127.0.0.1:{free_port()} "
        f"--metrics-addr=127.0.0.1:{port}"
    )
    with log.open("wb") as file:
        process = await launched(fleet, "controller-manager", line, file, file)
    try:

        async def promoted() -> bool:
            assert process.returncode is None, log.read_text()
            return "promoted as leader" in log.read_text()

        await eventually(promoted, 20)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


@pytest.fixture
async def clients(hub: HubProcess, fleet: Fleet) -> AsyncIterator[tuple[Client, Client]]:
    async with fleet.client(HOST) as host, fleet.client(MEMBER) as member:
        yield host, member


async def test_it_works_for_its_own_namespace_with_rights_in_no_other(
    hub: HubProcess, fleet: Fleet, clients: tuple[Client, Client], tmp_path: Path
) -> None:
    host, member = clients
    async with control_plane(host, member, scope="Namespaced") as namespace:
        await ensure(host, namespace, scope="Namespaced", types=TYPES)
        await join(host, member, Joining("m", HOST, namespace), Words())
        try:
            async with manager(fleet, namespace, tmp_path / "manager.log"):
                await eventually(lambda: "is served once it leads no more" in (tmp_path / "manager.log").read_text())
                await asyncio.to_thread(hub.stop)
                await works(host, member, namespace, tmp_path / "manager.log")
                await unjoin(host, member, Unjoining("m", HOST, namespace), Words())
                assert (await member.get(NAMESPACES, namespace)).deleting
                await eventually(lambda: forgotten(host), 15)
        finally:
            hub.start("--kubefed", CONTROL_PLANE)


async def forgotten(host: Client) -> bool:
    """The Cluster that stood for the KubeFedCluster is gone."""
    return "m" not in {live.name for live in (await host.list(CLUSTERS)).items}


async def works(host: Client, member: Client, namespace: str, log: Path) -> None:
    placed = {"placement": {"clusters": [{"name": "m"}]}}

    async def federate(target: TargetType, where: str, **template: object) -> None:
        await apply(host, federated_resource(target), "web", where, spec={"template": template, **placed})

    await federate(CONFIGMAP, namespace, data={"a": "1"})
    await federate(CONFIGMAP, "default", data={"a": "1"})
    await federate(SECRET, namespace, stringData={"b": "2"})

    async def there(a: str = "1") -> bool:
        (await member.get(SECRETS, "web", namespace)).body()
        return bool((await member.get(CONFIGMAPS, "web", namespace)).body()["data"] == {"a": a})

    async def told() -> bool:
        status = (await host.get(federated_resource(CONFIGMAP), "web", namespace)).body().get("status") or {}
        return [c["status"] for c in status.get("conditions") or ()] == ["True"]

    try:
        await eventually(there, 15)
        await eventually(told, 10)
        assert (await host.get(KUBEFEDCLUSTERS, "m", namespace)).body()["status"]["conditions"][0]["status"] == "True"
        await member.patch(CONFIGMAPS, "web", namespace, {"data": {"a": "edited"}})
        await eventually(there, 10)
        await federate(CONFIGMAP, namespace, data={"a": "2"})
        await eventually(lambda: there("2"), 10)
        with pytest.raises(NotFound):
            await member.get(CONFIGMAPS, "web", "default")
        elsewhere = (await host.get(federated_resource(CONFIGMAP), "web", "default")).body()
        assert not elsewhere.get("status") and not elsewhere["metadata"].get("finalizers")
        config = (await host.get(FEDERATEDTYPECONFIGS, "namespaces", namespace)).body()
        assert config["status"]["propagationController"] == "NotRunning"
        await host.delete(federated_resource(CONFIGMAP), "web", namespace)
        await host.delete(federated_resource(SECRET), "web", namespace)

        async def gone() -> bool:
            left = [*(await member.list(CONFIGMAPS, namespace)).items, *(await member.list(SECRETS, namespace)).items]
            return "web" not in {live.name for live in left}

        await eventually(gone, 10)
        assert f'KubeFed will be limited to the "{namespace}" namespace' in log.read_text()
        refused = [line for line in log.read_text().splitlines() if "forbidden" in line]
        assert all("cannot watch resource" in line and "nodes" in line for line in refused), refused
    finally:
        await host.delete(federated_resource(CONFIGMAP), "web", "default")
