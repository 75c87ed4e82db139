"""`differences[].patches`: RFC 6902, one operation each, last of all, and never what an object is."""

from typing import Any

import pytest
from msgspec import UNSET

from atoll.api.differences import Difference, Patch, Target
from atoll.api.editing import found
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.testing.worlds import config, container, deployment, everywhere, fleet, intent

WEB = Target(kind="Deployment", name="web")


def patch(op: str, path: str, value: Any = UNSET, *, target: Target = WEB, from_: str = "") -> Patch:
    return Patch(target, op, path, value, from_)  # type: ignore[arg-type]


def patched(*patches: Patch) -> Plan:
    app = intent(deployment(replicas=2), config(mode="slow"), differences=(everywhere(patches=patches),))
    return plan(app, fleet("a"))


@pytest.mark.parametrize(
    ("op", "path", "expected"),
    [
        (patch("add", "/spec/paused", True), ("spec", "paused"), True),
        (patch("replace", "/spec/replicas", 5), ("spec", "replicas"), 5),
        (patch("remove", "/spec/replicas"), ("spec", "replicas"), None),
        (patch("add", "/metadata/annotations", {"a/b": "c"}), ("metadata", "annotations"), {"a/b": "c"}),
        (patch("copy", "/spec/minReadySeconds", from_="/spec/replicas"), ("spec", "minReadySeconds"), 2),
        (patch("move", "/spec/minReadySeconds", from_="/spec/replicas"), ("spec", "minReadySeconds"), 2),
        (patch("test", "/spec/replicas", 2), ("spec", "replicas"), 2),
        (patch("add", "/spec/note", None), ("spec", "note"), None),
    ],
)
def test_operations(op: Patch, path: tuple[str, ...], expected: Any) -> None:
    planned = patched(op)
    assert planned.refusals == {}
    assert found(planned.deliveries["a"].objects[0].body, path) == expected


def test_lists_are_patched_by_index_and_at_the_end() -> None:
    containers = "/spec/template/spec/containers"
    planned = patched(patch("add", f"{containers}/-", container("log")), patch("add", f"{containers}/0/tty", True))
    names = found(planned.deliveries["a"].objects[0].body, ("spec", "template", "spec", "containers"))
    assert [(c["name"], c.get("tty")) for c in names] == [("app", True), ("log", None)]


@pytest.mark.parametrize(
    ("target", "kinds"),
    [
        (Target(kind="Deployment"), {"Deployment"}),
        (Target(name="settings"), {"ConfigMap"}),
        (Target(api_version="v1", kind="ConfigMap"), {"ConfigMap"}),
        (Target(namespace="demo", name="web"), {"Deployment"}),
    ],
)
def test_a_target_is_all_that_it_gives(target: Target, kinds: set[str]) -> None:
    planned = patched(patch("add", "/metadata/labels", {"x": "y"}, target=target))
    assert {m.id.kind for m in planned.deliveries["a"].objects if "labels" in m.body["metadata"]} == kinds


@pytest.mark.parametrize(
    "target",
    [Target(kind="Secret"), Target(kind="Deployment", name="api"), Target(api_version="v1", kind="Deployment")],
)
def test_a_target_that_meets_nothing_is_a_warning(target: Target) -> None:
    planned = patched(patch("add", "/metadata/labels", {"x": "y"}, target=target))
    assert planned.warnings == ("spec.differences[0].patches[0] meets no object of the application",)
    assert planned.refusals == {}


