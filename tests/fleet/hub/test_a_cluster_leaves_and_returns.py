"""Taking a cluster out of the fleet takes nothing down unless that is said, and leaves nothing of Atoll behind."""

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.kube.resources import CLUSTERPROFILES, CLUSTERS, CONFIGMAPS, NAMESPACES, SECRETS
from tests.fleet.hub.agents import MODE
from tests.fleet.hub.world import World, configmap


async def rejoin(world: World, member: str) -> None:
    """The way it came."""
    if MODE == "direct":
        kubeconfig = str(world.fleet.kubeconfig)
        world.atoll(
            *("cluster", "join", member, "--kubeconfig", kubeconfig, "--context", member, "--labels", "tier=gold")
        )
    else:
        agent = world.process.agents[member]
        agent.stop()
        agent.start(agent.register("--labels", "tier=gold"))

    async def ready() -> bool:
        status = (await world.hub.get(CLUSTERS, member)).body().get("status") or {}
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())

    await world.eventually(ready, 30)


@pytest.mark.parametrize("delete", [False, True])
async def test_objects_stay_unmarked_unless_they_are_to_be_deleted(world: World, *, delete: bool) -> None:
    first, _, third = world.members
    await world.deploy("app", [configmap("one", v="1")], None, placement={"all": True})
    await world.ready("app")
    try:
        world.atoll("cluster", "leave", third, *(["--delete-objects"] if delete else []))
        left = await world.find(third, CONFIGMAPS, "one")
        assert (left is None) is delete
        if left is not None:
            assert not [k for k in left["metadata"].get("labels", {}) if "atoll" in k]
        assert not (
            await world.clients[third].list(CONFIGMAPS, SYSTEM_NAMESPACE, labels="applyset.kubernetes.io/id")
        ).items
        assert third not in [c.name for c in (await world.hub.list(CLUSTERS)).items]
        assert third not in [s.name for s in (await world.hub.list(SECRETS, SYSTEM_NAMESPACE)).items]
        assert third not in [p.name for p in (await world.hub.list(CLUSTERPROFILES, SYSTEM_NAMESPACE)).items]
        assert await world.find(first, CONFIGMAPS, "one") is not None

        async def two_rows() -> bool:
            return len((await world.status("app")).get("clusters", ())) == 2

        await world.eventually(two_rows)
    finally:
        await rejoin(world, third)
    row = await world.row_becomes("app", third, state="Conflict" if not delete else "Applied")
    if not delete:
        assert "adopt" in row["message"]
        await world.patch("app", {"adopt": True})
        await world.ready("app")
    namespaces = [n.name for n in (await world.clients[third].list(NAMESPACES)).items]
    assert SYSTEM_NAMESPACE in namespaces


async def test_cordoned_a_cluster_keeps_what_it_has_and_gets_nothing_new(world: World) -> None:
    third = world.members[2]
    await world.deploy("old", [configmap("old", v="1")], None, placement={"all": True})
    await world.ready("old")
    world.atoll("cluster", "cordon", third)
    try:
        await world.deploy("new", [configmap("new", v="1")], None, placement={"all": True})
        await world.ready("new")
        assert await world.find(third, CONFIGMAPS, "new") is None
        await world.patch("old", {"manifests": [configmap("old", v="2")]})
        await world.ready("old")
        found = await world.find(third, CONFIGMAPS, "old")
        assert found is not None and found["data"] == {"v": "2"}
    finally:
        world.atoll("cluster", "uncordon", third)
    await world.row_becomes("new", third, state="Applied")
