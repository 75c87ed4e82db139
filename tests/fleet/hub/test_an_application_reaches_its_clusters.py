"""What the README promises, on real API servers."""

import asyncio

from tests.fleet.hub.world import CONFIGMAPS, DEPLOYMENTS, World, configmap, deployment


async def test_images_env_and_replicas_differ_per_cluster(world: World) -> None:
    first, second, third = world.members
    await world.deploy(
        "shop",
        [deployment("web", "nginx:1.28", LOG_LEVEL="info"), configmap("web", colour="blue")],
        replicas={"total": 9, "weights": {first: 4, second: 3, third: 2}},
        differences=[
            {"clusters": [second], "images": [{"from": "nginx", "to": "registry.example.com/mirror/nginx"}]},
            {"clusters": [third], "env": {"web": {"LOG_LEVEL": "debug"}}},
        ],
    )
    status = await world.ready("shop")
    assert [(p["cluster"], p["replicas"]) for p in status["placement"]] == [(first, 4), (second, 3), (third, 2)]
    assert status["summary"] == {"clusters": 3, "applied": 3, "healthy": 3, "ready": "9/9"}
    found = {m: await world.find(m, DEPLOYMENTS, "web") for m in world.members}
    specs = {m: body["spec"] for m, body in found.items() if body}
    containers = {m: spec["template"]["spec"]["containers"][0] for m, spec in specs.items()}
    assert [specs[m]["replicas"] for m in world.members] == [4, 3, 2]
    assert containers[first]["image"] == "nginx:1.28"
    assert containers[second]["image"] == "registry.example.com/mirror/nginx:1.28"
    assert containers[third]["env"] == [{"name": "LOG_LEVEL", "value": "debug"}]
    assert all([await world.find(m, CONFIGMAPS, "web") for m in world.members])


async def test_changes_reach_the_members_and_nothing_else_is_touched(world: World) -> None:
    first, second, _ = world.members
    await world.namespace_on(first)
    bystander = {**configmap("bystander", a="1")}
    bystander["metadata"] = {"name": "bystander", "namespace": world.namespace}
    before = await world.clients[first].create(CONFIGMAPS, bystander)
    await world.deploy("app", [configmap("one", v="1"), configmap("two", v="1")], [first, second])
    await world.ready("app")
    two = await world.find(first, CONFIGMAPS, "two")
    # change one, add three
    await world.patch(
        "app", {"manifests": [configmap("one", v="2"), configmap("two", v="1"), configmap("three", v="1")]}
    )
    await world.ready("app")
    one, three = await world.find(second, CONFIGMAPS, "one"), await world.find(second, CONFIGMAPS, "three")
    assert one is not None and one["data"] == {"v": "2"}
    assert three is not None
    assert await world.find(first, CONFIGMAPS, "two") == two, "an object that didn't change was written"
    # remove two
    await world.patch("app", {"manifests": [configmap("one", v="2"), configmap("three", v="1")]})
    await world.gone(first, CONFIGMAPS, "two")
    await world.gone(second, CONFIGMAPS, "two")
    # leave a cluster
    await world.patch("app", {"placement": {"clusters": [second]}})
    await world.gone(first, CONFIGMAPS, "one")
    assert await world.find(second, CONFIGMAPS, "one") is not None
    after = await world.clients[first].get(CONFIGMAPS, "bystander", world.namespace)
    assert after.resource_version == before.resource_version


async def test_a_difference_added_and_removed_is_applied_and_taken_back(world: World) -> None:
    first, second, _ = world.members
    await world.deploy("app", [configmap("one", v="1")], [first, second])
    await world.ready("app")
    untouched = await world.find(second, CONFIGMAPS, "one")
    patch = {"target": {"kind": "ConfigMap"}, "op": "add", "path": "/data/extra", "value": "x"}
    await world.patch("app", {"differences": [{"clusters": [first], "patches": [patch]}]})

    async def extra() -> bool:
        found = await world.find(first, CONFIGMAPS, "one")
        return found is not None and found["data"].get("extra") == "x"

    async def no_extra() -> bool:
        return not await extra()

    await world.eventually(extra)
    await world.patch("app", {"differences": []})
    await world.eventually(no_extra)
    assert await world.find(second, CONFIGMAPS, "one") == untouched


async def test_deleting_it_leaves_nothing_but_the_namespace(world: World) -> None:
    await world.deploy("app", [configmap("one", v="1"), deployment("web", replicas=1)])
    await world.ready("app")
    await world.delete("app")
    await world.eventually(world.no_applications)
    for member in world.members:
        assert await world.find(member, CONFIGMAPS, "one") is None
        assert await world.find(member, DEPLOYMENTS, "web") is None


async def test_orphaned_objects_stay_unmarked(world: World) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first], deletion="orphan")
    await world.ready("app")
    await world.delete("app")
    await world.eventually(world.no_applications)
    found = await world.find(first, CONFIGMAPS, "one")
    assert found is not None
    assert found["data"] == {"v": "1"}
    assert not [k for k in found["metadata"].get("labels", {}) if "atoll" in k or "applyset" in k]
    assert not [k for k in found["metadata"].get("annotations", {}) if "atoll" in k]


async def test_suspended_nothing_is_written_and_resumed_all_is(world: World) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    await world.patch("app", {"suspend": True})
    await world.row_becomes("app", first, state="Suspended")
    await world.patch("app", {"manifests": [configmap("one", v="2")]})
    await asyncio.sleep(0.5)
    found = await world.find(first, CONFIGMAPS, "one")
    assert found is not None and found["data"] == {"v": "1"}
    await world.patch("app", {"suspend": None})
    await world.ready("app")
    found = await world.find(first, CONFIGMAPS, "one")
    assert found is not None and found["data"] == {"v": "2"}


async def test_an_application_that_would_leave_every_cluster_is_held(world: World) -> None:
    first = world.members[0]
    await world.deploy("app", [configmap("one", v="1")], [first])
    await world.ready("app")
    await world.patch("app", {"placement": {"clusters": None, "selector": {"matchLabels": {"typo": "yes"}}}})

    async def held() -> bool:
        return (await world.condition("app", "Ready")).get("reason") == "Held"

    await world.eventually(held)
    assert "allowEmpty" in (await world.condition("app", "Ready"))["message"]
    assert await world.find(first, CONFIGMAPS, "one") is not None
    await world.patch("app", {"allowEmpty": True})
    await world.gone(first, CONFIGMAPS, "one")


async def test_one_that_is_changed_all_the_time_holds_nobody_up(world: World) -> None:
    objects = [f"noise-{number}" for number in range(4)]
    stop = asyncio.Event()

    async def noise() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            await world.deploy("noise", [configmap(name, turn=str(turn)) for name in objects])

    async with asyncio.TaskGroup() as group:
        group.create_task(noise())
        try:
            await asyncio.sleep(0.5)
            for number in range(3):
                await world.deploy("quiet", [configmap("quiet", turn=str(number))])
                await world.ready("quiet", 3)  # five seconds, where statuses waited for the noise to end
        finally:
            stop.set()
