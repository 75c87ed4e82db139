"""What a cluster has: nodes and their places, what they offer, what Pods take of it as the scheduler counts."""

from typing import Any

import pytest

from atoll.api.cluster import Resources
from atoll.api.rooms import NodeTaint, Room
from atoll.fleet.capacity import count
from atoll.fleet.nodes import NodeFacts, node_facts
from atoll.fleet.pods import PodSum, PodUse, Workload, pod_use
from atoll.kube.objects import of_body
from atoll.runtime.informer import Change


def use(name: str, *containers: dict[str, str], node: str = "n1", phase: str = "Running", **spec: Any) -> PodUse:
    return pod_use(
        of_body(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "d"},
                "spec": {"nodeName": node, "containers": [{"resources": {"requests": c}} for c in containers], **spec},
                "status": {"phase": phase},
            }
        )
    )


def summed(*uses: PodUse) -> PodSum:
    total = PodSum()
    for number, one in enumerate(uses):
        total.change(Change(named(f"p{number}"), None, one))
    return total


def named(name: str) -> Any:
    return of_body({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}).id


def pod(*containers: dict[str, str], **more: Any) -> Resources:
    return summed(use("p", *containers, **more)).total


def init(cpu: str, **more: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pod({"cpu": "250m", "memory": "64Mi"}, {"cpu": "1"}), Resources(1.25, 64 << 20, 1)),
        (pod({}), Resources(0.0, 0, 1)),
        (pod({"cpu": "1"}, node=""), Resources()),
        (pod({"cpu": "1"}, phase="Succeeded"), Resources()),
        (pod({"cpu": "1"}, phase="Failed"), Resources()),
        (pod({"cpu": "1"}, initContainers=[init("3"), init("2")]), Resources(3.0, 0, 1)),
        (pod({"cpu": "1"}, initContainers=[init("2", restartPolicy="Always")]), Resources(3.0, 0, 1)),
        (pod({"cpu": "1"}, overhead={"cpu": "100m", "memory": "1Ki"}), Resources(1.1, 1024, 1)),
    ],
)
def test_requests_are_counted_as_the_scheduler_does(found: Resources, wanted: Resources) -> None:
    assert found == wanted


def node(name: str, zone: str, ready: str = "True", **spec: Any) -> NodeFacts:
    return node_facts(
        of_body(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": zone},
                },
                "spec": spec,
                "status": {
                    "conditions": [{"type": "Ready", "status": ready}],
                    "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                },
            }
        )
    )


def test_only_ready_nodes_offer_and_zones_are_by_frequency() -> None:
    found = count([node("1", "b"), node("2", "a"), node("3", "b"), node("4", "c", ready="Unknown")], PodSum())
    assert (found.nodes, found.ready_nodes) == (4, 3)
    assert found.allocatable == Resources(12.0, 24 << 30, 330)
    assert found.zones == ("b", "a", "c")
    assert found.regions == ("eu",)


def test_the_sum_follows_changes_and_ends_at_nothing() -> None:
    total, small, large = PodSum(), use("p", {"cpu": "100m", "memory": "10"}), use("p", {"cpu": "700m", "memory": "30"})
    total.change(Change(named("p"), None, small))
    total.change(Change(named("p"), small, large))
    assert total.total == Resources(0.7, 30, 1)
    total.change(Change(named("p"), large, None))
    assert total.total == Resources()
    assert total.by_node == {}


def test_room_is_what_nodes_have_left_and_alike_nodes_are_one() -> None:
    taken = summed(use("p", {"cpu": "1", "memory": "1Gi"}, node="3"))
    found = count([node("1", "a"), node("2", "a"), node("3", "a")], taken)
    labels = {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "a"}
    assert found.rooms == (
        Room({"cpu": 3000, "memory": 7 << 30}, 109, 1, labels),
        Room({"cpu": 4000, "memory": 8 << 30}, 110, 2, labels),
    )


@pytest.mark.parametrize("closed", [{"unschedulable": True}, {"ready": "False"}])
def test_a_node_that_takes_nobody_has_no_room(closed: dict[str, Any]) -> None:
    assert count([node("1", "a", **closed)], PodSum()).rooms == ()


def test_a_full_node_has_no_room_and_taints_are_told() -> None:
    crowd = summed(*(use(f"p{n}", {}, node="1") for n in range(110)))
    tainted = node(
        "2", "a", taints=[{"key": "gpu", "effect": "NoSchedule"}, {"key": "b", "effect": "PreferNoSchedule"}]
    )
    (room,) = count([node("1", "a"), tainted], crowd).rooms or ()
    assert room.taints == (NodeTaint("gpu", "", "NoSchedule"),)


def test_where_pods_may_not_be_read_room_is_not_known() -> None:
    assert count([node("1", "a")], None).rooms is None


def waiting_pod(name: str, *, replica_set: str, since: str = "2026-11-24T10:00:00Z") -> PodUse:
    return pod_use(
        of_body(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "d",
                    "labels": {"pod-template-hash": "5d7f"},
                    "ownerReferences": [{"kind": "ReplicaSet", "name": replica_set, "controller": True}],
                },
                "spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]},
                "status": {
                    "phase": "Pending",
                    "conditions": [
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "reason": "Unschedulable",
                            "lastTransitionTime": since,
                        }
                    ],
                },
            }
        )
    )


def test_pods_that_no_node_takes_are_told_by_their_workload_and_take_nothing() -> None:
    first, later = (
        waiting_pod("a", replica_set="web-5d7f"),
        waiting_pod("b", replica_set="web-5d7f", since="2026-11-24T10:00:09Z"),
    )
    total = summed(first, later)
    (waits,) = total.waiting.values()
    assert list(total.waiting) == [Workload("d", "web")]
    assert waits[1] - waits[0] == 9.0
    assert total.total == Resources()
    total.change(Change(named("p0"), first, use("a", {"cpu": "1"})))
    assert total.waiting == {Workload("d", "web"): waits[1:]}
