"""What the fake fleet found, told again in as few steps as it takes."""

import asyncio

import pytest

from atoll.api.intent import Content, Former, Intent
from atoll.api.names import LABEL_REACH
from atoll.api.objects import Key, ObjectId, manifest
from atoll.hub import application
from atoll.hub.history import LAST, secret
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, NAMESPACES, SECRETS
from atoll.plan.model import Plan, Snapshot
from atoll.testing.fakeapi.faults import Delay, Refuse, Reset, Rule
from atoll.testing.fakefleet import play
from atoll.testing.fakefleet.world import NAMESPACE, World

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c0"}, "data": {"v": "1"}}


def create(world: World, **spec: object) -> None:
    world.put(
        world.hub, APPLICATIONS, "a", NAMESPACE, spec={"manifests": [MANIFEST], "placement": {"all": True}, **spec}
    )


def delete(world: World) -> None:
    world.hub.cluster.delete(world.kind(world.hub, APPLICATIONS), NAMESPACE, "a")


async def first_write_unanswered(world: World) -> None:
    """An object is made, which neither an answer nor the watch tells of before its Application is deleted."""
    await asyncio.sleep(5.0)
    member = world.members["m1"]
    member.lag = 3.0
    member.faults.rules.append(Rule(Reset(after=True), 1.0, 1, "apply", "configmaps", NAMESPACE))
    create(world)
    await asyncio.sleep(0.1)
    delete(world)
    await asyncio.sleep(10.0)


def test_an_object_whose_making_was_never_answered_goes_with_its_application() -> None:
    for seed in range(5):
        assert play(first_write_unanswered, seed).complaints == []


async def left_out_and_suspended(world: World) -> None:
    """A placement no longer means a cluster, and nothing is to be written any more, in one change; then somebody edits
    what is there still.
    """
    create(world)
    await asyncio.sleep(5.0)
    kind = world.kind(world.hub, APPLICATIONS)
    live = world.hub.cluster.get(kind, NAMESPACE, "a")
    spec = live["spec"] | {"placement": {"clusters": ["m1"]}, "suspend": True}
    world.hub.cluster.update(kind, NAMESPACE, "a", {**live, "spec": spec}, manager="user")
    await asyncio.sleep(5.0)
    assert world.meddle("m2", ObjectId("", "ConfigMap", NAMESPACE, "c0"))
    await asyncio.sleep(5.0)


def test_nothing_is_put_right_where_a_suspended_application_is_not_meant_any_more() -> None:
    assert play(left_out_and_suspended).complaints == []


async def made_again_at_once(world: World) -> None:
    """Somebody takes the finalizer away, deletes the Application, and makes it again before a hub has looked."""
    create(world)
    await asyncio.sleep(5.0)
    kind = world.kind(world.hub, APPLICATIONS)
    live = world.hub.cluster.get(kind, NAMESPACE, "a")
    bare = {**live, "metadata": {**live["metadata"], "finalizers": []}}
    world.hub.cluster.update(kind, NAMESPACE, "a", bare, manager="user")
    delete(world)
    create(world, adopt=True)


def test_an_application_that_was_made_again_at_once_gets_what_the_former_one_left_behind() -> None:
    """The former one went on being delivered: the new one was in conflict with it for ever."""
    assert play(made_again_at_once).complaints == []


def neighbours(world: World, **placement: object) -> None:
    """Application `two` goes by where `a` is."""
    manifest = MANIFEST | {"metadata": {"name": "c1"}}
    spec = {"manifests": [manifest], "placement": {"all": True, **placement}}
    world.put(world.hub, APPLICATIONS, "two", NAMESPACE, spec=spec)


def placed(world: World) -> int:
    """On how many clusters `two` is."""
    live = world.hub.cluster.get(world.kind(world.hub, APPLICATIONS), NAMESPACE, "two")
    return len(live["status"].get("placement", ()))


async def neighbour_gone(world: World) -> None:
    create(world)
    await asyncio.sleep(5.0)
    neighbours(world, antiAffinity=[{"application": "a"}])
    await asyncio.sleep(5.0)
    before = placed(world)
    delete(world)
    await asyncio.sleep(10.0)
    if before or not placed(world):
        world.watchman.complain(f"two was on {before} clusters, and is on {placed(world)}")


async def neighbour_labelled(world: World) -> None:
    create(world)
    await asyncio.sleep(5.0)
    neighbours(world, affinity=[{"selector": {"matchLabels": {"tier": "front"}}}])
    await asyncio.sleep(5.0)
    before = placed(world)
    labels = {"metadata": {"labels": {"tier": "front"}}}
    world.hub.cluster.patch(world.kind(world.hub, APPLICATIONS), NAMESPACE, "a", labels, manager="user")
    await asyncio.sleep(5.0)
    if before or not placed(world):
        world.watchman.complain(f"two was on {before} clusters, and is on {placed(world)}")


def test_who_stays_away_from_a_neighbour_comes_when_that_is_gone() -> None:
    assert play(neighbour_gone).complaints == []


def test_who_goes_where_a_label_is_comes_when_a_neighbour_gets_it() -> None:
    assert play(neighbour_labelled).complaints == []


