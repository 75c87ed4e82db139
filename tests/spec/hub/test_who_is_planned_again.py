"""A change of a cluster wakes only those for whom planning may decide otherwise."""

from typing import Any

import pytest

from atoll.api.cluster import Cluster, ClusterMeta, ClusterSpec, ClusterStatus, Connection, Direct, Resources, Taint
from atoll.api.common import Condition
from atoll.api.objects import Key
from atoll.api.rooms import Room
from atoll.api.status import ApplicationStatus, AvoidedCluster, ClusterRow, PlacedCluster
from atoll.fleet.capacity import Capacity
from atoll.fleet.link import Reach
from atoll.hub.cluster_status import build_cluster_status
from atoll.hub.snapshots import Snapshots, cluster_facts, recalled, summary_of_room
from atoll.plan.model import Standing
from atoll.testing.worlds import cluster

HERE = Reach(True, "Reachable", "", 0.0, "uid-1", "v1.36.1")
AWAY = Reach(False, "Refused", "connection refused", 0.0, "uid-1", "v1.36.1")
UNTRIED = Reach()
ROOMS = (Room({"cpu": 1000}, 10),)
OTHER_ROOMS = (Room({"cpu": 900}, 9),)
NOON, EVENING = 1_800_000_000.0, 1_800_020_000.0


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        ({}, {}, "none"),
        ({"rooms": ROOMS}, {"rooms": OTHER_ROOMS, "requested": Resources(1.0)}, "load"),
        ({}, {"rooms": ROOMS}, "other"),  # nothing was known of its room
        ({}, {"ready": False}, "worse"),
        ({"ready": False}, {"ready": False, "lost_since": 1.0}, "worse"),
        ({}, {"cordoned": True}, "worse"),
        ({"ready": False, "lost_since": 1.0}, {}, "other"),
        ({"cordoned": True}, {"ready": False}, "other"),
        ({}, {"ready": False, "labels": {"a": "b"}}, "other"),
        ({}, {"taints": (Taint("k"),)}, "other"),
        ({}, {"cordoned": True, "drained": True}, "other"),
    ],
)
def test_what_is_new_of_a_cluster(before: dict[str, Any], now: dict[str, Any], news: str) -> None:
    snapshots = Snapshots()
    assert snapshots.set(cluster("a", **before)) == "other"
    assert snapshots.set(cluster("a", **now)) == news


def described(status: ClusterStatus | None = None, *taints: Taint) -> Cluster:
    spec = ClusterSpec(Connection(Direct("eu-1")), taints=taints)
    return Cluster(ClusterMeta("eu-1", generation=1), spec, status or ClusterStatus())


def after(of: Cluster, reach: Reach, now: float) -> ClusterStatus:
    return build_cluster_status(of, reach, None, None, 0, now)


def test_a_hub_that_starts_makes_a_loss_no_younger() -> None:
    lost = after(described(after(described(), HERE, NOON - 60)), AWAY, NOON)
    started = after(described(lost), UNTRIED, EVENING)
    assert started.conditions == lost.conditions
    facts = cluster_facts(described(lost), UNTRIED, None, started)
    assert (facts.ready, facts.lost_since) == (False, NOON)
    tried = after(described(started), AWAY, EVENING)
    assert cluster_facts(described(started), AWAY, None, tried).lost_since == NOON
    back = after(described(started), HERE, EVENING)
    assert cluster_facts(described(started), HERE, None, back).lost_since == 0.0


def test_a_cluster_whose_nodes_are_all_down_is_lost_too() -> None:
    down = Capacity(nodes=3)
    status = build_cluster_status(described(after(described(), HERE, 0.0)), HERE, down, None, 0, NOON)
    facts = cluster_facts(described(), HERE, down, status)
    assert (facts.ready, facts.lost_since) == (True, NOON)


def test_a_taint_keeps_its_date() -> None:
    execute = Taint("k", "v", "NoExecute")
    first = after(described(None, execute), HERE, NOON)
    later = after(described(first, execute, Taint("other"), Taint("new", "", "NoExecute")), HERE, EVENING)
    since = cluster_facts(described(None, execute), HERE, None, later).tainted_since
    assert since == {"k=v:NoExecute": NOON, "new:NoExecute": EVENING}


def test_what_the_status_says_is_what_planning_recalls() -> None:
    status = ApplicationStatus(
        placement=(
            PlacedCluster("a", 3, leaving="drained", most=2, until="2027-01-15T08:00:01Z"),
            PlacedCluster("b", None, workloads={"web": 1, "worker": 2}),
        ),
        clusters=(ClusterRow("a", health="Degraded", ready="1/3", degraded_since="2027-01-15T08:00:00Z"),),
        avoided=(AvoidedCluster("c", "it came back"),),
    )
    key = Key("demo", "shop")
    found = recalled(key, status, {}, NOON)
    assert found.previous == {key: {"a": 3, "b": None}}
    assert found.avoided == {key: {"c": "it came back"}}
    assert found.standing[key]["a"] == Standing(ready=1, most=2, degraded_since=NOON, leaving="drained")
    assert found.standing[key]["b"].workloads == {"web": 1, "worker": 2}
    assert recalled(key, status, {}, NOON + 2).standing[key]["a"].most is None


def test_a_summary_of_room_is_as_of_one_node() -> None:
    status = ClusterStatus(allocatable=Resources(4.0, 100, 10), requested=Resources(1.5, 40, 3))
    assert summary_of_room(status) == (Room({"cpu": 2500, "memory": 60}, 7),)
    assert summary_of_room(ClusterStatus(conditions=(Condition("Ready", "True"),))) is None
