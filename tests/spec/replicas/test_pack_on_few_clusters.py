"""Packed: as few clusters as have room; what is there stays."""

import pytest

from atoll.api.intent import Intent
from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.api.rooms import Room
from atoll.plan.model import ClusterFacts, Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, container, deployment, fleet, intent


def with_cores(name: str, cores: int) -> ClusterFacts:
    return cluster(name, rooms=(Room({"cpu": cores * 1000}, 1000),))


def app(total: int, **share: object) -> Intent:
    web = deployment("web", container(resources={"requests": {"cpu": "1"}}))
    return intent(web, replicas=Replicas(total=total, divide="packed", **share))  # type: ignore[arg-type]


def packed(total: int, cores: dict[str, int], previous: dict[str, int] | None = None, **share: object) -> Plan:
    world = fleet(*(with_cores(name, n) for name, n in cores.items()), previous=previous)
    return plan(app(total, **share), world)


def shares(planned: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in planned.shares.items()}


CORES = {"a": 4, "b": 10, "c": 6}


@pytest.mark.parametrize(
    ("total", "previous", "expected"),
    [
        (8, None, {"b": 8}),
        (12, None, {"b": 10, "c": 2}),
        (20, None, {"a": 4, "b": 10, "c": 6}),
        (3, {"a": 3}, {"a": 3}),  # it fits better elsewhere, and stays
        (6, {"a": 3}, {"a": 6}),  # its own three, and four more
        (9, {"a": 3}, {"a": 7, "b": 2}),
        (4, {"a": 1, "b": 5}, {"b": 4}),  # the cluster with least becomes free
        (0, {"b": 5}, {"b": 0}),
    ],
)
def test_clusters_are_filled_one_after_the_other(
    total: int, previous: dict[str, int] | None, expected: dict[str, int]
) -> None:
    assert shares(packed(total, CORES, previous)) == expected


def test_whoever_is_not_needed_is_told_so() -> None:
    whys = {v.cluster: (v.chosen, v.why) for v in packed(8, CORES).verdicts}
    assert whys["a"] == (False, "all clusters; no replicas are needed here")
    assert whys["b"] == (True, "all clusters")


def test_a_cluster_that_is_used_has_its_least() -> None:
    limits = {"*": ReplicaLimits(min=4)}
    assert shares(packed(12, {"b": 10, "c": 6}, limits=limits)) == {"b": 8, "c": 4}
    assert shares(packed(3, {"b": 10, "c": 6}, limits=limits)) == {"b": 3}  # there are no more


def test_a_cluster_at_its_most_leaves_the_rest_to_the_next() -> None:
    assert shares(packed(12, CORES, limits={"b": ReplicaLimits(max=5)})) == {"b": 5, "c": 6, "a": 1}


def test_room_for_some_is_better_than_for_none() -> None:
    planned = packed(30, CORES)
    assert planned.short == "20 of 30 replicas are placed: there is no room for more"
