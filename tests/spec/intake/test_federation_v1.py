"""Objects with Federation v1's annotations become intents, row by row."""

import json
from typing import Any

import pytest

from atoll.api.intent import Intent
from atoll.api.objects import GroupKind, Json, Key
from atoll.intake.federation_v1 import (
    AnnotationError,
    JobShare,
    concerned,
    job_shares,
    preferences,
    translate,
    with_shares,
    withdrawn,
)
from atoll.plan.kubefed import Preference, kubefed
from atoll.plan.model import ClusterFacts, Snapshot
from atoll.plan.planner import plan

SELECTOR = "federation.alpha.kubernetes.io/cluster-selector"
OLD_SELECTOR = "federation.kubernetes.io/cluster-selector"
WISH = "federation.kubernetes.io/deployment-preferences"
JOB_WISH = "federation.kubernetes.io/job-preferences"
CLUSTERS = {
    "eu": {"location": "europe", "environment": "prod", "version": "15"},
    "us": {"location": "usa", "environment": "prod", "version": "14"},
    "ap": {"environment": "test", "version": "new"},
}
KEY = Key("shop", "FederationV1.Deployment/web")


def live(kind: str = "Deployment", annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    version = {"Deployment": "apps/v1", "ReplicaSet": "apps/v1", "Job": "batch/v1", "ConfigMap": "v1"}[kind]
    metadata = {
        "name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "annotations": annotations or {},
        "finalizers": ["federation.atoll.dev/delivery"],
    }  # fmt: skip
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": {"replicas": 3}}


def selector(*requirements: tuple[str, str, list[str]]) -> str:
    return json.dumps([{"key": k, "operator": o, "values": v} for k, o, v in requirements])


def placed(intent: Intent) -> dict[str, Json]:
    facts = {name: ClusterFacts(name, uid=name, labels=labels) for name, labels in CLUSTERS.items()}
    planned = plan(intent, Snapshot(facts))
    assert not planned.refusals, planned.refusals
    return {name: delivery.objects[0].body for name, delivery in planned.deliveries.items()}


def divide(total: int, wanted: Any) -> dict[str, int]:
    asked = {name: Preference(*bounds) for name, bounds in wanted.items()}
    return kubefed(total, asked, key="shop/web", current={}, capacity={}, rebalance=True)


@pytest.mark.parametrize(
    ("requirements", "where"),
    [
        ([("location", "in", ["europe"])], {"eu"}),
        ([("location", "In", ["europe", "usa"]), ("environment", "==", ["prod"])], {"eu", "us"}),
        ([("location", "in", ["europe"]), ("environment", "=", ["test"])], set()),
        ([("location", "!=", ["usa"])], {"eu", "ap"}),
        ([("location", "notin", ["usa"]), ("environment", "In", ["prod"])], {"eu"}),
        ([("location", "Exists", [])], {"eu", "us"}),
        ([("location", "DoesNotExist", [])], {"ap"}),
        ([("location", "!", [])], {"ap"}),
        ([("version", ">", ["14"])], {"eu"}),
        ([("version", "Gt", ["15"])], set()),
        ([("version", "lt", ["16"]), ("location", "exists", [])], {"eu", "us"}),
        ([], {"eu", "us", "ap"}),
    ],
)
@pytest.mark.parametrize("name", [SELECTOR, OLD_SELECTOR])
def test_a_cluster_selector_means_these_clusters(name: str, requirements: list[Any], where: set[str]) -> None:
    intent = translate(live("ConfigMap", {name: selector(*requirements)}), KEY)
    assert set(placed(intent)) == where


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"not able to parse",}]', "JSON is malformed"),
        ('{"key": "a"}', "Expected `array`"),
        ('[{"operator": "in", "values": ["x"]}]', "missing required field `key`"),
        (selector(("a", "near", ["x"])), "[0].operator: there is no 'near'"),
        (selector(("a", "in", [])), "[0].values: operator in needs values"),
        (selector(("a", "exists", ["x"])), "takes no values"),
        (selector(("a", "==", ["x", "y"])), "exactly one"),
        (selector(("b", "exists", []), ("a", ">", ["x"])), "[1].values: 'x' is no whole number"),
        (selector(("a", "in", ["x" * 64])), "[0]"),
    ],
)
def test_a_selector_that_cannot_be_read_is_told_with_its_annotation(text: str, why: str) -> None:
    with pytest.raises(AnnotationError) as error:
        translate(live("ConfigMap", {SELECTOR: text}), KEY)
    assert error.value.path == f"metadata.annotations[{SELECTOR}]" and why in error.value.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"rebalance": "yes"}', "$.rebalance"),
        ('{"clusters": {"eu": {"weight": -1}}}', ">= 0"),
        (
            '{"clusters": {"eu": {"minReplicas": 3, "maxReplicas": 2}}}',
            "clusters[eu]: maxReplicas is below minReplicas",
        ),
        ("[]", "Expected `object`"),
    ],
)
def test_preferences_that_cannot_be_read_are_told_with_their_annotation(text: str, why: str) -> None:
    with pytest.raises(AnnotationError) as error:
        preferences({WISH: text}, GroupKind("apps", "Deployment"))
    assert error.value.path == f"metadata.annotations[{WISH}]" and why in error.value.message


