"""Inline manifests: completed, flattened, cleaned; never changed in place."""

from copy import deepcopy
from typing import Any

import pytest

from atoll.api.application import Application, ApplicationMeta, ApplicationSpec
from atoll.api.intent import Intent, Revision
from atoll.api.objects import GroupKind, Json, Key
from atoll.api.placement import Placement
from atoll.intake.native import translate

SCOPES = {
    GroupKind("", "ConfigMap"): True,
    GroupKind("apps", "Deployment"): True,
    GroupKind("", "Namespace"): False,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): False,
}
REVISION = Revision(1, "u", 1)


def application(*manifests: Json, **spec: Any) -> Application:
    meta = ApplicationMeta("shop", "demo", "u")
    return Application(meta, ApplicationSpec(manifests=manifests, placement=Placement(all=True), **spec))


def translated(*manifests: Json, **spec: Any) -> Intent:
    return translate(application(*manifests, **spec), selected={}, scopes=SCOPES.get, revision=REVISION)


def bodies(*manifests: Json) -> list[Json]:
    return [m.body for m in translated(*manifests).manifests]


def config(name: str = "c", **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def definition(scope: str) -> Json:
    spec = {"group": "example.org", "scope": scope, "names": {"kind": "Thing"}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": spec,
    }


THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"}}


@pytest.mark.parametrize(
    ("manifests", "namespaces"),
    [
        ([config()], ["demo"]),
        ([config(namespace="other")], ["other"]),
        ([config(namespace="")], ["demo"]),
        ([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}], [""]),
        ([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "namespace": "x"}}], [""]),
        ([THING], ["demo"]),  # nobody knows the kind: never further than the Application reaches
        ([THING, definition("Cluster")], ["", ""]),
        ([definition("Namespaced"), THING], ["", "demo"]),
    ],
)
def test_the_namespace_is_the_applications_unless_another_is_named(
    manifests: list[Json], namespaces: list[str]
) -> None:
    intent = translated(*manifests)
    assert [m.id.namespace for m in intent.manifests] == namespaces
    assert [m.body["metadata"].get("namespace", "") for m in intent.manifests] == namespaces


def test_what_the_fleet_serves_counts_more_than_a_definition_among_the_manifests() -> None:
    app = application(THING, definition("Cluster"))
    scopes = {**SCOPES, GroupKind("example.org", "Thing"): True}
    thing, _ = translate(app, selected={}, scopes=scopes.get, revision=REVISION).manifests
    assert thing.id.namespace == "demo"


@pytest.mark.parametrize(
    ("pasted", "names"),
    [
        ({"apiVersion": "v1", "kind": "List", "items": [config("a"), config("b")]}, ["a", "b"]),
        ({"apiVersion": "v1", "kind": "List", "items": []}, []),
        ({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "a"}}]}, ["a"]),
        ({"kind": "List", "items": [{"kind": "List", "items": [config("a")]}, config("b")]}, ["a", "b"]),
        ({"apiVersion": "example.org/v1", "kind": "AllowList", "metadata": {"name": "a"}}, ["a"]),  # no items: no list
    ],
)
def test_a_list_stands_for_its_items(pasted: Json, names: list[str]) -> None:
    intent = translated(pasted)
    assert [m.id.name for m in intent.manifests] == names
    assert all(m.id.kind in {"ConfigMap", "AllowList"} for m in intent.manifests)


@pytest.mark.parametrize(
    ("pasted", "clean"),
    [
        (
            config(uid="1", resourceVersion="2", generation=3, creationTimestamp="x", managedFields=[], selfLink="s"),
            config(),
        ),
        (config(ownerReferences=[{"uid": "1"}]), config()),  # its UID is unknown on a member: garbage
        ({**config(), "status": {"ready": True}}, config()),
        (config(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}), config()),
        (config(annotations={"deployment.kubernetes.io/revision": "3", "a": "b"}), config(annotations={"a": "b"})),
        (config(labels={"atoll.dev/hub": "h", "atoll.dev/app": "u", "applyset.kubernetes.io/part-of": "p"}), config()),
        (
            config(labels={"a": "b"}, annotations={"atoll.dev/digest": "d", "atoll.dev/revision": "r"}),
            config(labels={"a": "b"}),
        ),
        (
            config(annotations={"atoll.dev/prune": "false", "atoll.dev/wave": "1", "atoll.dev/application": "x"}),
            config(annotations={"atoll.dev/prune": "false", "atoll.dev/wave": "1"}),
        ),
        (config(finalizers=["example.org/mine"]), config(finalizers=["example.org/mine"])),  # written down: meant
    ],
)
def test_what_servers_and_controllers_wrote_is_left_out(pasted: Json, clean: Json) -> None:
    clean["metadata"]["namespace"] = "demo"
    assert bodies(pasted) == [clean]


def test_empty_timestamps_of_generators_are_left_out() -> None:
    empty = {"creationTimestamp": None, "labels": {"a": "b"}}
    claim = {"metadata": {"name": "data", "creationTimestamp": None}, "spec": {}, "status": {"phase": "Pending"}}
    pasted = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "creationTimestamp": None},
        "spec": {
            "template": {"metadata": empty},
            "jobTemplate": {"metadata": empty, "spec": {"template": {"metadata": empty}}},
            "volumeClaimTemplates": [claim],
        },
    }
    (clean,) = bodies(pasted)
    assert clean["spec"] == {
        "template": {"metadata": {"labels": {"a": "b"}}},
        "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"metadata": {"labels": {"a": "b"}}}}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
    }


def test_manifests_are_not_changed_in_place_and_shared_when_complete() -> None:
    pasted, complete = config(uid="1"), config("d", namespace="demo")
    before = deepcopy(pasted)
    intent = translated(pasted, complete)
    assert pasted == before
    assert intent.manifests[1].body is complete


def test_the_wishes_are_carried_over() -> None:
    intent = translated(
        config(), adopt=True, deletion="orphan", suspend=True, allow_empty=True, on_immutable="recreate"
    )
    assert (intent.key, intent.uid, intent.revision) == (Key("demo", "shop"), "u", REVISION)
    assert intent.adopt
    assert intent.orphan
    assert intent.suspend
    assert intent.allow_empty
    assert intent.recreate


def test_an_application_without_placement_means_no_cluster() -> None:
    app = Application(ApplicationMeta("shop", "demo", "u"), ApplicationSpec(manifests=(config(),)))
    assert translate(app, selected={}, scopes=SCOPES.get, revision=REVISION).placement == Placement()
