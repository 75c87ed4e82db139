"""Scheduling that can never be, or has no effect, is refused early with the field named."""

from typing import Any

import pytest

from tests.spec.api.shop import APPLICATION, application, errors, warnings

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "crunch"},
    "spec": {"completions": 4, "completionMode": "Indexed", "template": {"spec": {"containers": []}}},
}


def placed(**placement: Any) -> Any:
    return application(placement={"clusters": ["eu-1", "us-1"], **placement})


CARRY = {"target": {"kind": "Deployment", "name": "web"}, "path": "/status/x", "as": "env", "name": "SAVED"}


def carrying(*more: Any, **fields: Any) -> Any:
    return application(failover={"carry": [{**CARRY, **(more[0] if more else {}), **fields}]})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            placed(spread=[{"by": "regions", "min": 2}]),
            "spec.placement.spread[0].by: unknown topology key regions: did you mean region?",
        ),
        (placed(spread=[{"by": "a b", "min": 2}]), "spec.placement.spread[0].by: 'a b' can't be a label's key"),
        (
            placed(spread=[{"by": "region", "min": 3}]),
            "spec.placement.spread[0].min: needs 3 clusters, and placement.clusters names 2",
        ),
        (
            application(
                placement={"where": "true", "spread": [{"by": "region", "min": 3}, {"by": "cluster", "max": 2}]}
            ),
            "spec.placement.spread[0].min: needs 3 clusters, and spread by cluster allows 2",
        ),
        (
            placed(affinity=[{"application": "shop"}]),
            "spec.placement.affinity[0].application: is this Application itself: name another",
        ),
        (placed(prefer=[{"where": "cluster."}]), "spec.placement.prefer[0].where: "),
        (placed(fallback=[{"where": "cluster."}]), "spec.placement.fallback[0].where: "),
        (
            application(replicas={"total": 3, "limits": {"*": {"min": 2}}}),
            "spec.replicas.limits: the clusters' min sum to 4, more than the total of 3",
        ),
        (
            application(replicas={"total": 9, "limits": {"*": {"max": 4}}}),
            "spec.replicas.limits: the clusters' max sum to 8, less than the total of 9",
        ),
        (
            application(replicas={"total": 9, "weights": {"eu-1": 0, "us-1": 0, "ap-1": 3}}),
            "spec.replicas.weights: are 0 for eu-1, us-1: none carries the 9 replicas",
        ),
        (
            application(replicas={"each": 1, "workloads": {"web": {"total": 9, "weights": {"ap-1": 3}}}}),
            "spec.replicas.workloads[web].weights: are 0 for eu-1, us-1: none carries the 9 replicas",
        ),
        (application(failover={"after": "5 minutes"}), "spec.failover.after: "),
        (application(failover={"limit": 101}), "spec.failover.limit: expected `int` <= 100"),
        (carrying(path="status/x"), "spec.failover.carry[0].path: is no JSON pointer"),
        (carrying(path="/status/~x"), "spec.failover.carry[0].path: is no JSON pointer"),
        (carrying(path="{.status.x}"), "spec.failover.carry[0].path: is no JSON pointer"),
        (carrying(path=""), "spec.failover.carry[0].path: "),
        (carrying(name="9"), "spec.failover.carry[0].name: 9 is no name of a variable"),
        (carrying({"as": "label"}, name="a b"), "spec.failover.carry[0].name: 'a b' can't be a label's key"),
        (carrying({"as": "label"}, name="atoll.dev/app"), "spec.failover.carry[0].name: is Atoll's own"),
        (carrying({"as": "file"}), "spec.failover.carry[0].as: "),
        (carrying(target={}), "spec.failover.carry[0].target: too wide"),
        (carrying(target={"kind": "Secret"}), "spec.failover.carry[0].target: a Secret's content is not carried"),
        (
            application(failover={"carry": [CARRY, CARRY]}),
            "spec.failover.carry[0].name: SAVED is given 2 times: a name stands for one value",
        ),
        (
            application(
                manifests=[*APPLICATION["spec"]["manifests"], JOB],
                replicas={"each": 1, "workloads": {"crunch": {"total": 4}}},
            ),
            "spec.replicas.workloads[crunch]: is an Indexed Job: each cluster would begin at index 0",
        ),
    ],
)
def test_what_can_never_be_is_an_error(body: Any, message: str) -> None:
    assert any(error.startswith(message) for error in errors(body)), errors(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (placed(prefer=[{"clusters": ["eu-1"]}]), "spec.placement.prefer: has no effect"),
        (
            carrying(target={"kind": "Deployment", "name": "wbe"}),
            "spec.failover.carry[0].target: no Deployment wbe is among the objects",
        ),
        (carrying(to={"kind": "Service"}), "spec.failover.carry[0].to: has no Pods"),
        (application(failover={"after": "5s"}), "spec.failover.after: is shorter than it takes"),
        (
            application(replicas={"total": 9, "limits": {"ap-1": {"max": 4}}}),
            "spec.replicas.limits: ap-1 is not in spec.placement.clusters",
        ),
    ],
)
def test_what_has_no_effect_is_a_warning(body: Any, message: str) -> None:
    assert any(found.startswith(message) for found in warnings(body)), warnings(body)


def test_a_label_is_a_topology_key_and_a_fallback_may_bring_more() -> None:
    assert errors(placed(spread=[{"by": "example.org/rack", "min": 2}])) == []
    assert errors(placed(spread=[{"by": "region", "min": 3}], fallback=[{"where": "true"}])) == []


def test_expressions_are_bounded_all_together() -> None:
    """One application's could hold up the hub for everybody."""
    where = "cluster.labels.exists(a, cluster.labels.exists(b, cluster.labels[a] == b))"
    differences = [{"where": where, "labels": {"a": "b"}} for _ in range(3)]
    assert errors(application(differences=differences[:2])) == []
    assert errors(application(differences=differences)) == [
        "spec.differences[2].where: too much to compute, with all expressions before it (CEL): nest fewer macros"
    ]
    simple = [{"where": f"cluster.labels.exists(k, k == 'a{n}')", "labels": {"a": "b"}} for n in range(100)]
    assert errors(application(differences=simple)) == []


def test_patches_meet_no_more_objects_than_the_hub_has_time_for() -> None:
    manifests = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(400)]
    patch = {"op": "add", "path": "/data", "value": {}}
    wide, narrow = ({**patch, "target": {"kind": "ConfigMap", **more}} for more in ({}, {"name": "c7"}))

    def wishes(one: Any) -> Any:
        return application(manifests=manifests, differences=[{"all": True, "patches": [one] * 51}])

    assert errors(wishes(narrow)) == []
    (found,) = errors(wishes(wide))
    assert found.startswith("spec.differences[0].patches[50]: patches meet objects more than 20000 times")
