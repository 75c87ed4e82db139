"""Which objects have replicas, and what the Application says about them."""

from typing import Any

import pytest

from atoll.api.differences import Difference
from atoll.api.editing import found
from atoll.api.objects import Json, manifest
from atoll.api.replicas import Replicas, Share
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.plan.scalable import own_replicas
from atoll.testing.worlds import body, config, deployment, everywhere, fleet, intent


def counts(planned: Plan) -> dict[str, int | None]:
    return {name: share.common for name, share in planned.shares.items()}


def delivered(planned: Plan, cluster: str) -> list[Any]:
    return [found(m.body, ("spec", "replicas")) for m in planned.deliveries[cluster].objects]


@pytest.mark.parametrize(
    ("obj", "replicas"),
    [
        (body("apps/v1", "Deployment", "x", spec={}), 1),
        (body("apps/v1", "Deployment", "x", spec={"replicas": 0}), 0),
        (body("apps/v1", "StatefulSet", "x", spec={"replicas": 3}), 3),
        (body("apps/v1", "ReplicaSet", "x"), 1),
        (body("v1", "ReplicationController", "x", spec={"replicas": 2}), 2),
        (body("argoproj.io/v1alpha1", "Rollout", "x", spec={"replicas": 4}), 4),
        (body("argoproj.io/v1alpha1", "Rollout", "x", spec={}), None),
        (body("example.org/v1", "Thing", "x", spec={"replicas": "two"}), None),
        (body("example.org/v1", "Thing", "x", spec={"replicas": True}), None),
        (body("example.org/v1", "Thing", "x", spec="free text"), None),
        (body("apps/v1", "DaemonSet", "x", spec={}), None),
        (body("batch/v1", "Job", "x", spec={"parallelism": 2}), None),
        (body("v1", "ConfigMap", "x"), None),
    ],
)
def test_scalable_kinds(obj: Json, replicas: int | None) -> None:
    assert own_replicas(manifest(obj)) == replicas


@pytest.mark.parametrize(
    ("replicas", "expected", "why"),
    [
        (None, {"eu": 5, "us": 5}, ["", ""]),
        (Replicas(each=3), {"eu": 3, "us": 3}, ["3 on each", "3 on each"]),
        (Replicas(each=0), {"eu": 0, "us": 0}, ["0 on each", "0 on each"]),
        (Replicas(total=9, weights={"eu": 2, "*": 1}), {"eu": 6, "us": 3}, ["weight 2 of 3", "weight 1 of 3"]),
        (Replicas(total=9), {"eu": 5, "us": 4}, ["weight 1 of 2", "weight 1 of 2"]),
        (Replicas(total=4, weights={"eu": 1}), {"eu": 4, "us": 0}, ["weight 1 of 1", "weight 0 of 1"]),
        (Replicas(total=4, weights={"eu": 0, "*": 1}), {"eu": 0, "us": 4}, ["weight 0 of 1", "weight 1 of 1"]),
        (Replicas(total=0, weights={"eu": 0, "us": 0}), {"eu": 0, "us": 0}, ["0 in all", "0 in all"]),
    ],
)
def test_shares_of_clusters(replicas: Replicas | None, expected: dict[str, int], why: list[str]) -> None:
    planned = plan(intent(deployment(replicas=5), config(), replicas=replicas), fleet("eu", "us"))
    assert counts(planned) == expected
    assert [share.why for share in planned.shares.values()] == why
    assert {name: delivered(planned, name)[0] for name in planned.deliveries} == expected


def test_a_manifest_without_replicas_keeps_none_when_nothing_is_said() -> None:
    planned = plan(intent(deployment()), fleet("a"))
    assert delivered(planned, "a") == [None]
    assert counts(planned) == {"a": 1}  # the server's default


def test_an_application_without_workloads_has_no_replicas() -> None:
    planned = plan(intent(config(), replicas=Replicas(total=3, weights={"elsewhere": 1})), fleet("a"))
    assert planned.shares["a"].replicas == {}
    assert planned.refusals == {}


def test_weights_that_sum_to_nothing_are_refused_with_the_field_named() -> None:
    planned = plan(intent(replicas=Replicas(total=3, weights={"elsewhere": 2})), fleet("a", "b"))
    assert planned.deliveries == {}
    assert planned.refusals.keys() == {"a", "b"}
    assert planned.refusals["a"].path == "spec.replicas.weights"
    assert "sum to 0" in planned.refusals["a"].message
    assert planned.warnings == ("spec.replicas.weights: elsewhere: no such cluster (yet)",)


def test_a_workload_may_have_a_share_of_its_own() -> None:
    replicas = Replicas(total=9, weights={"eu": 2, "*": 1}, workloads={"queue": Share(each=1)})
    planned = plan(intent(deployment("web"), deployment("queue"), replicas=replicas), fleet("eu", "us"))
    assert planned.shares["eu"].replicas == {"web": 6, "queue": 1}
    assert planned.shares["us"].replicas == {"web": 3, "queue": 1}
    assert planned.shares["eu"].why == "weight 2 of 3; queue: 1 on each"
    assert planned.shares["eu"].common is None


def test_a_share_for_one_workload_leaves_the_others_their_own() -> None:
    replicas = Replicas(workloads={"queue": Share(total=4)})
    planned = plan(intent(deployment("web", replicas=2), deployment("queue"), replicas=replicas), fleet("eu", "us"))
    assert planned.shares["eu"].replicas == {"web": 2, "queue": 2}


def test_a_difference_has_the_last_word_and_the_reason_names_it() -> None:
    app = intent(
        replicas=Replicas(total=4),
        differences=(everywhere(labels={"x": "y"}), Difference(clusters=("us",), replicas={"web": 7})),
    )
    planned = plan(app, fleet("eu", "us"))
    assert counts(planned) == {"eu": 2, "us": 7}
    assert planned.shares["us"].why == "spec.differences[1] says so"


def test_replicas_that_a_difference_set_do_not_disturb_the_division() -> None:
    app = intent(replicas=Replicas(total=4), differences=(Difference(clusters=("a",), replicas={"*": 9}),))
    planned = plan(app, fleet("a", "b", "c", previous={"a": 9, "b": 2, "c": 1}))
    assert counts(planned) == {"a": 9, "b": 2, "c": 1}


def test_two_workloads_of_one_name_are_told_apart_by_their_kinds() -> None:
    state = manifest(body("apps/v1", "StatefulSet", "web", spec={"replicas": 2}))
    planned = plan(intent(deployment("web"), state), fleet("a"))
    assert planned.shares["a"].replicas == {"Deployment/web": 1, "StatefulSet/web": 2}
