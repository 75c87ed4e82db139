"""Fit on nodes: requests, free places, the node selector, taints; one kind of Pod, or several together."""

from typing import Any

import pytest

from atoll.api.objects import Json
from atoll.api.rooms import NodeTaint, Room
from atoll.plan.fit import PodShape, fits, shape_of
from atoll.testing.worlds import config, container, deployment

NODES = (
    Room({"cpu": 4000, "memory": 8 << 30}, 3),
    Room({"cpu": 1500, "memory": 64 << 30, "example.org/gpu": 1}, 110, 2, {"disk": "fast"}),
    Room({"cpu": 9000, "memory": 1 << 30}, 110, 1, {}, (NodeTaint("own", "db", "NoSchedule"),)),
)
TOLERATES = [{"key": "own", "operator": "Equal", "value": "db", "effect": "NoSchedule"}]


def shape(requests: dict[str, str], **pod: Any) -> PodShape:
    found = shape_of(deployment("web", container(resources={"requests": requests}), **pod))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("requests", "pod", "number"),
    [
        ({"cpu": "1"}, {}, 5),  # three places on the first node, one Pod on each of the two alike
        ({"cpu": "2"}, {}, 2),
        ({"cpu": "1", "memory": "4Gi"}, {}, 4),
        ({"cpu": "1"}, {"nodeSelector": {"disk": "fast"}}, 2),
        ({"cpu": "1"}, {"nodeSelector": {"disk": "slow"}}, 0),
        ({"cpu": "1", "memory": "512Mi"}, {"tolerations": TOLERATES}, 7),
        ({"cpu": "1", "memory": "512Mi"}, {"tolerations": [{"operator": "Exists"}]}, 7),
        ({"example.org/gpu": "1"}, {}, 2),
        ({"example.org/npu": "1"}, {}, 0),
        ({}, {}, 223),
    ],
)
def test_one_kind(requests: dict[str, str], pod: Json, number: int) -> None:
    assert fits(NODES, (shape(requests, **pod),)) == number


def test_several_kinds_are_packed_together() -> None:
    two = (Room({"cpu": 3000}, 110), Room({"cpu": 2000}, 110))
    assert fits(two, (shape({"cpu": "2"}), shape({"cpu": "500m"}))) == 2
    assert fits(two, (shape({"cpu": "3"}), shape({"cpu": "2"}))) == 1
    assert fits(two, (shape({"cpu": "4"}), shape({"cpu": "1"}))) == 0


def test_what_has_no_pods_has_no_shape_and_what_asks_for_nonsense_neither() -> None:
    assert shape_of(config()) is None
    assert shape_of(deployment("web", container(resources={"requests": {"cpu": "much"}}))) is None
