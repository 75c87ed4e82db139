"""A Job's completions are divided where `replicas.workloads` names it, and only there."""

from typing import Any

import pytest

from atoll.api.objects import Manifest, manifest
from atoll.api.replicas import Replicas, Share
from atoll.plan.planner import plan
from atoll.testing.worlds import body, deployment, fleet, intent


def job(**spec: Any) -> Manifest:
    return manifest(body("batch/v1", "Job", "crunch", spec={"completions": 10, **spec}))


@pytest.mark.parametrize(
    ("total", "parallelism", "expected"),
    [
        (10, None, [(4, None), (3, None), (3, None)]),
        (10, 5, [(4, 2), (3, 2), (3, 2)]),
        (2, 5, [(1, 1), (1, 1), (0, 0)]),
    ],
)
def test_each_cluster_gets_its_part_and_works_on_as_many_at_a_time(
    total: int, parallelism: int | None, expected: list[tuple[int, int | None]]
) -> None:
    crunch = job() if parallelism is None else job(parallelism=parallelism)
    own = Replicas(workloads={"crunch": Share(total=total)})
    planned = plan(intent(crunch, replicas=own), fleet("a", "b", "c"))
    specs = [d.objects[0].body["spec"] for d in planned.deliveries.values()]
    assert [(s["completions"], s.get("parallelism")) for s in specs] == expected
    assert {n: s.replicas for n, s in planned.shares.items()}["a"] == {"crunch": expected[0][0]}


def test_the_common_share_leaves_jobs_alone() -> None:
    planned = plan(intent(deployment(), job(), replicas=Replicas(total=4)), fleet("a", "b"))
    assert [d.objects[1].body["spec"]["completions"] for d in planned.deliveries.values()] == [10, 10]
    assert planned.shares["a"].common == 2
