"""What a federated object says, in the engine's words: its template, its clusters, what differs, how it is written."""

from typing import Any

import msgspec
import pytest

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.api.intent import Intent
from atoll.api.kubefed.federated import ClusterOverrides, Federated, Placement
from atoll.api.kubefed.types import ENABLED, type_config
from atoll.api.manner import LatePatch
from atoll.api.objects import Key, ObjectId
from atoll.intake.kubefed.overrides import OverridesError, late_patches
from atoll.intake.kubefed.placement import PlacementError, selected
from atoll.intake.kubefed.translate import (
    ANNOTATION_KEEP,
    Terms,
    Unreadable,
    delete_options,
    dropped,
    orphaned,
    translate,
)

Json = dict[str, Any]
CONFIGS = {target.kind: type_config(target) for target in ENABLED}
TERMS = Terms()
CLUSTERS = {"eu": {"zone": "eu", "env": "prod"}, "us": {"zone": "us"}}


def federated(kind: str = "ConfigMap", *, annotations: Json | None = None, **spec: Any) -> Federated:
    metadata = {"name": "web", "namespace": "demo", "uid": "u1", "annotations": annotations or {}}
    body = {"apiVersion": "types.kubefed.io/v1beta1", "kind": f"Federated{kind}", "metadata": metadata, "spec": spec}
    return msgspec.convert(body, Federated)


def intent(kind: str = "ConfigMap", *, terms: Terms = TERMS, annotations: Json | None = None, **spec: Any) -> Intent:
    found = federated(kind, annotations=annotations, **spec)
    assert found.spec is not None
    return translate(found, found.spec, CONFIGS[kind], Key("demo", f"Federated{kind}/web"), ("us", "eu"), terms)


def body(kind: str = "ConfigMap", **options: Any) -> Json:
    (only,) = intent(kind, **options).manifests
    return only.body


def test_the_template_goes_under_the_federated_name() -> None:
    template = {"apiVersion": "v1", "kind": "Other", "metadata": {"name": "x", "namespace": "y", "labels": {"a": "b"}}}
    assert body(template={**template, "data": {"k": "v"}}) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "demo", "labels": {"a": "b"}},
        "data": {"k": "v"},
    }


def test_what_the_template_leaves_out_is_its_type_s() -> None:
    assert body("Deployment", template={"spec": {}})["apiVersion"] == "apps/v1"
    assert body("Namespace") == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    assert intent("ClusterRole", template={}).manifests[0].id == ObjectId(
        "rbac.authorization.k8s.io", "ClusterRole", "", "web"
    )


def test_annotations_and_finalizers_are_dropped_and_that_is_known() -> None:
    metadata = {"annotations": {"a": "b"}, "finalizers": ["x/y"], "labels": {"l": "m"}}
    found = federated(template={"metadata": metadata})
    assert found.spec is not None
    assert dropped(found, found.spec) == ("annotations", "finalizers")
    assert body(template={"metadata": metadata})["metadata"] == {
        "name": "web",
        "namespace": "demo",
        "labels": {"l": "m"},
    }


def test_an_annotation_keeps_them() -> None:
    metadata = {"annotations": {"a": "b"}, "finalizers": ["x/y"]}
    kept = body(template={"metadata": metadata}, annotations={ANNOTATION_KEEP: "true"})["metadata"]
    assert kept == {**metadata, "name": "web", "namespace": "demo"}


def test_it_is_written_as_kubefed_writes() -> None:
    made = intent(template={}, terms=Terms(adopt=False, raw_status=True))
    assert made.placement.clusters == ("eu", "us")
    assert (made.adopt, made.allow_empty, made.orphan) == (False, True, False)
    assert made.manner.whole
    assert made.manner.labels == {"kubefed.io/managed": "true"}
    assert made.manner.hands_off == {"kubefed.io/managed": "false"}
    assert not made.manner.make_namespaces
    assert made.manner.tell_status
    assert made.manner.tell_versions
    assert not made.manner.adopt_at_home
    assert intent("Namespace").manner.adopt_at_home


def test_a_member_s_own_replicas_are_retained() -> None:
    assert intent("Deployment", template={}).retain == ()
    assert intent("Deployment", template={}, retainReplicas=True).retain == (
        Retain(Target(kind="Deployment"), "/spec/replicas"),
    )


def test_overrides_of_chosen_clusters_are_late_patches() -> None:
    overrides = [
        {"clusterName": "us", "clusterOverrides": [{"path": "/data/a", "value": "2"}, {"op": "remove", "path": "/x"}]},
        {"clusterName": "elsewhere", "clusterOverrides": [{"path": "/data/a"}]},
        {"clusterName": "eu"},
    ]
    assert intent(template={}, overrides=overrides).late == {
        "us": (
            LatePatch("replace", "/data/a", "2", "spec.overrides[0].clusterOverrides[0]"),
            LatePatch("remove", "/x", None, "spec.overrides[0].clusterOverrides[1]"),
        )
    }


