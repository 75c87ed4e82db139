"""What a cluster has: nodes and their places, what they offer, what Pods take of it as the scheduler counts."""

from typing import Any

import pytest

from atoll.api.cluster import Resources
from atoll.fleet.capacity import RunningSum, count, node_facts, pod_requests
from atoll.kube.objects import of_body
from atoll.runtime.informer import Change


def pod(*containers: dict[str, str], node: str = "n1", phase: str = "Running", **spec: Any) -> Resources:
    return pod_requests(
        of_body(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "p", "namespace": "d"},
                "spec": {"nodeName": node, "containers": [{"resources": {"requests": c}} for c in containers], **spec},
                "status": {"phase": phase},
            }
        )
    )


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


def node(name: str, zone: str, ready: str = "True") -> Any:
    return node_facts(
        of_body(
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": zone},
                },
                "status": {
                    "conditions": [{"type": "Ready", "status": ready}],
                    "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
                },
            }
        )
    )


def test_only_ready_nodes_offer_and_zones_are_by_frequency() -> None:
    found = count([node("1", "b"), node("2", "a"), node("3", "b"), node("4", "c", ready="Unknown")], Resources())
    assert (found.nodes, found.ready_nodes) == (4, 3)
    assert found.allocatable == Resources(12.0, 24 << 30, 330)
    assert found.zones == ("b", "a", "c")
    assert found.regions == ("eu",)


def test_the_sum_follows_changes_and_ends_at_nothing() -> None:
    total, small, large = RunningSum(), Resources(0.1, 10, 1), Resources(0.7, 30, 1)
    key = of_body({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}).id
    total.change(Change(key, None, small))
    total.change(Change(key, small, large))
    assert total.total == large
    total.change(Change(key, large, None))
    assert total.total == Resources()
