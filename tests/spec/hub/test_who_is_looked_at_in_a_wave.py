"""In a wave an Application is looked at, or told of, when something may come of it, and not at each step."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec

from atoll.api.delivery import Outcome, Removal
from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ClusterState
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.waking import A_CLUSTER, AT_LEISURE, TOGETHER, Waking
from atoll.kube.objects import of_body
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

KEY = Key("demo", "shop")
FLEET = fleet(cluster("a"), cluster("b"))


class Queue:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.added: list[float] = []

    def add(self, key: Any) -> None:
        self.added.append(0.0)

    def add_after(self, key: Any, seconds: float) -> None:
        self.added.append(seconds)


class Anything:
    """Takes every call."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class World:
    def __init__(self, *, bustling: bool = True, deleting: bool = False) -> None:
        self.queue, dossiers, anything = Queue(), Dossiers(), cast("Any", Anything())
        front = cast("Any", Anything())
        front.finalizer = "atoll.dev/delivery"
        metadata: dict[str, Any] = {"name": "shop", "namespace": "demo", "uid": "uid", "resourceVersion": "1"}
        if deleting:
            metadata |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [front.finalizer]}
        self.dossier: Dossier = dossiers.open(KEY, of_body({"metadata": metadata}), front)
        self.waking = Waking(
            applications=cast("Any", self.queue),
            clusters=cast("Any", Queue()),
            fronts=cast("Any", [SimpleNamespace(held=lambda: [KEY])]),
            dossiers=dossiers,
            surroundings=anything,
            tombstones=anything,
            cluster=lambda _: None,
            kinds={},
            recorder=anything,
        )
        self.waking.wire(anything, anything, anything, lambda _: None, lambda: bustling)

    def planned(self, *, everywhere: bool) -> None:
        """A change is on its way: every cluster was handed it, or `a` alone."""
        newest = plan(msgspec.structs.replace(intent(), revision=Revision(1, "uid", 9)), FLEET)
        former = plan(msgspec.structs.replace(intent(), revision=Revision(1, "uid", 8)), FLEET)
        deliveries = newest.deliveries | ({} if everywhere else {"b": former.deliveries["b"]})
        rollout = RolloutStatus(revision=9, phase="Progressing")
        self.dossier.plan = msgspec.structs.replace(newest, deliveries=deliveries, rollout=rollout)
        self.dossier.revisions.sequence = 9

    def told(self, name: str, state: ClusterState, *, gone: bool = False) -> list[float]:
        """After how many seconds the Application is looked at, for this outcome."""
        self.queue.added.clear()
        self.waking.delivered(Outcome(KEY, "uid", name, Revision(1, "uid", 9), state, gone=gone))
        return self.queue.added


def test_a_change_that_is_out_waits_for_its_end_at_leisure() -> None:
    world = World()
    world.planned(everywhere=True)
    assert world.told("a", "Applying") == []
    assert world.told("a", "Applied") == [AT_LEISURE]


def test_at_once_where_little_is_delivered() -> None:
    world = World(bustling=False)
    world.planned(everywhere=True)
    assert world.told("a", "Applied") == [TOGETHER]


def test_at_once_where_clusters_wait_for_it() -> None:
    world = World()
    world.planned(everywhere=False)
    assert world.told("a", "Applying") == [TOGETHER]
    assert world.told("a", "Applied") == [TOGETHER]


def test_the_more_clusters_may_have_news_the_longer_the_first_waits_for_the_others() -> None:
    """A thousand agents that come back one after the other are no thousand looks at a thousand clusters."""
    world = World()
    world.planned(everywhere=True)
    assert world.dossier.plan is not None
    one = world.dossier.plan.deliveries["a"]
    for number in (2, 1000):
        world.dossier.submitted = {f"c{each}": one for each in range(number)}
        world.queue.added.clear()
        world.waking.replan("c1", "other")
        assert world.queue.added == [number * A_CLUSTER]


def test_an_end_is_looked_at_when_it_is_gone_everywhere() -> None:
    world = World(deleting=True)
    world.dossier.leaving = {name: Removal(KEY, "uid", name) for name in ("a", "b")}
    assert world.told("a", "Removing", gone=True) == []
    assert world.told("b", "Removing", gone=True) == [0.0]


def test_a_cluster_that_was_given_up_is_not_waited_for() -> None:
    world = World(deleting=True)
    world.dossier.leaving = {name: Removal(KEY, "uid", name) for name in ("a", "b")}
    world.dossier.gone.add("b")  # away: a tombstone remembers it
    assert world.told("a", "Removing", gone=True) == [0.0]


def test_of_one_that_waits_for_its_turn_only_nothing_is_told() -> None:
    dossier = World(deleting=True).dossier
    assert not dossier.ended
    dossier.lingered = True
    assert dossier.ended
    dossier.leaving = {"a": Removal(KEY, "uid", "a")}  # a cluster that came since
    assert not dossier.ended
