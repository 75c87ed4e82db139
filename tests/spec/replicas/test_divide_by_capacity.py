"""By free capacity: what is free on the nodes decides where replicas come to, and moves none that are there."""

import msgspec
import pytest

from atoll.api.cluster import Resources
from atoll.api.intent import Intent
from atoll.api.replicas import ReplicaLimits, Replicas
from atoll.api.rooms import Room
from atoll.plan.model import ClusterFacts, Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, container, deployment, fleet, intent

CORE = container(resources={"requests": {"cpu": "1", "memory": "1Gi"}})


def with_cores(name: str, *cores: int, **facts: object) -> ClusterFacts:
    """A cluster with a node for each of `cores`, and memory enough."""
    rooms = tuple(Room({"cpu": n * 1000, "memory": 64 << 30}, 110) for n in cores)
    return cluster(name, rooms=rooms, **facts)


def app(total: int, **share: object) -> Intent:
    return intent(deployment("web", CORE), replicas=Replicas(total=total, divide="capacity", **share))  # type: ignore[arg-type]


def shares(planned: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in planned.shares.items()}


@pytest.mark.parametrize(
    ("total", "cores", "expected"),
    [
        (6, {"a": 4, "b": 2}, {"a": 4, "b": 2}),
        (6, {"a": 8, "b": 4}, {"a": 4, "b": 2}),
        (3, {"a": 4, "b": 0}, {"a": 3}),  # whoever gets none is left out
        (1, {"a": 4, "b": 4}, {"a": 1}),
        (0, {"a": 4, "b": 4}, {"a": 0}),
    ],
)
def test_the_first_time_it_is_in_proportion_to_what_is_free(
    total: int, cores: dict[str, int], expected: dict[str, int]
) -> None:
    planned = plan(app(total), fleet(*(with_cores(name, n) for name, n in cores.items())))
    assert shares(planned) == expected
    assert not planned.short


@pytest.mark.parametrize("noise", [0, 1, 5, 40])
def test_nothing_moves_when_capacity_changes(noise: int) -> None:
    before: dict[str, int | None] = {"a": 4, "b": 2}
    world = fleet(with_cores("a", noise), with_cores("b", 40 - noise), with_cores("c", 100), previous=before)
    assert shares(plan(app(6), world)) == before


def test_more_comes_to_what_is_free_and_less_is_taken_from_all() -> None:
    world = fleet(with_cores("a", 1), with_cores("b", 5), previous={"a": 4, "b": 2})
    assert shares(plan(app(9), world)) == {"a": 5, "b": 4}
    assert shares(plan(app(3), world)) == {"a": 2, "b": 1}


def test_what_has_no_room_is_not_placed_and_said() -> None:
    planned = plan(app(9), fleet(with_cores("a", 4), with_cores("b", 2)))
    assert shares(planned) == {"a": 4, "b": 2}
    assert planned.short == "6 of 9 replicas are placed: there is no room for more"


def test_a_pod_must_fit_on_one_node() -> None:
    large = deployment("web", container(resources={"requests": {"cpu": "3"}}))
    big_app = intent(large, replicas=Replicas(total=2, divide="capacity"))
    planned = plan(big_app, fleet(with_cores("many-small", 2, 2, 2, 2), with_cores("one-large", 8)))
    assert shares(planned) == {"one-large": 2}


def test_capacity_that_is_not_known_is_none_and_a_cluster_that_is_away_has_none() -> None:
    planned = plan(app(2), fleet(cluster("unheard"), with_cores("a", 4), with_cores("away", 9, ready=False)))
    assert shares(planned) == {"a": 2}


def test_limits_hold() -> None:
    limits = {"a": ReplicaLimits(max=3), "b": ReplicaLimits(min=2)}
    assert shares(plan(app(6, limits=limits), fleet(with_cores("a", 40), with_cores("b", 4)))) == {"a": 2, "b": 4}
    assert shares(plan(app(8, limits=limits), fleet(with_cores("a", 40), with_cores("b", 5)))) == {"a": 3, "b": 5}
    assert shares(plan(app(4, limits=limits), fleet(with_cores("a", 40), with_cores("b", 2)))) == {"a": 2, "b": 2}


def test_what_was_promised_to_others_is_not_free() -> None:
    world = fleet(with_cores("a", 4), with_cores("b", 4))
    world = msgspec.structs.replace(world, reserved={"a": Resources(cpu=2.5, memory=1 << 30, pods=3)})
    assert shares(plan(app(5), world)) == {"a": 1, "b": 4}


def test_several_workloads_are_divided_together() -> None:
    """A replica is one Pod of each: a cluster with room for one only gets none."""
    worker = deployment("worker", container(resources={"requests": {"cpu": "2"}}))
    both = intent(deployment("web", CORE), worker, replicas=Replicas(total=3, divide="capacity"))
    planned = plan(both, fleet(with_cores("a", 1, 1), with_cores("b", 9)))
    assert shares(planned) == {"b": 3}
    assert planned.shares["b"].replicas == {"web": 3, "worker": 3}
    assert shares(plan(both, fleet(with_cores("split", 2, 1), with_cores("b", 6)))) == {"b": 2, "split": 1}


def test_a_workload_of_its_own_share_is_divided_by_itself_and_stays() -> None:
    worker = deployment("worker", container(resources={"requests": {"cpu": "2"}}))
    own = Replicas(total=4, divide="capacity", workloads={"worker": Replicas(total=2, divide="capacity")})
    world = fleet(with_cores("a", 4), with_cores("b", 4))
    first = plan(intent(deployment("web", CORE), worker, replicas=own), world)
    assert sum(s.replicas["web"] for s in first.shares.values()) == 4
    assert sum(s.replicas["worker"] for s in first.shares.values()) == 2