@pytest.mark.parametrize(
    ("overrides", "path"),
    [
        ([{"clusterName": "a"}, {"clusterName": "a"}], "overrides[1].clusterName"),
        (
            [{"clusterName": "a", "clusterOverrides": [{"path": "/x"}, {"path": "/x"}]}],
            "overrides[0].clusterOverrides[1].path",
        ),
        ([{"clusterName": "a", "clusterOverrides": [{"path": "spec/x"}]}], "overrides[0].clusterOverrides[0].path"),
        ([{"clusterName": "a", "clusterOverrides": [{"path": "/kind"}]}], "overrides[0].clusterOverrides[0].path"),
        (
            [{"clusterName": "a", "clusterOverrides": [{"path": "/metadata/name"}]}],
            "overrides[0].clusterOverrides[0].path",
        ),
        (
            [{"clusterName": "a", "clusterOverrides": [{"op": "move", "path": "/x"}]}],
            "overrides[0].clusterOverrides[0].op",
        ),
    ],
)
def test_overrides_that_cannot_be_meant_are_refused(overrides: list[Json], path: str) -> None:
    with pytest.raises(OverridesError) as refused:
        late_patches(msgspec.convert(overrides, tuple[ClusterOverrides, ...]))
    assert refused.value.path == path


def test_what_is_below_a_forbidden_path_and_the_whole_object_may_be_overridden() -> None:
    overrides = [{"clusterName": "a", "clusterOverrides": [{"path": ""}, {"path": "/apiVersion"}, {"path": "/kind/x"}]}]
    assert len(late_patches(msgspec.convert(overrides, tuple[ClusterOverrides, ...]))["a"]) == 3


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (None, set()),
        ({}, set()),
        ({"clusterSelector": {}}, {"eu", "us"}),
        ({"clusterSelector": {"matchLabels": {"zone": "eu"}}}, {"eu"}),
        ({"clusterSelector": {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}}, {"us"}),
        ({"clusterSelector": {"matchExpressions": [{"key": "env", "operator": "Exists"}]}}, {"eu"}),
        ({"clusterSelector": {"matchExpressions": [{"key": "env", "operator": "DoesNotExist"}]}}, {"us"}),
        ({"clusterSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["us", "x"]}]}}, {"us"}),
        ({"clusters": [], "clusterSelector": {}}, set()),
        ({"clusters": [{"name": "us"}], "clusterSelector": {"matchLabels": {"zone": "eu"}}}, {"us"}),
        ({"clusters": [{"name": "us"}, {"name": "nowhere"}]}, {"us"}),
    ],
)
def test_names_win_over_a_selector(placement: Json | None, expected: set[str]) -> None:
    read = msgspec.convert(placement, Placement | None)
    assert selected(read, CLUSTERS) == expected


def test_the_selector_alone_may_be_asked_for() -> None:
    both = msgspec.convert(
        {"clusters": [{"name": "us"}], "clusterSelector": {"matchLabels": {"zone": "eu"}}}, Placement
    )
    assert selected(both, CLUSTERS, by_selector=True) == {"eu"}


@pytest.mark.parametrize(
    ("requirement", "path"),
    [
        ({"key": "a", "operator": "Near"}, "operator"),
        ({"key": "a", "operator": "In"}, "values"),
        ({"key": "a", "operator": "Exists", "values": ["b"]}, "values"),
    ],
)
def test_a_selector_that_means_nothing_is_an_error(requirement: Json, path: str) -> None:
    placement = msgspec.convert({"clusterSelector": {"matchExpressions": [requirement]}}, Placement)
    with pytest.raises(PlacementError) as refused:
        selected(placement, CLUSTERS)
    assert refused.value.path == f"placement.clusterSelector.matchExpressions[0].{path}"


def test_delete_options_are_read() -> None:
    text = '{"gracePeriodSeconds": 5, "propagationPolicy": "Orphan"}'
    assert delete_options({"kubefed.io/deleteoption": text}) == {"gracePeriodSeconds": 5, "propagationPolicy": "Orphan"}
    assert delete_options({}) is None
    for wrong in ("{", "[]"):
        with pytest.raises(Unreadable):
            delete_options({"kubefed.io/deleteoption": wrong})


def test_only_the_word_true_orphans() -> None:
    assert orphaned({"kubefed.io/orphan": "true"})
    assert not orphaned({"kubefed.io/orphan": "yes"})
    assert not orphaned({})
