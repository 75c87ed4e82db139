"""managedFields: taking over from former owners, handing over to new ones, letting go."""

from typing import Any

import msgspec

from atoll.api.application import Retain
from atoll.api.differences import Target
from atoll.api.objects import Key, manifest
from atoll.deliver.ownership import Entry, adopted, entries, last_writer, managers, released
from atoll.deliver.retain import handover, holding, lookup, omit, pointers_for, split, steps
from atoll.deliver.stamp import Stamper
from atoll.kube.objects import decode_object

Json = dict[str, Any]
BODY: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "n"},
    "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "app", "image": "i"}]}}},
}
IMAGE: Json = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:image": {}}}}}}}
REPLICAS: Json = {"f:spec": {"f:replicas": {}}}


def entry(manager: str, fields: Json, operation: str = "Update", **more: str) -> Entry:
    return Entry(manager, operation, "apps/v1", more.get("time", "t1"), "FieldsV1", fields, more.get("subresource", ""))


def test_entries_are_read_from_an_object() -> None:
    body = {**BODY, "metadata": {"name": "web", "managedFields": [msgspec.to_builtins(entry("helm", REPLICAS))]}}
    assert entries(decode_object(msgspec.json.encode(body), managed_fields=True)) == (entry("helm", REPLICAS),)


def test_managers_are_named_without_us_and_status() -> None:
    found = (
        entry("helm", {}),
        entry("atoll", {}, "Apply"),
        entry("kubelet", {}, subresource="status"),
        entry("helm", {}),
    )
    assert managers(found) == ("helm",)


def test_adopting_takes_over_all_that_the_former_owner_had() -> None:
    theirs = {**REPLICAS, "f:metadata": {"f:labels": {"f:old": {}}}}
    rewritten = adopted((entry("kubectl-client-side-apply", theirs), entry("kubectl-edit", IMAGE)), BODY, "apps/v1")
    assert rewritten is not None
    (mine,) = rewritten
    assert (mine["manager"], mine["operation"], mine["apiVersion"]) == ("atoll", "Apply", "apps/v1")
    assert mine["fieldsV1"]["f:metadata"] == {"f:labels": {"f:old": {}}}
    assert mine["fieldsV1"]["f:spec"] == {**REPLICAS["f:spec"], **IMAGE["f:spec"]}


def test_adopting_leaves_controllers_other_appliers_and_strangers_theirs() -> None:
    others = (
        entry("kube-controller-manager", REPLICAS),
        entry("flux", IMAGE, "Apply"),
        entry("injector", {"f:metadata": {"f:annotations": {"f:x": {}}}}),
        entry("hpa", REPLICAS, subresource="scale"),
    )
    assert adopted(others, BODY, "apps/v1") is None
    rewritten = adopted((*others, entry("helm", IMAGE)), BODY, "apps/v1")
    assert rewritten is not None
    assert [e["manager"] for e in rewritten] == ["atoll", "kube-controller-manager", "flux", "injector", "hpa"]


def test_letting_go_leaves_the_others() -> None:
    assert [e["manager"] for e in released((entry("atoll", {}, "Apply"), entry("helm", {})))] == ["helm"]
    assert released((entry("atoll", {}, "Apply"), entry("atoll-handover", {}, "Apply"))) == [{}]


def test_the_last_writer_is_named() -> None:
    found = (entry("one", {}, time="t1"), entry("two", {}, time="t3"), entry("atoll", {}, "Apply", time="t9"))
    assert last_writer(found) == "two"
    assert last_writer(()) == ""


# Retained fields

POINTER = "/spec/replicas"
CONTAINER = "/spec/template/spec/containers/0/image"


def test_what_is_retained_is_said_by_target() -> None:
    retain = (Retain(Target(kind="Deployment", name="web"), POINTER), Retain(Target(kind="Job"), "/spec/parallelism"))
    assert pointers_for(manifest(BODY), retain) == {POINTER}


def test_omitting_shares_the_rest_and_changes_nothing_in_place() -> None:
    without = omit(BODY, split(POINTER))
    assert "replicas" not in without["spec"]
    assert BODY["spec"]["replicas"] == 3
    assert without["metadata"] is BODY["metadata"]
    assert omit(BODY, split("/spec/nothing/here")) == BODY
    assert omit(BODY, split(CONTAINER))["spec"]["template"]["spec"]["containers"] == [{"name": "app"}]
    assert omit({"a/b": 1, "c": 2}, split("/a~1b")) == {"c": 2}


def test_a_lists_element_is_found_by_its_name() -> None:
    live = {
        "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}, {"name": "app", "image": "l"}]}}}
    }
    assert lookup(live, split(CONTAINER), BODY) == "l"
    assert steps(split(CONTAINER), BODY)[-2:] == ('k:{"name":"app"}', "f:image")


def test_a_field_that_only_we_own_is_held_until_another_owns_it() -> None:
    ours = entry("atoll", {"f:spec": {**REPLICAS["f:spec"], **IMAGE["f:spec"]}}, "Apply")
    held = entry("atoll-handover", REPLICAS, "Apply")
    other = entry("keda", REPLICAS, "Apply")
    scaled = entry("hpa", REPLICAS, subresource="scale")
    assert handover({POINTER}, (ours,), BODY, BODY) == (POINTER,)
    assert handover({POINTER}, (ours, held), BODY, BODY) is None
    assert handover({POINTER, CONTAINER}, (ours, held), BODY, BODY) == (POINTER, CONTAINER)
    assert handover({POINTER}, (ours, scaled), BODY, BODY) is None
    assert handover({POINTER}, (held, other), BODY, BODY) == ()
    assert handover({"/spec/paused"}, (ours,), BODY, BODY) is None


def test_the_handover_says_the_live_values_and_nothing_else() -> None:
    item = Stamper("h").stamp(manifest(BODY), Key("n", "a"), "u")
    live = {"spec": {"replicas": 7, "template": {"spec": {"containers": [{"name": "app", "image": "live"}]}}}}
    assert holding(item, (POINTER, CONTAINER), live) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "n"},
        "spec": {"replicas": 7, "template": {"spec": {"containers": [{"name": "app", "image": "live"}]}}},
    }