@pytest.mark.parametrize(
    ("op", "field", "text"),
    [
        (
            patch("test", "/spec/replicas", 3),
            "value",
            "test failed: Deployment/web has another value at /spec/replicas",
        ),
        (patch("test", "/spec/nothing", 3), "value", "Deployment/web"),
        (patch("replace", "/spec/nothing", 1), "path", "replace /spec/nothing fails on Deployment/web"),
        (patch("remove", "/spec/nothing"), "path", "remove /spec/nothing fails"),
        (patch("add", "/spec/no/way", 1), "path", "add /spec/no/way fails"),
        (patch("replace", "/spec/replicas/deep", 1), "path", "replace /spec/replicas/deep fails"),
        (patch("add", "/spec/template/spec/containers/9", {}), "path", "fails"),
        (patch("add", "/spec/template/spec/containers/first", {}), "path", "fails"),
        (patch("remove", "/spec/template/spec/containers/-"), "path", "fails"),
        (patch("move", "/spec/x", from_="/spec/nothing"), "path", "move /spec/x fails"),
        (patch("move", "/spec/template/spec", from_="/spec/template"), "path", "fails"),
        (patch("add", "no-pointer", 1), "path", "fails"),
        (patch("add", "/spec/~2", 1), "path", "fails"),
        (patch("add", "/spec/x"), "path", "fails"),
    ],
)
def test_a_patch_that_fails_refuses_the_cluster_and_names_the_field(op: Patch, field: str, text: str) -> None:
    fine = patch("add", "/spec/paused", True)
    planned = patched(fine, op)
    assert planned.deliveries == {}
    assert planned.refusals["a"].path == f"spec.differences[0].patches[1].{field}"
    assert text in planned.refusals["a"].message


@pytest.mark.parametrize(
    "op",
    [
        patch("replace", "/metadata/name", "other"),
        patch("replace", "/metadata/namespace", "kube-system"),
        patch("remove", "/metadata/namespace"),
        patch("replace", "/kind", "DaemonSet"),
        patch("replace", "/apiVersion", "apps/v1beta1"),
        patch("remove", "/metadata"),
        patch("replace", "/metadata", "text"),
        patch("replace", "", {}),
        patch("move", "/metadata/labels", from_="/metadata/name"),
        patch("copy", "/kind", from_="/metadata/name"),
    ],
)
def test_a_patch_never_makes_another_object_of_it(op: Patch) -> None:
    planned = patched(op)
    assert planned.deliveries == {}
    assert planned.refusals["a"].path == "spec.differences[0].patches[0].path"
    assert "may not change apiVersion, kind, metadata.name or metadata.namespace" in planned.refusals["a"].message


def test_other_clusters_go_on() -> None:
    bad = Difference(clusters=("a",), patches=(patch("remove", "/spec/nothing"),))
    planned = plan(intent(differences=(bad,)), fleet("a", "b"))
    assert planned.refusals.keys() == {"a"}
    assert planned.deliveries.keys() == {"b"}


def test_patches_come_last_in_their_difference_and_before_the_next() -> None:
    first = everywhere(patches=(patch("replace", "/spec/replicas", 5),), replicas={"web": 4})
    second = everywhere(patches=(patch("test", "/spec/replicas", 5), patch("replace", "/spec/replicas", 6)))
    planned = plan(intent(differences=(first, second)), fleet("a"))
    assert planned.shares["a"].replicas == {"web": 6}
    assert planned.shares["a"].why == "spec.differences[1] says so"


def test_a_copy_within_a_copy_does_not_grow_without_bounds() -> None:
    """Each doubles the object: forty of them would be the hub's end, and everybody's."""
    doubling = (patch("copy", f"/data/c{n}", target=Target(kind="ConfigMap"), from_="/data") for n in range(40))
    planned = patched(*doubling)
    assert "larger than any API server takes" in planned.refusals["a"].message
    assert planned.refusals["a"].path.startswith("spec.differences[0].patches[")


def test_patches_leave_the_manifest_and_their_own_values_alone() -> None:
    before = deployment(replicas=2)
    value = {"a": {"b": 1}}
    ops = (
        patch("add", "/spec/note", value),
        patch("add", "/spec/note/a/c", 2),
        patch("copy", "/spec/again", from_="/spec/note"),
        patch("remove", "/spec/again/a/b"),
        patch("move", "/spec/template/moved", from_="/spec/note/a"),
        patch("add", "/spec/template/moved/d", 3),
    )
    planned = plan(intent(before, differences=(everywhere(patches=ops),)), fleet("a"))
    spec = planned.deliveries["a"].objects[0].body["spec"]
    assert (spec["note"], spec["again"], spec["template"]["moved"]) == ({}, {"a": {"c": 2}}, {"b": 1, "c": 2, "d": 3})
    assert value == {"a": {"b": 1}}
    assert before == deployment(replicas=2)
