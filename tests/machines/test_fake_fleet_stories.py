"""What the fake fleet found, told again in as few steps as it takes."""

import asyncio

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
