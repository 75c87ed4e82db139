"""A hub on an ordinary cluster, which is a member as well: inline manifests run there, templates are left alone."""

import asyncio
from collections.abc import Iterator

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.join import join
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import CLUSTERROLES, CLUSTERS, PODS
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import (
    CONFIGMAPS,
    DEPLOYMENTS,
    HubProcess,
    World,
    condition_of,
    configmap,
    deployment,
    prepare,
)

HOST = "host"
"""The hub's own cluster, by its name in the fleet."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One of its own: a shared host and one member."""
    local = LocalFleet(tmp_path_factory.mktemp("shared"), Binaries().find)
    try:
        local.up(FleetShape(members=1, nodes=1, host="shared"))
        yield Fleet(local)
    finally:
        local.down(purge=True)


@pytest.fixture(scope="module")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    async def join_host() -> None:
        await prepare(fleet)
        async with fleet.client("hub") as client:
            await join(client, client, load_kubeconfig(fleet.kubeconfig, "hub"), HOST)

    asyncio.run(join_host())
    process = HubProcess(fleet.kubeconfig, tmp_path_factory.mktemp("hub") / "hub.log")
    process.start()
    try:
        yield process
    finally:
        process.stop()


async def make(world: World, body: Json, **labels: str) -> Json:
    """Make an object on the hub, as its user would."""
    body["metadata"] |= {"namespace": world.namespace, "labels": labels}
    resource = DEPLOYMENTS if body["kind"] == "Deployment" else CONFIGMAPS
    return (await world.hub.create(resource, body)).body()


async def spec_of(world: World, name: str) -> Json:
    found = await world.find("hub", DEPLOYMENTS, name)
    assert found is not None
    return {key: found["metadata"].get(key) for key in ("uid", "generation", "labels")} | {"spec": found["spec"]}


async def test_inline_manifests_run_on_the_host_as_on_any_member(world: World) -> None:
    [member] = world.members
    await world.deploy("app", [deployment("web", replicas=2), configmap("one", v="1")], [HOST, member])
    status = await world.ready("app", 60)
    assert status["summary"] == {"clusters": 2, "applied": 2, "healthy": 2, "ready": "4/4"}
    pods = (await world.hub.list(PODS, world.namespace)).items
    assert len(pods) == 2
    await world.delete("app")
    await world.eventually(world.no_applications, 30)
    assert await world.find("hub", DEPLOYMENTS, "web") is None
    assert await world.find("hub", CONFIGMAPS, "one") is None


async def test_what_is_selected_is_never_delivered_onto_itself_nor_pruned_there(world: World) -> None:
    [member] = world.members
    await make(world, deployment("web", replicas=1), app="shop")
    await make(world, configmap("settings", v="1"), app="shop")
    before = await spec_of(world, "web"), await world.find("hub", CONFIGMAPS, "settings")
    select = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"app": "shop"}}},
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"},
    ]
    differences = [{"all": True, "labels": {"tier": "gold"}, "replicas": {"web": 3}}]
    await world.deploy("app", [configmap("inline", v="1")], [HOST, member], select=select, differences=differences)
    await world.ready("app", 60)
    copy = await world.find(member, DEPLOYMENTS, "web")
    assert copy is not None
    assert copy["spec"]["replicas"] == 3
    assert await world.find("hub", CONFIGMAPS, "inline"), "what is inline goes there, too"
    # selected no longer: it goes from the member, and stays where it lives
    await world.patch("app", {"select": select[1:], "differences": []})
    await world.gone(member, DEPLOYMENTS, "web")
    await world.ready("app", 60)
    await world.delete("app")
    await world.eventually(world.no_applications, 30)
    assert await world.find(member, CONFIGMAPS, "settings") is None
    assert await world.find("hub", CONFIGMAPS, "inline") is None
    assert (await spec_of(world, "web"), await world.find("hub", CONFIGMAPS, "settings")) == before


async def test_the_host_leaves_the_fleet_and_goes_on_as_its_hub(world: World) -> None:
    [member] = world.members
    await world.deploy("app", [configmap("one", v="1")], [HOST, member])
    await world.ready("app")
    world.atoll("cluster", "leave", HOST, namespace="")
    assert HOST not in {c.name for c in (await world.hub.list(CLUSTERS)).items}
    left = await world.find("hub", CONFIGMAPS, "one")
    assert left is not None
    assert not [label for label in left["metadata"].get("labels", {}) if "atoll" in label]
    assert (await world.hub.get(CONFIGMAPS, "hub", SYSTEM_NAMESPACE)).body()["data"]["id"]
    assert not [r.name for r in (await world.hub.list(CLUSTERROLES)).items if r.name.startswith("atoll-")]
    await world.patch("app", {"placement": {"clusters": [member]}, "manifests": [configmap("one", v="2")]})
    await world.ready("app")
    assert world.process.get("/readyz")[0] == 200
    status = (await world.hub.get(CLUSTERS, member)).body()["status"]
    assert condition_of(status, "Ready")["status"] == "True"
