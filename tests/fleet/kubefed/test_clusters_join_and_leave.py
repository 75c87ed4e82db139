"""A KubeFedCluster is served as soon as it is there, and leaves what it has where it is. A dead one delays nobody."""

import asyncio
import time
from typing import Any

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, SECRETS
from tests.fleet.conftest import Fleet
from tests.fleet.kubefed.conftest import SHAPE
from tests.fleet.kubefed.world import (
    BOTH,
    CONTROL_PLANE,
    HOST,
    MEMBER,
    NAMESPACE_TYPE,
    SPARE,
    FederatedWorld,
    apply,
    federated_resource,
    join,
    managed,
    on,
    target,
    words,
)

CONFIGMAP = target("ConfigMap")
EVERYWHERE: dict[str, Any] = {"clusterSelector": {}}
TEMPLATE = {"data": {"a": "1"}}


async def cluster(world: FederatedWorld, name: str) -> dict[str, Any]:
    return (await world.host.get(KUBEFEDCLUSTERS, name, CONTROL_PLANE)).body()


async def ready(world: FederatedWorld, name: str) -> dict[str, Any]:
    async def check() -> dict[str, Any] | None:
        status: dict[str, Any] = (await cluster(world, name)).get("status") or {}
        return status if any(c["type"] == "Ready" for c in status.get("conditions") or ()) else None

    found: dict[str, Any] = await world.eventually(check, 20)
    return found


async def unjoined(world: FederatedWorld, name: str) -> None:
    await world.host.delete(KUBEFEDCLUSTERS, name, CONTROL_PLANE)
    await world.gone(world.host, CLUSTERS, name, "", 20)
    await world.gone(world.host, SECRETS, f"kubefed-{name}", SYSTEM_NAMESPACE)


async def test_a_new_cluster_is_served_at_once_and_leaves_with_what_it_has(world: FederatedWorld) -> None:
    await world.federate(NAMESPACE_TYPE, world.namespace, placement=EVERYWHERE)
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=EVERYWHERE)
    await world.propagated(CONFIGMAP, world.name)
    await join(world.host, world.clients[SPARE], SPARE, color="blue")
    status = await ready(world, SPARE)
    began = time.monotonic()
    await world.eventually(lambda: world.has(SPARE, CONFIGMAP, world.name))
    assert time.monotonic() - began < 2.0
    assert status["kubernetesVersion"].startswith("v1.")
    mirrored = await world.host.get(CLUSTERS, SPARE)
    assert mirrored.labels["color"] == "blue"
    assert mirrored.labels["atoll.dev/kubefed"] == CONTROL_PLANE

    async def told() -> bool:
        return bool((await cluster(world, SPARE))["status"].get("region") == "us-east4")

    await world.eventually(told)
    await unjoined(world, SPARE)
    left = await world.member(SPARE, CONFIGMAP, world.name)
    assert left["data"] == {"a": "1"}
    assert not managed(left)
    assert set(words(await world.propagated(CONFIGMAP, world.name))) == set(BOTH)
    await world.federate(NAMESPACE_TYPE, world.namespace, placement=on(*BOTH))
    world.forget(NAMESPACE_TYPE)


async def test_a_name_that_another_cluster_has_is_told(world: FederatedWorld) -> None:
    name = world.name
    await apply(world.host, CLUSTERS, name, "", spec={"connection": {"tunnel": {}}})
    spec = {"apiEndpoint": "127.0.0.1:1", "secretRef": {"name": f"{MEMBER}-token"}}
    await apply(world.host, KUBEFEDCLUSTERS, name, CONTROL_PLANE, spec=spec)

    async def told() -> str:
        conditions = ((await cluster(world, name)).get("status") or {}).get("conditions") or ()
        return next((c["message"] for c in conditions if c["type"] == "ConfigMalformed"), "")

    assert "rename one of both" in await world.eventually(told)
    await world.host.delete(KUBEFEDCLUSTERS, name, CONTROL_PLANE)
    await world.host.get(CLUSTERS, name)
    await world.host.delete(CLUSTERS, name)


async def test_a_dead_member_delays_nobody_and_blocks_no_deletion(world: FederatedWorld, fleet: Fleet) -> None:
    await join(world.host, world.clients[SPARE], SPARE)
    await ready(world, SPARE)
    every = on(*BOTH, SPARE)
    await world.federate(NAMESPACE_TYPE, world.namespace, placement=every)
    await world.federate(CONFIGMAP, world.name, template=TEMPLATE, placement=every)
    await world.propagated(CONFIGMAP, world.name)
    fleet.local.stop(f"{SPARE}/kube-apiserver", patience=0)
    try:
        began = time.monotonic()
        await world.federate(CONFIGMAP, world.name, template={"data": {"a": "2"}}, placement=every)
        for name in BOTH:
            await world.eventually(lambda name=name: has(world, name, {"a": "2"}))  # type: ignore[misc]
        assert time.monotonic() - began < 1.0
        status = await world.troubled(CONFIGMAP, world.name, SPARE, "ClusterNotReady", 30)
        assert words(status) == {HOST: "", MEMBER: "", SPARE: "ClusterNotReady"}
        await world.delete(CONFIGMAP, world.name)
        await world.eventually(lambda: away(world))
        await unjoined(world, SPARE)
    finally:
        await asyncio.to_thread(fleet.local.up, SHAPE)
    await world.federate(NAMESPACE_TYPE, world.namespace, placement=on(*BOTH))
    await world.propagated(NAMESPACE_TYPE, world.namespace)
    world.forget(NAMESPACE_TYPE)


async def has(world: FederatedWorld, name: str, data: dict[str, str]) -> bool:
    found = await world.clients[name].get(CONFIGMAPS, world.name, world.namespace)
    return bool(found.body()["data"] == data)


async def away(world: FederatedWorld) -> bool:
    found = await world.host.list(federated_resource(CONFIGMAP), world.namespace)
    return world.name not in {live.name for live in found.items}
