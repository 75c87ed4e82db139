"""ApplicationDefaults on a real hub: who says nothing goes where they say, and follows when they change."""

from typing import Any

import pytest

from atoll.kube.errors import Invalid
from atoll.kube.resources import APPLICATIONDEFAULTS, APPLICATIONS, CONFIGMAPS
from tests.fleet.hub.world import World, configmap

Json = dict[str, Any]


def defaults(world: World, name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "ApplicationDefaults",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": spec,
    }


async def test_who_says_nothing_follows_them(world: World) -> None:
    first, second, _ = world.members[:3]
    with pytest.raises(Invalid, match="its name is default"):
        await world.hub.create(APPLICATIONDEFAULTS, defaults(world, "other", placement={"all": True}))
    await world.hub.create(APPLICATIONDEFAULTS, defaults(world, "default", placement={"clusters": [first]}))
    await world.deploy("quiet", [configmap("quiet", v="1")], placement=None)
    await world.deploy("own", [configmap("own", v="1")], [first])
    await world.ready("quiet")
    assert await world.find(first, CONFIGMAPS, "quiet") is not None
    assert '"quiet"' in world.atoll("app", "render", "quiet", "--cluster", first, "-o", "json")
    change = {"spec": {"placement": {"clusters": [second]}}}
    await world.hub.patch(APPLICATIONDEFAULTS, "default", world.namespace, change)
    await world.gone(first, CONFIGMAPS, "quiet")
    await world.eventually(lambda: world.find(second, CONFIGMAPS, "quiet"))
    assert await world.find(first, CONFIGMAPS, "own") is not None
    await world.hub.delete(APPLICATIONDEFAULTS, "default", world.namespace)

    async def refused() -> bool:
        return (await world.condition("quiet", "Accepted")).get("status") == "False"

    await world.eventually(refused)
    assert await world.find(second, CONFIGMAPS, "quiet") is not None  # what was applied stays


async def test_their_rollout_holds_for_who_gives_none_and_a_pause_leaves_it(world: World) -> None:
    first, second, _ = world.members[:3]
    stages = [{"name": "canary", "clusters": [first]}, {"name": "rest", "all": True, "approval": True}]
    spec = {"placement": {"clusters": [first, second]}, "rollout": {"stages": stages}}
    await world.hub.create(APPLICATIONDEFAULTS, defaults(world, "default", **spec))
    await world.deploy("quiet", [configmap("quiet", v="1")], placement=None)
    await world.row_becomes("quiet", second, state="Waiting")
    world.atoll("app", "pause", "quiet")
    await phase_becomes(world, "quiet", "Paused")
    world.atoll("app", "resume", "quiet")
    await phase_becomes(world, "quiet", "Waiting")
    assert "rollout" not in (await world.hub.get(APPLICATIONS, "quiet", world.namespace)).body()["spec"]
    world.atoll("app", "approve", "quiet")
    await world.ready("quiet")
    assert await world.find(second, CONFIGMAPS, "quiet") is not None


async def phase_becomes(world: World, name: str, phase: str) -> None:
    async def check() -> bool:
        return bool(((await world.status(name)).get("rollout") or {}).get("phase") == phase)

    await world.eventually(check)
