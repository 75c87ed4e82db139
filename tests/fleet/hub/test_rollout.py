"""A change goes from stage to stage on real clusters; a bad one stops at the first, and takes itself back."""

import asyncio
import time
from typing import Any

from atoll.kube.errors import NotFound
from atoll.kube.resources import APPLICATIONS, SECRETS
from tests.fleet.hub.world import CONFIGMAPS, DEPLOYMENTS, World, condition_of, configmap, deployment

Json = dict[str, Any]

BAD = "shop/does-not-exist:1"


def stages(world: World, **prod: Any) -> list[Json]:
    """Dev, test and prod: one member each."""
    dev, test, live = world.members
    rows: list[Json] = [{"name": "dev", "clusters": [dev]}, {"name": "test", "clusters": [test]}]
    return [*rows, {"name": "prod", "clusters": [live], **prod}]


async def image(world: World, member: str) -> str:
    found = await world.find(member, DEPLOYMENTS, "web")
    return found["spec"]["template"]["spec"]["containers"][0]["image"] if found else ""


async def images(world: World) -> list[str]:
    return [await image(world, member) for member in world.members]


async def change(world: World, new: str) -> None:
    await world.patch("shop", {"manifests": [deployment("web", new, replicas=2)]})


async def rollout(world: World) -> Json:
    found: Json = (await world.status("shop")).get("rollout") or {}
    return found


async def phase_becomes(world: World, phase: str, seconds: float = 60.0) -> Json:
    found: Json = {}

    async def check() -> bool:
        nonlocal found
        found = await rollout(world)
        return found.get("phase") == phase

    try:
        await world.eventually(check, seconds)
    except AssertionError:
        raise AssertionError(f"the phase is not {phase}: {await world.status('shop')}") from None
    return found


async def test_a_bad_image_stops_at_the_first_stage_and_takes_itself_back(world: World) -> None:
    wish = {"stages": stages(world), "onFailure": "rollback"}
    await world.deploy("shop", [deployment("web", "nginx:1.28", replicas=2)], rollout=wish)
    await world.ready("shop", 60)
    await change(world, BAD)
    seen: set[tuple[str, ...]] = set()

    async def taken_back() -> bool:
        seen.add(tuple(await images(world)))
        return (await rollout(world)).get("phase") == "RolledBack"

    await world.eventually(taken_back, 90)
    assert (BAD, "nginx:1.28", "nginx:1.28") in seen
    assert all(found[1:] == ("nginx:1.28", "nginx:1.28") for found in seen), "no later stage ever had it"
    await world.eventually(lambda: _all(world, "nginx:1.28"), 30)

    async def rests() -> bool:  # until what was taken back runs again, it is Reconciling
        return condition_of(await world.status("shop"), "Stalled").get("reason") == "RolledBack"

    await world.eventually(rests, 30)
    status = await world.status("shop")
    stalled = condition_of(status, "Stalled")
    assert f"{world.members[0]}: Degraded" in stalled["message"]
    assert condition_of(status, "Ready")["status"] == "False", "what the user asked for is not what runs"


async def _all(world: World, wanted: str) -> bool:
    return set(await images(world)) == {wanted}


async def test_a_good_image_goes_through_all_stages_with_an_approval(world: World) -> None:
    wish = {"stages": stages(world, approval=True)}
    await world.deploy("shop", [deployment("web", "nginx:1.28", replicas=2)], rollout=wish)
    await phase_becomes(world, "Waiting")
    assert await image(world, world.members[2]) == "", "a first delivery waits for its approval, too"
    row = await world.row("shop", world.members[2])
    assert row["state"] == "Waiting"
    world.atoll("app", "approve", "shop")
    await world.ready("shop", 60)

    await change(world, "nginx:1.29")
    found = await phase_becomes(world, "Waiting")
    assert [stage["state"] for stage in found["stages"]] == ["Done", "Done", "Approval"]
    assert await images(world) == ["nginx:1.29", "nginx:1.29", "nginx:1.28"]
    await _hub_repairs_to_the_old_revision(world)
    assert "stage prod approved" in world.atoll("app", "approve", "shop")
    await world.ready("shop", 60)
    assert await images(world) == ["nginx:1.29"] * 3


async def _hub_repairs_to_the_old_revision(world: World) -> None:
    last = world.members[2]
    container = {"name": "web", "image": "nginx:0"}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    await world.clients[last].patch(DEPLOYMENTS, "web", world.namespace, patch, type="strategic")

    async def repaired() -> bool:
        return await image(world, last) == "nginx:1.28"

    await world.eventually(repaired, 15)


async def test_a_hub_killed_in_the_middle_resumes_at_the_same_point(world: World) -> None:
    wish = {"stages": stages(world, approval=True)}
    await world.deploy("shop", [deployment("web", "nginx:1.28", replicas=1)], rollout=wish)
    await phase_becomes(world, "Waiting")
    world.atoll("app", "approve", "shop")
    await world.ready("shop", 60)
    await change(world, "nginx:1.29")
    before = await phase_becomes(world, "Waiting")
    versions = [(await world.find(m, DEPLOYMENTS, "web") or {})["metadata"]["generation"] for m in world.members]
    world.process.kill()
    last = world.members[2]
    await world.clients[last].delete(DEPLOYMENTS, "web", world.namespace)
    world.process.start()

    async def back() -> bool:
        return await image(world, last) == "nginx:1.28"

    await world.eventually(back, 30)  # what it repairs to is the revision from before, read from the history

    async def same() -> bool:
        return await rollout(world) == before

    await world.eventually(same, 30)
    now = [(await world.find(m, DEPLOYMENTS, "web") or {})["metadata"]["generation"] for m in world.members]
    assert now[:2] == versions[:2], "nothing is done again"
    world.atoll("app", "approve", "shop")
    await world.ready("shop", 60)
    assert await images(world) == ["nginx:1.29"] * 3


