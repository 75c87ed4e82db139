"""Known bugs are put in, and the fake fleet objects."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.names import LABEL_REACH
from atoll.api.objects import Json
from atoll.deliver import marks, prune, writer
from atoll.deliver.applyset import ApplySet
from atoll.deliver.session import Session
from atoll.hub.intents import Intents
from atoll.hub.tombstones import Tombstones
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, DEPLOYMENTS, NAMESPACES
from atoll.testing.fakefleet import play, run
from atoll.testing.fakefleet.world import NAMESPACE, World
from atoll.testing.worlds import container, deployment

MOST = 150
"""Seeds that a bug may hide from."""


async def nothing(*_: object) -> None:
    """Instead of what should be done."""


def deletes_without_proof(patch: pytest.MonkeyPatch) -> None:
    delete = Client.delete

    async def careless(self: Client, *about: Any, uid: str = "", resource_version: str = "", **rest: Any) -> Any:
        return await delete(self, *about, **rest)

    patch.setattr(Client, "delete", careless)


def writes_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    apply = Client.apply

    async def careless(self: Client, *about: Any, resource_version: str = "", **rest: Any) -> Any:
        return await apply(self, *about, **rest)

    patch.setattr(Client, "apply", careless)


def forgets_who_was_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tombstones, "lay", nothing)


def never_prunes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prune.Pruning, "_take", nothing)


def writes_over_what_is_newer(patch: pytest.MonkeyPatch) -> None:
    judge = marks.judge

    def careless(live: Any, hub: str, delivery: Delivery, **rest: Any) -> Any:
        newest = Revision(1 << 30, delivery.uid, 1 << 30)
        return judge(live, hub, msgspec.structs.replace(delivery, revision=newest), **rest)

    patch.setattr(writer, "judge", careless)
    patch.setattr(Session, "_newer", lambda *_: None)


def takes_from_others(patch: pytest.MonkeyPatch) -> None:
    judge = marks.judge
    patch.setattr(writer, "judge", lambda *about, **rest: judge(*about, **rest | {"claimed": lambda _: False}))


def lets_go_of_what_it_retains(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writer, "handover", lambda *_: None)


def writes_what_is_not_on_record(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ApplySet, "cover", nothing)


def reaches_everywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Intents, "_reaches", lambda *_: True)


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        (deletes_without_proof, "with the preconditions []"),
        (writes_whatever_is_there, "without saying which version"),
        (never_prunes, "should not be"),
    ],
)
def test_it_objects_to(bug: Callable[[pytest.MonkeyPatch], None], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    assert any(words in text for seed in range(MOST) for text in run(seed).complaints)


def wish(*manifests: Json, **spec: Any) -> Json:
    return {"manifests": list(manifests), "placement": {"all": True}, **spec}


def settings(value: str, namespace: str = "") -> Json:
    metadata = {"name": "settings", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}


def change(world: World, name: str, spec: Json) -> None:
    kind = world.kind(world.hub, APPLICATIONS)
    live = world.hub.cluster.get(kind, NAMESPACE, name)
    world.hub.cluster.update(kind, NAMESPACE, name, {**live, "spec": spec}, manager="user")


async def the_hub_is_restored(world: World) -> None:
    world.put(world.hub, APPLICATIONS, "a", NAMESPACE, spec=wish(settings("1")))
    await asyncio.sleep(5.0)
    snapshot = world.hub.cluster.store.snapshot()
    change(world, "a", wish(settings("2")))
    await asyncio.sleep(5.0)
    await world.restore(snapshot)
    await asyncio.sleep(20.0)


async def two_want_the_same(world: World) -> None:
    world.put(world.hub, APPLICATIONS, "a", NAMESPACE, spec=wish(settings("1")))
    await asyncio.sleep(5.0)
    world.put(world.hub, APPLICATIONS, "b", NAMESPACE, spec=wish(settings("2"), adopt=True))
    await asyncio.sleep(5.0)


async def a_number_is_retained(world: World) -> None:
    world.put(world.hub, APPLICATIONS, "a", NAMESPACE, spec=wish(deployment(replicas=5).body))
    await asyncio.sleep(5.0)
    retained = [{"target": {"kind": "Deployment"}, "path": "/spec/replicas"}]
    change(world, "a", wish(deployment("web", container(image="shop:2"), replicas=5).body, retain=retained))
    await asyncio.sleep(5.0)
    for member in world.members.values():
        for live in member.cluster.store.all(DEPLOYMENTS.group_kind).values():
            if live["spec"].get("replicas") != 5:
                world.watchman.complain(f"{member.name}: what was to be retained is {live['spec'].get('replicas')}")


async def another_namespace_is_wanted(world: World) -> None:
    kind = world.kind(world.hub, NAMESPACES)
    world.hub.cluster.patch(kind, "", NAMESPACE, {"metadata": {"labels": {LABEL_REACH: None}}}, manager="user")
    world.put(world.hub, APPLICATIONS, "a", NAMESPACE, spec=wish(settings("1", "elsewhere")))
    await asyncio.sleep(5.0)
    change(world, "a", wish(settings("1")))


async def one_is_away_when_it_is_deleted(world: World) -> None:
    world.put(world.hub, APPLICATIONS, "a", NAMESPACE, spec=wish(settings("1")))
    await asyncio.sleep(5.0)
    world.members["m1"].go("refusing")
    await asyncio.sleep(20.0)
    world.hub.cluster.delete(world.kind(world.hub, APPLICATIONS), NAMESPACE, "a")
    await asyncio.sleep(20.0)
    if world.applications():
        world.watchman.complain("an Application waits for a cluster that is away")
    for process in list(world.processes):  # what it knows is on the hub's disk
        await world.kill_hub(process)
    world.start_hub()


@pytest.mark.parametrize(
    ("story", "bug", "words"),
    [
        (the_hub_is_restored, writes_over_what_is_newer, "over by"),
        (two_want_the_same, takes_from_others, "from another Application"),
        (a_number_is_retained, lets_go_of_what_it_retains, "to be retained is"),
        (two_want_the_same, writes_what_is_not_on_record, "a kind that the ApplySet doesn't have"),
        (another_namespace_is_wanted, reaches_everywhere, "doesn't reach"),
        (one_is_away_when_it_is_deleted, forgets_who_was_away, "should not be"),
    ],
)
def test_it_objects_to_what_chance_seldom_brings(
    story: Callable[[World], Awaitable[None]],
    bug: Callable[[pytest.MonkeyPatch], None],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert play(story).complaints == []
    bug(monkeypatch)
    assert any(words in text for text in play(story).complaints)
