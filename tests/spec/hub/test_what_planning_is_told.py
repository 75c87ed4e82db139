"""What the hub tells planning of one application: what was promised, what waits for a node, who is near, since when."""

import time
from typing import Any, cast

import msgspec
import pytest

from atoll.api.application import Application
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Key
from atoll.api.observation import Observation
from atoll.api.placement import Neighbours, Placement
from atoll.api.replicas import Replicas
from atoll.api.rooms import Room
from atoll.fleet.capacity import Capacity
from atoll.fleet.pods import Workload
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.front import Front
from atoll.hub.snapshots import Snapshots
from atoll.hub.surroundings import Surroundings
from atoll.kube.objects import of_body
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import EVERYWHERE, cluster, container, deployment

FRONT = cast("Front", object())
CORE = deployment("web", container(resources={"requests": {"cpu": "1"}}))


class Hub:
    """Two clusters of four cores each, and what the hub remembers."""

    def __init__(self) -> None:
        self.dossiers = Dossiers()
        self.capacities: dict[str, Capacity] = {}
        self.snapshots = Snapshots()
        for name in ("a", "b"):
            self.snapshots.set(cluster(name, rooms=(Room({"cpu": 4000}, 110),)))
        self.around = Surroundings(self.dossiers, self.snapshots, self.capacities)

    def dossier(self, name: str, *, status: Any = None, **spec: Any) -> Dossier:
        body = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": name,
                "namespace": "demo",
                "uid": name,
                "resourceVersion": "1",
                "labels": {"app": name},
            },
            "spec": {"placement": {"all": True}, **spec},
            "status": status or {},
        }
        found = self.dossiers.open(Key("demo", name), of_body(body), FRONT)
        found.app = msgspec.convert(body, Application)
        found.status = found.app.status
        self.around.recall(found)
        return found

    def intent(self, name: str, total: int = 4, sequence: int = 1, placement: Placement = EVERYWHERE) -> Intent:
        share = Replicas(total=total, divide="capacity", rebalance=True)
        return Intent(Key("demo", name), name, Revision(1, name, sequence), (CORE,), placement, share)

    def carry_out(self, dossier: Dossier, intent: Intent) -> Plan:
        planned = plan(intent, self.around.snapshot(dossier, intent))
        self.around.carried_out(dossier, intent, planned)
        dossier.plan = planned
        dossier.submitted = dict(planned.deliveries)
        return planned


def shares(planned: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in planned.shares.items()}


def test_two_applications_planned_at_once_do_not_get_the_same_room() -> None:
    hub = Hub()
    assert shares(hub.carry_out(hub.dossier("one"), hub.intent("one", 6))) == {"a": 3, "b": 3}
    second = hub.carry_out(hub.dossier("two"), hub.intent("two", 6))
    assert shares(second) == {"a": 1, "b": 1}
    assert second.short == "2 of 6 replicas are placed: there is no room for more"
    assert hub.around.short == {Key("demo", "two")}


def test_what_runs_is_promised_no_longer() -> None:
    hub = Hub()
    one = hub.dossier("one")
    hub.carry_out(one, hub.intent("one", 6))
    one.observations["a"] = Observation(one.key, one.uid, "a", "Healthy", 3, 3)
    hub.around.observed(one, "a")
    assert hub.around.snapshot(one, hub.intent("one", 6)).reserved.keys() == {"b"}


def test_pods_that_wait_for_a_minute_are_stuck_and_it_is_looked_at_when_the_minute_is_over() -> None:
    hub = Hub()
    one = hub.dossier("one")
    planned = hub.carry_out(one, hub.intent("one"))
    now = time.time()
    waiting = {Workload("demo", "web"): (now - 70, now - 10), Workload("demo", "other"): (now - 70,) * 9}
    assert hub.around.counted("a", Capacity(waiting=waiting)) == [one.key]
    assert hub.around.counted("a", Capacity(waiting=waiting)) == []
    assert hub.around.snapshot(one, hub.intent("one")).standing[one.key]["a"].stuck == 1
    again = hub.around.check_again(one, planned)
    assert again is not None
    assert 40 < again < 51


