"""Objects are read lazily, lose nothing but managedFields, and don't keep the buffer they came in."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.api.objects import ObjectId
from atoll.kube.errors import BadRequest
from atoll.kube.objects import OwnerRef, decode_object, of_body
from atoll.kube.resources import CLUSTERROLES, CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS

FIELDS = [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:key": {}}}}]
BODY = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "namespace": "demo",
        "uid": "u-1",
        "resourceVersion": "42",
        "generation": 3,
        "labels": {"app": "web"},
        "annotations": {"note": 'say "managedFields":[]'},
        "finalizers": ["example.dev/wait"],
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u-0"},
            {"apiVersion": "example.dev/v1", "kind": "Shop", "name": "s", "uid": "u-2", "controller": True},
        ],
        "creationTimestamp": "2026-11-23T13:33:10Z",
        "managedFields": FIELDS,
    },
    "spec": {"replicas": 3, "unknown": [1.5, None, {"deep": "Ä"}]},
}


def test_metadata_is_typed() -> None:
    found = of_body(BODY)
    assert found.id == ObjectId("apps", "Deployment", "demo", "web")
    assert (found.uid, found.resource_version, found.generation) == ("u-1", "42", 3)
    assert (found.labels, found.finalizers) == ({"app": "web"}, ("example.dev/wait",))
    assert found.controller == OwnerRef("Shop", "s", "u-2", True, "example.dev/v1")
    assert (found.created, found.deleting, found.api_version) == ("2026-11-23T13:33:10Z", False, "apps/v1")


def test_a_deletion_timestamp_means_deleting() -> None:
    assert of_body(BODY | {"metadata": {"name": "web", "deletionTimestamp": "2026-11-23T13:33:10Z"}}).deleting


def test_raw_is_all_of_it_without_managed_fields() -> None:
    metadata = {key: value for key, value in BODY["metadata"].items() if key != "managedFields"}  # type: ignore[attr-defined]
    found = of_body(BODY)
    assert found.body() == BODY | {"metadata": metadata}
    assert b'managedFields":[{' not in found.raw


def test_managed_fields_stay_when_they_are_wanted() -> None:
    assert decode_object(msgspec.json.encode(BODY), managed_fields=True).body() == BODY


@settings(deadline=None)
@given(
    before=st.dictionaries(st.text(), st.text()),
    after=st.dictionaries(st.text(), st.text()),
    fields=st.lists(st.dictionaries(st.text(), st.text())),
    spec=st.recursive(
        st.none() | st.integers(-(2**53), 2**53) | st.text() | st.just(FIELDS),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("managedFields"), inner),
        max_leaves=8,
    ),
    spec_first=st.booleans(),
    spaced=st.booleans(),
)
def test_only_metadatas_own_managed_fields_are_cut(
    before: dict[str, str],
    after: dict[str, str],
    fields: list[dict[str, str]],
    spec: object,
    spec_first: bool,
    spaced: bool,
) -> None:
    """Whatever stands around them, and even when the same text stands elsewhere."""
    metadata = {"annotations": before, "managedFields": fields, "labels": after}
    body = {"spec": spec, "metadata": metadata} if spec_first else {"metadata": metadata, "spec": spec}
    data = msgspec.json.encode(body)
    found = decode_object(msgspec.json.format(data) if spaced else data)
    assert found.body() == {"spec": spec, "metadata": {"annotations": before, "labels": after}}


def test_items_of_a_list_get_their_kind_back() -> None:
    item = {"metadata": {"name": "a", "namespace": "demo"}, "data": {}}
    found = decode_object(msgspec.Raw(msgspec.json.encode(item)), CONFIGMAPS)
    assert found.body() == {"kind": "ConfigMap", "apiVersion": "v1", **item}
    assert found.id == ObjectId("", "ConfigMap", "demo", "a")
    assert decode_object(b" { } ", CONFIGMAPS).body() == {"kind": "ConfigMap", "apiVersion": "v1"}


def test_another_kind_than_asked_for_keeps_its_own() -> None:
    scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "web"}}
    assert decode_object(msgspec.json.encode(scale), DEPLOYMENTS).api_version == "autoscaling/v1"


def test_nulls_of_go_are_nothing() -> None:
    metadata = {"name": "a", "labels": None, "annotations": None, "creationTimestamp": None, "ownerReferences": None}
    found = of_body({"kind": "Pod", "apiVersion": "v1", "metadata": metadata})
    assert (found.labels, found.annotations, found.created, found.owners) == ({}, {}, "", ())


def test_a_reader_may_name_just_what_it_needs() -> None:
    class Spec(msgspec.Struct):
        replicas: int

    class Scaled(msgspec.Struct):
        spec: Spec

    assert of_body(BODY).read(Scaled).spec.replicas == 3


def test_repr_shows_no_data() -> None:
    assert "hidden" not in repr(of_body(BODY | {"kind": "Secret", "data": {"password": "hidden"}}))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (DEPLOYMENTS.path("demo", "web"), "/apis/apps/v1/namespaces/demo/deployments/web"),
        (DEPLOYMENTS.path("demo", "web", "scale"), "/apis/apps/v1/namespaces/demo/deployments/web/scale"),
        (DEPLOYMENTS.path(), "/apis/apps/v1/deployments"),
        (PODS.path("demo"), "/api/v1/namespaces/demo/pods"),
        (NAMESPACES.path(name="demo"), "/api/v1/namespaces/demo"),
        (NAMESPACES.path("ignored", "demo"), "/api/v1/namespaces/demo"),
        (
            CLUSTERROLES.path(name="system:auth delegator"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:auth%20delegator",
        ),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize("name", [".", "..", "a/b", "../secrets/x", "a%2Fb"])
def test_a_name_cannot_lead_to_another_path(name: str) -> None:
    with pytest.raises(BadRequest, match="name of an object"):
        PODS.path("demo", name)
    with pytest.raises(BadRequest, match="name of an object"):
        PODS.path(name, "x")


def test_objects_need_no_http_library() -> None:
    """Pure rooms (plan, observe) import this module."""
    code = (
        "import sys, atoll.kube.objects, atoll.kube.resources, atoll.kube.watching; sys.exit('aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_objects_with_the_same_labels_hold_them_once() -> None:
    one, two = of_body(BODY), of_body(BODY | {"spec": {}})
    assert one.labels is two.labels
    assert one.annotations is two.annotations
    bare = of_body({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "labels": None}})
    assert (bare.labels, bare.annotations) == ({}, {})
    long = {"name": "web", "annotations": {"note": "x" * 50_000}}
    assert of_body(BODY | {"metadata": long}).annotations == {"note": "x" * 50_000}