async def others_wait_for_what_cannot_be_listed(world: World) -> None:
    await asyncio.sleep(5.0)
    world.hub.faults.rules.append(Rule(Refuse(405, "MethodNotAllowed"), 1.0, None, "list", "deployments"))
    world.hub.faults.rules.append(Rule(Delay(1000.0), 1.0, None, "list", "secrets"))
    for number in range(20):
        api_version, named = ("apps/v1", "Deployment") if number % 2 else ("v1", "Secret")
        spec = {"select": [{"apiVersion": api_version, "kind": named, "name": "x"}], "placement": {"all": True}}
        world.put(world.hub, APPLICATIONS, f"waits-{number}", NAMESPACE, spec=spec)
    await asyncio.sleep(3.0)
    create(world)
    await asyncio.sleep(3.0)
    kind = world.kind(world.hub, APPLICATIONS)
    said = {
        name: {c["type"]: c["status"] for c in status.get("conditions", ())}
        for name in ("a", "waits-1")
        if (status := world.hub.cluster.get(kind, NAMESPACE, name).get("status", {}))
    }
    if said.get("a", {}).get("Ready") != "True" or said.get("waits-1", {}).get("Accepted") != "False":
        world.watchman.complain(f"{said}")


def test_a_kind_of_the_hub_that_cannot_be_listed_holds_up_nobody_else() -> None:
    """Each that selected it kept a worker for half a minute, and its own status said nothing."""
    assert play(others_wait_for_what_cannot_be_listed).complaints == []


def test_whom_a_mistake_of_ours_keeps_waiting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was tried again for ever, and the status said nothing."""
    said: dict[str, str] = {}

    async def told(world: World) -> None:
        create(world)
        await asyncio.sleep(5.0)
        live = world.hub.cluster.get(world.kind(world.hub, APPLICATIONS), NAMESPACE, "a")
        said.update({c["type"]: c.get("message", "") for c in live["status"]["conditions"]})

    def failing(intent: Intent, fleet: Snapshot) -> Plan:
        raise TypeError("of another form")

    monkeypatch.setattr(application, "plan", failing)
    play(told)
    assert said["Accepted"] == "spec: a mistake in Atoll itself keeps it from this: TypeError: of another form"
    assert "Stalled" in said


async def unknown_kinds_beside_a_member_that_hangs(world: World) -> None:
    await asyncio.sleep(5.0)
    world.members["m1"].go("silent")
    for number in range(32):
        manifest = {"apiVersion": "example.org/v1", "kind": f"Kind{number}", "metadata": {"name": "c1"}}
        spec = {"manifests": [manifest], "placement": {"clusters": ["m2"]}, "allowEmpty": True}
        world.put(world.hub, APPLICATIONS, f"odd-{number}", NAMESPACE, spec=spec)
    await asyncio.sleep(0.5)
    create(world, placement={"clusters": ["m2"]})
    await asyncio.sleep(6.0)
    kind = world.kind(world.hub, APPLICATIONS)
    if not world.hub.cluster.get(kind, NAMESPACE, "a").get("status", {}).get("conditions"):
        world.watchman.complain("nobody has looked at it")
    for number in range(32):
        world.hub.cluster.delete(kind, NAMESPACE, f"odd-{number}")
    await asyncio.sleep(5.0)


def test_a_member_that_hangs_and_is_asked_for_a_kind_holds_up_nobody_elsewhere() -> None:
    assert play(unknown_kinds_beside_a_member_that_hangs).complaints == []


def test_a_revision_that_somebody_forged_is_not_delivered() -> None:
    """Who may write Secrets in a namespace could have anything on the members, in any namespace, by a hub's restart."""
    found: list[bool] = []

    async def forged(world: World) -> None:
        hub, kind = world.hub.cluster, world.kind(world.hub, APPLICATIONS)
        bare = {"metadata": {"labels": {LABEL_REACH: None}}}
        hub.patch(world.kind(world.hub, NAMESPACES), "", NAMESPACE, bare, manager="user")
        create(world)
        await asyncio.sleep(5.0)
        stages = [{"name": "one", "clusters": ["m1"]}, {"name": "rest", "all": True, "approval": True}]
        newer = {"spec": {"manifests": [{**MANIFEST, "data": {"v": "2"}}], "rollout": {"stages": stages}}}
        hub.patch(kind, NAMESPACE, "a", newer, manager="user")
        await asyncio.sleep(10.0)
        await world.kill_hub(world.processes[0])
        (name, old), *_ = [(n, s) for n, s in hub.store.all(SECRETS.group_kind).items() if ".r" in n[1]]
        live = hub.get(kind, NAMESPACE, "a")
        number = int(name[1].rpartition(".r")[2])
        evil = {**MANIFEST, "metadata": {"name": "evil", "namespace": "default"}}
        content = Former(Content("x", (manifest(evil),)), int(old["metadata"]["annotations"][LAST]))
        body = secret(Key(NAMESPACE, "a"), live["metadata"]["uid"], number, content)
        hub.delete(world.kind(world.hub, SECRETS), *name)
        hub.create(world.kind(world.hub, SECRETS), NAMESPACE, body, manager="user")
        world.start_hub()
        await asyncio.sleep(30.0)
        stores = [member.cluster.store for member in world.members.values()]
        found.extend(store.get(CONFIGMAPS.group_kind, ("default", "evil")) is not None for store in stores)

    play(forged)
    assert found
    assert not any(found)
