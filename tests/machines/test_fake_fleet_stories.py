"""What the fake fleet found, told again in as few steps as it takes."""

import asyncio

from atoll.api.objects import ObjectId
from atoll.kube.resources import APPLICATIONS
from atoll.testing.fakeapi.faults import Reset, Rule
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
