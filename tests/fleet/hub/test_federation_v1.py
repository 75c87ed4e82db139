"""Objects with Federation v1's annotations, in namespaces of the hub that opted in."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.names import FINALIZER, LABEL_FEDERATION
from atoll.intake.federation_v1 import ANNOTATION_STATUS
from atoll.kube.objects import Resource
from atoll.kube.resources import CLUSTERS, CONFIGMAPS, DEPLOYMENTS, JOBS, NAMESPACES
from tests.fleet.hub.world import World, configmap, deployment

Json = dict[str, Any]
SELECTOR = "federation.alpha.kubernetes.io/cluster-selector"
WISH = "federation.kubernetes.io/deployment-preferences"
JOB_WISH = "federation.kubernetes.io/job-preferences"


@pytest.fixture
async def opted(world: World) -> AsyncIterator[World]:
    await world.open(**{LABEL_FEDERATION: "v1"})
    await label(world, "1")
    try:
        yield world
    finally:
        await label(world, None)
        for resource in (DEPLOYMENTS, JOBS, CONFIGMAPS):
            for item in (await world.hub.list(resource, world.namespace)).items:
                if FINALIZER in item.finalizers:
                    await world.hub.delete(resource, item.name, world.namespace)


async def label(world: World, value: str | None) -> None:
    """The first two members are near."""
    for name in world.members[:2]:
        await world.hub.patch(CLUSTERS, name, "", {"metadata": {"labels": {"near": value}}})


async def put(world: World, resource: Resource, body: Json, **notes: Json | list[Json] | None) -> None:
    """Create it, or patch its annotations."""
    annotations = {key: value if value is None else json.dumps(value) for key, value in notes.items()}
    metadata = body["metadata"] | {"namespace": world.namespace, "annotations": annotations}
    name = metadata["name"]
    await world.hub.apply(
        resource, body | {"metadata": metadata}, name=name, namespace=world.namespace, manager="test", force=True
    )


async def said(world: World, resource: Resource, name: str) -> Json:
    live = await world.hub.get(resource, name, world.namespace)
    found: Json = json.loads(live.annotations.get(ANNOTATION_STATUS, "{}"))
    return found


async def numbers(world: World, resource: Resource, name: str, *path: str) -> dict[str, Any]:
    """A value of the object on each member that has it."""
    found = {}
    for cluster in world.members:
        body: Any = await world.find(cluster, resource, name)
        if body is not None:
            for key in path:
                body = body.get(key)
            found[cluster] = body
    return found


async def test_objects_are_distributed_as_their_annotations_say(opted: World) -> None:
    world = opted
    one, two, three = world.members
    near = [{"key": "near", "operator": "in", "values": ["1"]}]
    await put(world, CONFIGMAPS, configmap("settings", a="1"), **{SELECTOR: near})
    await put(world, CONFIGMAPS, configmap("plain", a="1"))
    wish: Json = {"rebalance": True, "clusters": {one: {"weight": 2}, "*": {"weight": 1}}}
    await put(world, DEPLOYMENTS, deployment("web", replicas=8), **{WISH: wish})
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sums"}, "spec": {
        "parallelism": 2, "completions": 4, "template": {"spec": {"restartPolicy": "Never", "containers": [
            {"name": "sum", "image": "busybox"}]}}}}  # fmt: skip
    await put(world, JOBS, job, **{JOB_WISH: {"clusters": {two: {"weight": 1}, three: {"weight": 1}}}})

    async def there() -> bool:
        return (
            await numbers(world, CONFIGMAPS, "settings", "data", "a") == {one: "1", two: "1"}
            and await numbers(world, DEPLOYMENTS, "web", "spec", "replicas") == {one: 4, two: 2, three: 2}
            and await numbers(world, JOBS, "sums", "spec", "completions") == {two: 2, three: 2}
            and await numbers(world, JOBS, "sums", "spec", "parallelism") == {two: 1, three: 1}
        )

    await world.eventually(there, 20)
    assert await numbers(world, CONFIGMAPS, "plain") == {}

    async def told() -> bool:
        rows = (await said(world, DEPLOYMENTS, "web")).get("clusters", {})
        return {n: (r["state"], r.get("ready")) for n, r in rows.items()} == {
            one: ("Applied", "4/4"), two: ("Applied", "2/2"), three: ("Applied", "2/2"),
        }  # fmt: skip

    await world.eventually(told, 20)
    before = (await world.hub.get(CONFIGMAPS, "settings", world.namespace)).resource_version

    # What can't be read changes nothing, and is told.
    await put(world, DEPLOYMENTS, deployment("web", replicas=8), **{WISH: {"rebalance": "yes"}})

    async def refused() -> bool:
        return "rebalance" in (await said(world, DEPLOYMENTS, "web")).get("trouble", "")

    await world.eventually(refused, 10)
    assert await numbers(world, DEPLOYMENTS, "web", "spec", "replicas") == {one: 4, two: 2, three: 2}
    assert "FederationAnnotation" in world.kubectl("hub", "get", "events")
    assert (await world.hub.get(CONFIGMAPS, "settings", world.namespace)).resource_version == before

    # One that is deleted takes its members' objects along; one whose annotations go is nowhere, and is let go.
    await world.hub.delete(DEPLOYMENTS, "web", world.namespace)
    await put(world, CONFIGMAPS, configmap("settings", a="1"))
    await world.eventually(lambda: gone(world, DEPLOYMENTS, "web"), 20)
    await world.eventually(lambda: gone(world, CONFIGMAPS, "settings"), 20)

    async def released() -> bool:
        live = await world.hub.get(CONFIGMAPS, "settings", world.namespace)
        return FINALIZER not in live.finalizers and ANNOTATION_STATUS not in live.annotations

    await world.eventually(released, 10)

    # A namespace that opts out leaves members what they have.
    await world.hub.patch(NAMESPACES, world.namespace, "", {"metadata": {"labels": {LABEL_FEDERATION: None}}})

    async def let_go() -> bool:
        return FINALIZER not in (await world.hub.get(JOBS, "sums", world.namespace)).finalizers

    await world.eventually(let_go, 10)
    assert await numbers(world, JOBS, "sums", "spec", "completions") == {two: 2, three: 2}


async def gone(world: World, resource: Resource, name: str) -> bool:
    return await numbers(world, resource, name) == {}