def test_what_the_status_says_is_recalled_and_forgotten_when_the_application_changes() -> None:
    hub = Hub()
    status = {
        "sequence": 7,
        "placement": [{"cluster": "a", "replicas": 4, "leaving": "drained"}],
        "avoided": [{"cluster": "b", "why": "Degraded for 10m"}],
        "clusters": [{"name": "a", "health": "Degraded", "degradedSince": "2026-11-24T10:00:00Z"}],
    }
    one = hub.dossier("one", status=status)
    same = hub.around.snapshot(one, hub.intent("one", sequence=7))
    assert same.steady
    assert same.avoided == {one.key: {"b": "Degraded for 10m"}}
    assert same.standing[one.key]["a"].leaving == "drained"
    assert same.standing[one.key]["a"].degraded_since > 0
    changed = hub.around.snapshot(one, hub.intent("one", sequence=8))
    assert not changed.steady
    assert changed.avoided == {one.key: {}}


def test_neighbours_are_told_to_who_asks_and_woken_when_it_matters() -> None:
    hub = Hub()
    near = Placement(all=True, affinity=(Neighbours(application="one"),))
    one = hub.dossier("one")
    two = hub.dossier("two", placement={"all": True, "affinity": [{"application": "one"}]})
    asked = hub.around.snapshot(two, hub.intent("two", placement=near))
    assert asked.neighbours["one"].clusters == frozenset()
    planned = plan(hub.intent("one"), hub.around.snapshot(one, hub.intent("one")))
    assert list(hub.around.carried_out(one, hub.intent("one"), planned)) == [two.key]
    assert list(hub.around.carried_out(one, hub.intent("one"), planned)) == []
    assert hub.around.snapshot(two, hub.intent("two", placement=near)).neighbours["one"].clusters == {"a", "b"}
    assert hub.around.snapshot(one, hub.intent("one")).neighbours == {}


def test_who_a_worse_cluster_concerns() -> None:
    hub = Hub()
    for name in ("one", "two"):
        hub.carry_out(hub.dossier(name), hub.intent(name, total=4 if name == "one" else 0))
    assert hub.around.concerned("a") == [Key("demo", "one"), Key("demo", "two")]
    assert hub.around.concerned("elsewhere") == []


@pytest.mark.parametrize("seen", [True, False])
def test_who_waits_for_a_cluster_that_was_seen_before_looks_again(seen: bool) -> None:
    hub = Hub()
    dossier = hub.dossier("shop", status={"sequence": 1, "placement": [{"cluster": "a", "replicas": 4}]})
    dossier.observations["a"] = Observation(dossier.key, "shop", "a", "Healthy", 4, 4)
    if seen:
        dossier.observations["b"] = Observation(dossier.key, "shop", "b", "Healthy", 2, 2)
    intent = msgspec.structs.replace(hub.intent("shop"), replicas=Replicas(total=4))
    planned = plan(intent, hub.around.snapshot(dossier, intent))
    assert planned.waiting
    assert planned.shares["a"].common == 4
    assert list(hub.around.carried_out(dossier, intent, planned)) == ([dossier.key] if seen else [])
    if seen:
        assert plan(intent, hub.around.snapshot(dossier, intent)).shares["a"].common == 2


def test_how_it_did_where_it_left_is_no_reason_to_leave_again() -> None:
    """It was withdrawn while it was Degraded, and comes there anew: to a cluster that was drained meanwhile, or to
    another one of the same name.
    """
    hub = Hub()
    one = hub.dossier("one", failover={"degraded": "10m"})
    hub.carry_out(one, hub.intent("one"))
    one.observations["a"] = Observation(one.key, one.uid, "a", "Degraded")
    hub.around.observed(one, "a")
    assert hub.around.snapshot(one, hub.intent("one")).standing[one.key]["a"].degraded_since
    one.drop("a")
    assert hub.around.snapshot(one, hub.intent("one")).standing[one.key]["a"].degraded_since == 0.0
