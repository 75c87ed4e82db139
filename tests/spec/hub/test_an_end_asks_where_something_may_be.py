"""An end goes to each cluster on which something may be, and to no other: there may be a thousand."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from atoll.api.application import Application
from atoll.api.delivery import Removal
from atoll.api.objects import Key
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.hub.application import ApplicationController
from atoll.hub.dossier import Dossiers
from atoll.hub.ending import Ending
from atoll.hub.front import Parting
from atoll.kube.objects import of_body
from atoll.runtime.decisions import Done

NOTHING = cast("Any", None)
KEY = Key("demo", "shop")
CLUSTERS = ("a", "b", "c")


class World:
    """Three clusters that can be reached, and one Application that is being deleted."""

    finalizer = "atoll.dev/delivery"
    resource = NOTHING

    def __init__(self, *placed: str, **spec: Any) -> None:
        self.clear = set(CLUSTERS)
        self.away: set[str] = set()
        self.stays = False
        self.stones: dict[str, Removal] = {}
        self.removed: list[str] = []
        self.released = 0
        me: Any = self
        self.ending = Ending(
            client=me, fleet=me, deliverer=me, collector=me, tombstones=me,
            clusters=lambda: CLUSTERS, cluster_uid=str, wake=NOTHING,
        )  # fmt: skip
        metadata = {
            "name": "shop",
            "namespace": "demo",
            "uid": "u",
            "resourceVersion": "1",
            "finalizers": [World.finalizer],
        }
        live = of_body(
            {"metadata": metadata | {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [World.finalizer]}}
        )
        self.dossier = Dossiers().open(KEY, live, me)
        self.dossier.app = msgspec.convert({"metadata": {"name": "shop"}, "spec": spec}, Application)
        self.dossier.status = ApplicationStatus(placement=tuple(map(PlacedCluster, placed)))

    # The front, the fleet, the deliverer, the collector, the tombstones and the hub's API server

    def parting(self, *_: Any, ending: bool) -> Parting:
        return Parting(orphan=self.stays or not ending)

    def touch(self, _: Key) -> None:
        pass

    def link(self, _: str) -> Any:
        return self

    def reach(self, cluster: str) -> Any:
        return SimpleNamespace(reachable=cluster not in self.away)

    def clear_of(self, cluster: str, uid: str) -> bool:
        return uid == "u" and cluster in self.clear

    def remove(self, removal: Removal) -> None:
        self.removed.append(removal.cluster)

    def owed(self, cluster: str, _: str) -> bool:
        return cluster in self.stones

    async def lay(self, removal: Removal, _: str) -> bool:
        known, self.stones[removal.cluster] = self.stones.get(removal.cluster), removal
        return known != removal

    def forget(self, *_: str) -> None:
        pass

    async def patch(self, *_: Any, **__: Any) -> Any:
        """As an API server answers that lets the object go with it: of the version that it had."""
        self.released += 1
        metadata = {"name": "shop", "namespace": "demo", "uid": "u", "resourceVersion": "1"}
        return of_body({"metadata": metadata})


async def test_it_goes_to_where_it_is_placed() -> None:
    world = World("b")
    await world.ending.step(world.dossier)
    assert world.removed == ["b"]
    assert world.dossier.gone == {"a", "c"}
    world.dossier.gone.add("b")  # it told so
    assert await world.ending.step(world.dossier) == Done()
    assert world.dossier.released


async def test_it_goes_to_where_something_may_be_though_it_was_never_placed_there() -> None:
    world = World("b")
    world.clear = {"a"}
    await world.ending.step(world.dossier)
    assert world.removed == ["b", "c"]


async def test_what_was_placed_nowhere_ends_at_once() -> None:
    world = World()
    assert await world.ending.step(world.dossier) == Done()
    assert world.removed == []
    assert world.dossier.released


async def test_until_the_watch_tells_that_it_is_gone_it_is_let_go_of_once() -> None:
    world = World()
    for _ in range(3):
        assert await world.ending.step(world.dossier) == Done()
    assert world.released == 1
    world.dossier.saw(msgspec.structs.replace(world.dossier.live, resource_version="2"))  # somebody put it on again
    await world.ending.step(world.dossier)
    assert world.released == 2


async def test_of_one_that_is_suspended_something_may_be_anywhere() -> None:
    world = World(suspend=True)
    await world.ending.step(world.dossier)
    assert world.removed == list(CLUSTERS)


async def test_it_goes_to_where_it_is_gone_from_and_came_back() -> None:
    world = World()
    world.dossier.gone.add("b")  # withdrawn, before it was to end
    controller: Any = SimpleNamespace(_collector=world, _deliverer=world)
    ApplicationController._withdraw(controller, world.dossier, Removal(KEY, "u", "b"))  # restored from a backup
    await world.ending.step(world.dossier)
    assert not world.dossier.released
    assert world.dossier.awaits_clusters


async def test_where_it_is_owed_the_latest_word_counts() -> None:
    world = World("a", "b")
    world.away.add("a")
    await world.ending.step(world.dossier)
    assert world.removed == ["a", "b"]
    assert not world.stones["a"].orphan
    world.stays = True  # it was deleted, and was not to be: somebody says so while another cluster is waited for
    await world.ending.step(world.dossier)
    await world.ending.step(world.dossier)
    assert world.stones["a"].orphan
    assert world.removed == ["a", "b"] * 2
    assert world.dossier.gone == {"a", "c"}