async def test_abort_undo_and_history_by_the_command_line(world: World) -> None:
    wish = {"stages": stages(world, approval=True)}
    await world.deploy("shop", [deployment("web", "nginx:1.28", replicas=1)], rollout=wish)
    await phase_becomes(world, "Waiting")
    world.atoll("app", "approve", "shop")
    await world.ready("shop", 60)
    await change(world, "nginx:1.29")
    await phase_becomes(world, "Waiting")
    for verb in ("abort", "undo"):
        foretold = world.atoll("app", verb, "shop", "--dry-run=server")
        assert "2 of 3 clusters change" in foretold
        assert foretold.count("-      - image: nginx:1.29") == 2
    assert "1 of 3 clusters change" in world.atoll("app", "approve", "shop", "--dry-run=server")
    world.atoll("app", "abort", "shop")
    await phase_becomes(world, "RolledBack")
    await world.eventually(lambda: _all(world, "nginx:1.28"), 30)
    table = world.atoll("app", "history", "shop")
    assert "given up" in table
    assert "nginx:1.28" in table
    world.atoll("app", "undo", "shop")
    await world.ready("shop", 60)
    assert await images(world) == ["nginx:1.28"] * 3
    live = (await world.hub.get(APPLICATIONS, "shop", world.namespace)).body()
    assert live["spec"]["manifests"][0]["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.28"


async def test_a_paused_rollout_changes_no_further_cluster(world: World) -> None:
    wish = {"maxUnavailable": 1, "gates": {"healthyFor": "2s"}}
    await world.deploy("shop", [deployment("web", "nginx:1.28", replicas=1)], rollout=wish)
    await world.ready("shop", 60)
    await change(world, "nginx:1.29")

    async def begun() -> bool:
        return "nginx:1.29" in await images(world)

    await world.eventually(begun, 30)
    world.atoll("app", "pause", "shop")
    await phase_becomes(world, "Paused")
    had = await images(world)
    assert "nginx:1.28" in had
    await asyncio.sleep(4)
    assert await images(world) == had
    world.atoll("app", "resume", "shop")
    await world.ready("shop", 60)
    assert await images(world) == ["nginx:1.29"] * 3


async def test_without_a_word_a_bad_image_stops_at_one_cluster_and_settings_go_everywhere_at_once(world: World) -> None:
    web = deployment("web", "nginx:1.28", replicas=1)
    await world.deploy("shop", [web, configmap("settings", level="info")])
    await world.ready("shop", 60)
    began = time.monotonic()
    await world.patch("shop", {"manifests": [web, configmap("settings", level="debug")]})
    await world.eventually(lambda: _settings(world, "debug"), 15)
    assert time.monotonic() - began < 10
    await world.patch("shop", {"manifests": [deployment("web", BAD, replicas=1), configmap("settings", level="debug")]})
    found = await phase_becomes(world, "Failed")
    assert f"{world.members[0]}: Degraded" in found["message"]
    assert await images(world) == [BAD, "nginx:1.28", "nginx:1.28"]


async def _settings(world: World, level: str) -> bool:
    found = [await world.find(member, CONFIGMAPS, "settings") for member in world.members]
    return all(body is not None and body["data"] == {"level": level} for body in found)


async def test_revisions_are_kept_masked_and_go_with_their_application(world: World) -> None:
    secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": "first"}}
    await world.deploy("shop", [secret])
    status = await world.ready("shop")
    assert not await _kept(world), "the first revision isn't stored before it is superseded"
    await world.patch("shop", {"manifests": [secret | {"stringData": {"k": "second"}}]})

    async def kept() -> bool:
        return len(await _kept(world)) == 1

    await world.eventually(kept, 15)
    first = str(status["sequence"])
    shown = world.atoll("app", "history", "shop", "--revision", first)
    assert "first" not in shown
    assert "***" in shown
    assert "first" not in world.atoll("app", "history", "shop", "--diff", first, code=1)
    await world.delete("shop")

    async def gone() -> bool:
        return not await _kept(world)

    await world.eventually(gone, 30)


async def _kept(world: World) -> list[str]:
    try:
        found = await world.hub.list(SECRETS, world.namespace)
    except NotFound:
        return []
    return [s.name for s in found.items if s.body().get("type") == "atoll.dev/revision"]


async def test_a_check_of_an_address_that_is_nobodys_business_is_refused_and_says_so(world: World) -> None:
    """The hub's own loopback, where its API server and metrics are."""
    check = {"http": {"url": f"http://127.0.0.1:{world.process.port}/metrics"}, "every": "1s", "within": "3s"}
    wish = {"gates": {"check": check}, "onFailure": "rollback", "maxUnavailable": "100%"}
    await world.deploy("shop", [configmap("settings", level="info")], rollout=wish)
    await world.ready("shop")
    await world.patch("shop", {"manifests": [configmap("settings", level="debug")]})
    found = await phase_becomes(world, "RolledBack")
    assert "127.0.0.1 is an address that checks may not ask" in found["message"]
    await world.eventually(lambda: _settings(world, "info"), 15)