def test_two_spellings_may_say_the_same_only() -> None:
    one = selector(("location", "in", ["usa"]))
    assert set(placed(translate(live("ConfigMap", {SELECTOR: one, OLD_SELECTOR: one}), KEY))) == {"us"}
    with pytest.raises(AnnotationError, match="something else"):
        translate(live("ConfigMap", {SELECTOR: one, OLD_SELECTOR: "[]"}), KEY)


ODD_CASE = {"Clusters": {"eu": {"MinReplicas": 5, "Weight": 1}, "us": {"weight": 1, "maxReplicas": 2}}}


@pytest.mark.parametrize(
    ("wish", "shares"),
    [
        (None, {"eu": 3, "us": 3, "ap": 3}),
        ({}, {"eu": 3, "us": 3, "ap": 3}),
        ({"clusters": {"eu": {"weight": 2}, "*": {"weight": 1}}, "rebalance": True}, None),
        (ODD_CASE, {"eu": 7, "us": 2, "ap": 0}),
    ],
)  # fmt: skip
def test_replicas_are_divided_as_preferred(wish: Json | None, shares: dict[str, int] | None) -> None:
    annotations = {SELECTOR: "[]"} if wish is None else {WISH: json.dumps(wish)}
    bodies = placed(translate(live("Deployment", annotations, replicas=9), KEY))
    got = {name: body["spec"]["replicas"] for name, body in bodies.items()}
    assert sum(got.values()) == 9
    if shares is not None:
        assert got == shares
    else:
        assert got["eu"] in {4, 5} and got["us"] + got["ap"] == 9 - got["eu"]


def test_members_get_the_object_without_what_only_distributes_it() -> None:
    intent = translate(live("ConfigMap", {SELECTOR: "[]", "atoll.dev/federation-status": "{}", "mine": "1"}), KEY)
    body = placed(intent)["eu"]
    assert body["metadata"] == {"name": "web", "namespace": "shop", "annotations": {"mine": "1"}}
    assert intent.templates == {intent.manifests[0].id}


def test_what_says_nothing_is_nowhere() -> None:
    kind = GroupKind("", "ConfigMap")
    assert not concerned({"other": "x"}, kind)
    assert not concerned({WISH: "{}"}, kind), "a ConfigMap has no replicas"
    assert not concerned({SELECTOR: "federation.kubernetes.io/federation-control-plane=true"}, kind)
    assert concerned({SELECTOR: "[]"}, kind) and concerned({WISH: "{}"}, GroupKind("apps", "Deployment"))
    gone = withdrawn(live("ConfigMap"), KEY)
    assert gone.allow_empty and not placed(gone)


BOUNDED = {"eu": {"weight": 1, "maxReplicas": 1}, "us": {"weight": 1}}


@pytest.mark.parametrize(
    ("clusters", "spec", "shares"),
    [
        ({}, {"parallelism": 9, "completions": 18}, {n: JobShare(3, 6) for n in CLUSTERS}),
        ({}, {"parallelism": 3}, {n: JobShare(1) for n in CLUSTERS}),
        ({"eu": {"weight": 1}}, {"parallelism": 4, "completions": 8}, {"eu": JobShare(4, 8)}),
        (BOUNDED, {"parallelism": 4, "completions": 8}, {"eu": JobShare(1, 4), "us": JobShare(3, 4)}),
        ({"eu": {"weight": 0}}, {"parallelism": 4, "completions": 8}, {}),
    ],
)  # fmt: skip
def test_a_job_is_divided_by_parallelism_then_by_completions(
    clusters: Json, spec: Json, shares: dict[str, JobShare]
) -> None:
    job = live("Job", {JOB_WISH: json.dumps({"clusters": clusters})}, **spec)
    assert job_shares(job, tuple(CLUSTERS), divide) == shares
    got = placed(with_shares(translate(job, KEY), shares))
    assert got.keys() == shares.keys()
    for name, share in shares.items():
        spec = got[name]["spec"]
        assert (spec["parallelism"], spec.get("completions")) == (share.parallelism, share.completions)


def test_completions_are_done_only_where_something_runs() -> None:
    job = live("Job", {JOB_WISH: "{}"}, parallelism=1, completions=6)
    (share,) = job_shares(job, tuple(CLUSTERS), divide).values()
    assert share == JobShare(1, 6)
