"""The API server puts the finalizer on new Applications while a hub works, and on nobody's once it has ended."""

from pathlib import Path

from atoll.api.names import FINALIZER
from atoll.hub.birth import NAME
from atoll.kube.errors import NotFound
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, MUTATINGPOLICIES
from tests.fleet.hub.world import World, configmap


def application(world: World, name: str, **metadata: object) -> dict[str, object]:
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": world.namespace, **metadata},
        "spec": {"manifests": [configmap("settings")], "placement": {"clusters": list(world.members)}},
    }


async def finalizers(world: World, **metadata: object) -> set[str]:
    """Those that a new Application gets."""
    made = await world.hub.create(APPLICATIONS, application(world, "trial", **metadata), dry_run=True)
    return set(made.finalizers)


async def test_it_is_there_before_anybody_reads_the_application(world: World) -> None:
    await world.eventually(lambda: _held(world), 30)
    assert await finalizers(world, finalizers=["example.com/mine"]) == {FINALIZER, "example.com/mine"}
    made = await world.hub.create(APPLICATIONS, application(world, "shop"))
    assert made.finalizers == (FINALIZER,)
    assert made.generation == 1
    await world.ready("shop")
    await world.delete("shop")
    await world.eventually(world.no_applications)


async def test_a_hub_that_ends_or_does_not_want_it_leaves_no_policy(world: World, tmp_path: Path) -> None:
    process = world.process
    process.stop()
    try:
        await world.eventually(lambda: _free(world))
        await world.hub.create(APPLICATIONS, application(world, "waiting"))
        await world.delete("waiting")  # nobody is there who could let it go: it goes by itself
        assert await world.no_applications()

        other = process.successor(tmp_path / "hub.log")
        other.start("--no-admission-policy")
        try:
            assert not await finalizers(world)
            await world.hub.create(APPLICATIONS, application(world, "shop"))
            await world.ready("shop")
            live = await world.hub.get(APPLICATIONS, "shop", world.namespace)
            assert live.finalizers == (FINALIZER,)  # written by the hub
            assert await world.find(world.members[0], CONFIGMAPS, "settings")
        finally:
            other.stop()
    finally:
        process.start()


async def test_a_hub_that_was_killed_takes_away_what_it_left_when_it_is_told_to(world: World, tmp_path: Path) -> None:
    process = world.process
    await world.eventually(lambda: _held(world), 30)
    process.kill()
    try:
        await world.hub.get(MUTATINGPOLICIES, NAME)
        other = process.successor(tmp_path / "hub.log")
        other.start("--no-admission-policy")
        try:
            assert not await _policy(world)
        finally:
            other.stop()
    finally:
        process.start()


async def _held(world: World) -> bool:
    return FINALIZER in await finalizers(world)


async def _free(world: World) -> bool:
    return not await finalizers(world)


async def _policy(world: World) -> bool:
    try:
        await world.hub.get(MUTATINGPOLICIES, NAME)
    except NotFound:
        return False
    return True
