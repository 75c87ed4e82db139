"""One case for each thing that can be wrong: the field it is told at, and the words."""

# ruff: noqa: E501, ISC004  a message stands in one piece, as its reader sees it

from typing import Any

import pytest

from atoll.api.checks import structure
from tests.spec.api.shop import (
    APPLICATION,
    DEPLOYMENT,
    SERVICE,
    application,
    difference,
    errors,
    issues,
    manifest,
    warnings,
)
from tests.spec.api.spoilt import LIST_KEYS, NULLS, SHAPE


def test_the_right_one_has_no_issue() -> None:
    assert issues(APPLICATION) == []


STRUCTURE: list[tuple[Any, str]] = [
    ({"spec": {}}, "spec: object missing required field `metadata`"),
    (application(manifets=[]), "spec.manifets: unknown field: did you mean manifests?"),
    (application(placement={"cluster": ["eu-1"]}), "spec.placement.cluster: unknown field: did you mean clusters?"),
    (application(manifests=[3]), "spec.manifests[0]: expected `object`, got `int`"),
    (application(replicas={"each": -1}), "spec.replicas.each: expected `int` >= 0"),
    (application(replicas={"each": "3"}), "spec.replicas.each: expected `int | null`, got `str`"),
    (
        difference(env={"web": {"A": "1"}, "web/log": {"B": 1}}),
        "spec.differences[0].env[web/log][B]: expected `str | null`, got `int`",
    ),
    (application(deletion="keep"), "spec.deletion: invalid enum value 'keep'"),
]

POINTER = "is no JSON pointer: it starts with /, and inside a part ~ is written ~0 and / is written ~1"
IDENTITY = "is part of the object's identity, or the API server's"


@pytest.mark.parametrize(
    ("body", "message"), STRUCTURE + SHAPE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_form_and_shape(body: Any, message: str) -> None:
    assert message in errors(body)


@pytest.mark.parametrize("body", NULLS)
def test_null_is_as_if_absent(body: Any) -> None:
    assert errors(body) == []


@pytest.mark.parametrize("path", ["spec/x", "/spec/~2", "/spec/~"])
def test_a_path_is_a_json_pointer(path: str) -> None:
    found = errors(difference(patches=[{"target": {"kind": "Service"}, "op": "remove", "path": path}]))
    assert found == [f"spec.differences[0].patches[0].path: {POINTER}"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/kind",
        "/apiVersion",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
        "/metadata/uid",
        "/metadata/name/x",
        "/status/x",
    ],
)
def test_a_patch_leaves_an_objects_identity_alone(path: str) -> None:
    for operation in ({"op": "remove", "path": path}, {"op": "move", "path": "/spec/x", "from": path}):
        found = errors(difference(patches=[{"target": {"kind": "Service"}, **operation}]))
        assert len(found) == 1
        assert IDENTITY in found[0]


@pytest.mark.parametrize(
    "path", ["/metadata/labels/name", "/metadata/annotations", "/spec/kind", "/metadata/names", "/kinds"]
)
def test_a_patch_may_change_the_rest(path: str) -> None:
    assert errors(difference(patches=[{"target": {"kind": "Service"}, "op": "add", "path": path, "value": 1}])) == []


def test_a_patch_may_test_and_copy_the_identity() -> None:
    target = {"kind": "Service"}
    patches: list[dict[str, Any]] = [
        {"target": target, "op": "test", "path": "/metadata/name", "value": "web"},
        {"target": target, "op": "copy", "path": "/metadata/labels/name", "from": "/metadata/name"},
    ]
    assert errors(difference(patches=patches)) == []


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.x.org"},
}
REACH = "an administrator allows that with `kubectl label namespace demo atoll.dev/reach=cluster` on the hub"

OBJECTS: list[tuple[Any, str]] = [
    (manifest(apiVersion=None), "spec.manifests[2].apiVersion: is missing: such as v1 or apps/v1"),
    (manifest(apiVersion="apps/v1/x"), "spec.manifests[2].apiVersion: apps/v1/x is no version: such as v1 or apps/v1"),
    (manifest(kind=None), "spec.manifests[2].kind: is missing: such as Deployment"),
    (manifest(metadata=None), "spec.manifests[2].metadata.name: is missing"),
    (manifest(metadata={"name": ""}), "spec.manifests[2].metadata.name: is missing"),
    (
        manifest(metadata=[]),
        "spec.manifests[2].metadata: is no object: it takes name, namespace, labels and annotations",
    ),
    (
        manifest(metadata={"name": "a/b"}),
        "spec.manifests[2].metadata.name: a/b can't be a name: a string of at most 253 characters without / and %",
    ),
    (
        manifest(metadata={"generateName": "a-"}),
        "spec.manifests[2].metadata.generateName: would make another object on each apply: give metadata.name instead",
    ),
    (
        manifest(kind="List", items=[]),
        "spec.manifests[2]: a List is several objects: write each of its items as a manifest of its own",
    ),
    (
        manifest(metadata={"name": "a", "labels": {"on": True}}),
        "spec.manifests[2].metadata.labels[on]: true is no string: put it in quotes",
    ),
    (
        manifest(metadata={"name": "a", "annotations": []}),
        "spec.manifests[2].metadata.annotations: is no map of strings",
    ),
    (
        manifest(metadata={"name": "a", "labels": {"atoll.dev/app": "x"}}),
        "spec.manifests[2].metadata.labels[atoll.dev/app]: is Atoll's own: take it away",
    ),
    (
        manifest(metadata={"name": "a", "annotations": {"applyset.kubernetes.io/id": "x"}}),
        "spec.manifests[2].metadata.annotations[applyset.kubernetes.io/id]: is Atoll's own: take it away",
    ),
    (
        manifest(metadata={"name": "a", "annotations": {"atoll.dev/wave": "first"}}),
        'spec.manifests[2].metadata.annotations[atoll.dev/wave]: first is no whole number: such as "1"; lower waves go first',
    ),
    (
        manifest(metadata={"name": "a", "annotations": {"atoll.dev/prune": "no"}}),
        'spec.manifests[2].metadata.annotations[atoll.dev/prune]: no is neither "true" nor "false"',
    ),
    (
        manifest(metadata={"name": "a", "namespace": "other"}),
        "spec.manifests[2].metadata.namespace: ConfigMap/a would go to namespace other, outside the Application's own: "
        f"take that away, or {REACH}",
    ),
    (
        manifest(kind="Namespace", metadata={"name": "other"}),
        f"spec.manifests[2]: Namespace/other is cluster-scoped: {REACH}",
    ),
    (
        application(select=[{"apiVersion": "v1", "kind": "Namespace", "name": "other"}]),
        f"spec.select[0]: Namespace is cluster-scoped: {REACH}",
    ),
    (
        manifest(metadata={"name": "a", "namespace": "atoll-system"}),
        "spec.manifests[2]: ConfigMap/a is in atoll-system, which is Atoll's own: choose another one",
    ),
    (
        manifest(kind="Namespace", metadata={"name": "atoll-system"}),
        "spec.manifests[2]: Namespace/atoll-system is in atoll-system, which is Atoll's own: choose another one",
    ),
    (
        application(manifests=[DEPLOYMENT, SERVICE, SERVICE]),
        "spec.manifests[2]: Service/web in namespace demo is here for the second time, after spec.manifests[1]: keep one of them",
    ),
    (
        manifest(apiVersion="apps/v1beta1", kind="Deployment", metadata={"name": "web", "namespace": "demo"}),
        "spec.manifests[2]: Deployment/web in namespace demo is here for the second time, after spec.manifests[0]: keep one of them",
    ),
    (
        manifest(data={"a": "x" * 1024 * 1024}),
        "spec.manifests: the objects have 1.0 MiB, and 1.0 MiB fit inline: apply them to the hub in namespace demo, and "
        "name them with select (by labels)",
    ),
    (
        manifest(data={"a": "x" * 1600 * 1024}),
        "spec.manifests[2]: ConfigMap/more has 1.6 MiB: no API server takes more than 1.5 MiB",
    ),
]


@pytest.mark.parametrize(("body", "message"), OBJECTS, ids=lambda value: value[:90] if isinstance(value, str) else "")
def test_objects(body: Any, message: str) -> None:
    assert errors(body) == [message]


def test_5000_objects_are_too_many_inline() -> None:
    many = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(5000)]
    body = application(manifests=many, differences=None, replicas=None)
    assert errors(body) == [
        "spec.manifests: more than 1,000 objects inline: apply them to the hub in this namespace, and name them with "
        "select (by labels)"
    ]


def test_with_leave_an_application_reaches_further() -> None:
    for more in (
        manifest(kind="Namespace", metadata={"name": "other"}),
        manifest(metadata={"name": "a", "namespace": "x"}),
    ):
        assert errors(more, reach=True) == []
        assert errors(more) != []
    assert errors(manifest(metadata={"name": "a", "namespace": "atoll-system"}), reach=True) != []


def test_a_kinds_scope_comes_from_its_definition_among_the_manifests() -> None:
    definition = {**CRD, "spec": {"group": "x.org", "names": {"kind": "Thing"}, "scope": "Cluster"}}
    thing = {"apiVersion": "x.org/v1", "kind": "Thing", "metadata": {"name": "a"}}
    body = application(manifests=[DEPLOYMENT, SERVICE, definition, thing])
    assert f"spec.manifests[3]: Thing.x.org/a is cluster-scoped: {REACH}" in errors(body)
    assert errors(body, reach=True) == []
    assert errors(application(manifests=[DEPLOYMENT, SERVICE, thing])) == []


@pytest.mark.parametrize(("body", "message"), LIST_KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_keys_that_server_side_apply_refuses(body: Any, message: str) -> None:
    [error] = errors(body)
    assert error.startswith(f"spec.manifests[2].{message}")
    assert error.endswith("server-side apply refuses that")


REFERENCES: list[tuple[Any, str]] = [
    (difference(env={"wbe": {"A": "1"}}), "spec.differences[0].env[wbe]: no workload is called wbe: did you mean web?"),
    (
        difference(command={"web/xyz": ["a"]}),
        "spec.differences[0].command[web/xyz]: no container of web is called xyz: there are app, log, wait",
    ),
    (
        difference(args={"web/": ["a"]}),
        "spec.differences[0].args[web/]: is neither `workload` nor `workload/container`",
    ),
    (difference(resources={"db": {}}), "spec.differences[0].resources[db]: no workload is called db: there is web"),
    (
        difference(images=[{"workload": "db", "tag": "1"}]),
        "spec.differences[0].images[0].workload: no workload is called db: there is web",
    ),
    (
        difference(images=[{"workload": "web", "container": "ap", "tag": "1"}]),
        "spec.differences[0].images[0].container: no container is called ap: did you mean app?",
    ),
    (
        difference(replicas={"db": 1}),
        "spec.differences[0].replicas[db]: no workload with replicas is called db: there is web",
    ),
    (
        difference(patches=[{"target": {"kind": "Ingress"}, "op": "remove", "path": "/spec/x"}]),
        "spec.differences[0].patches[0].target: no Ingress is among the objects: there are Deployment/web, Service/web",
    ),
    (
        application(retain=[{"target": {"kind": "Deployment", "name": "api"}, "path": "/spec/replicas"}]),
        "spec.retain[0].target: no Deployment api is among the objects: there are Deployment/web, Service/web",
    ),
    (
        application(replicas={"workloads": {"api": {"each": 1}}}),
        "spec.replicas.workloads[api]: no workload with replicas is called api: there is web",
    ),
]


@pytest.mark.parametrize(("body", "message"), REFERENCES, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_named_must_be_there(body: Any, message: str) -> None:
    assert errors(body) == [message]


def test_what_is_named_may_be_among_selected_objects() -> None:
    body = difference(env={"api": {"A": "1"}})
    body["spec"]["select"] = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}]
    assert errors(body) == []
    assert errors(body, selected={0: [DEPLOYMENT | {"metadata": {"name": "api"}}]}) == []
    assert errors(body, selected={0: []}) == ["spec.differences[0].env[api]: no workload is called api: there is web"]


def test_a_selected_object_may_not_come_twice_or_be_too_big() -> None:
    body = application(select=[{"apiVersion": "v1", "kind": "Service", "name": "web"}])
    assert errors(body, selected={0: [SERVICE | {"status": {"a": 1}}]}) == [
        "spec.select[0]: Service/web in namespace demo is here for the second time, after spec.manifests[1]: keep one of them"
    ]


CLUSTERS: list[tuple[Any, str]] = [
    (
        application(placement={"selector": {"matchLabels": {"a b": "x"}}}),
        "spec.placement.selector.matchLabels[a b]: 'a b' can't be a label's key: [prefix/]name, the name at most 63 of "
        "letters, digits, - _ .",
    ),
    (
        application(placement={"selector": {"matchLabels": {"a": "x y"}}}),
        "spec.placement.selector.matchLabels[a]: 'x y' can't be a label's value: at most 63 of letters, digits, - _ .",
    ),
    (
        application(placement={"where": "cluster.provider = 'aws'"}),
        "spec.placement.where: line 1, column 18: token recognition error at: '= ' (CEL)",
    ),
    (
        application(differences=[{"where": "cluster.env == 'a'", "labels": {"a": "b"}}]),
        "spec.differences[0].where: cluster has no env; it has name, provider, region, zone, labels, version (CEL)",
    ),
    (
        application(health=[{"apiVersion": "x.org/v1", "kind": "X", "healthy": "cluster.ok"}]),
        "spec.health[0].healthy: unknown name cluster; known: object (CEL)",
    ),
    (
        difference(labels={"atoll.dev/hub": "x"}),
        "spec.differences[0].labels[atoll.dev/hub]: is Atoll's own: take it away",
    ),
    (
        difference(annotations={"a b": "x"}),
        "spec.differences[0].annotations[a b]: 'a b' can't be a label's key: [prefix/]name, the name at most 63 of letters, "
        "digits, - _ .",
    ),
]


@pytest.mark.parametrize(("body", "message"), CLUSTERS, ids=lambda value: value if isinstance(value, str) else "")
def test_clusters_and_labels(body: Any, message: str) -> None:
    assert errors(body) == [message]


WARNINGS: list[tuple[Any, str]] = [
    (
        application(placement={"clusters": ["eu-1", "us-1", "us-11"]}),
        "spec.placement.clusters: there is no cluster us-11 yet: did you mean us-1?",
    ),
    (application(placement={"clusters": ["eu-1", "us-1", "eu-1"]}), "spec.placement.clusters: eu-1 is named 2 times"),
    (
        application(placement={"clusters": ["us-1"]}),
        "spec.replicas.weights: eu-1 is not in spec.placement.clusters: this has no effect there",
    ),
    (
        application(placement={"clusters": ["eu-1"]}, replicas=None),
        "spec.differences[0].clusters: us-1 is not in spec.placement.clusters: this has no effect there",
    ),
    (difference(), "spec.differences[0]: changes nothing: it names clusters, and says nothing about them"),
    (
        difference(patches=[{"target": {"kind": "Service"}, "op": "replace", "path": "/spec/x"}]),
        "spec.differences[0].patches[0].value: is not given: replace takes null",
    ),
    (
        manifest(status={"a": 1}),
        "spec.manifests[2].status: is left out: the member's controllers write the status of ConfigMap/more",
    ),
    (
        manifest(metadata={"name": "a", "uid": "x"}),
        "spec.manifests[2].metadata.uid: is left out: it belongs to ConfigMap/a in one cluster only",
    ),
    (
        manifest(apiVersion="atoll.dev/v1alpha1", kind="Application"),
        "spec.manifests[2]: Application.atoll.dev/more is of Atoll's own kinds: it is delivered to the members, and does "
        "nothing here",
    ),
    (
        application(
            manifests=[DEPLOYMENT, SERVICE, DEPLOYMENT | {"kind": "StatefulSet"}],
            differences=[{"all": True, "env": {"web": {"A": "1"}}}],
        ),
        "spec.differences[0].env[web]: web means Deployment/web and StatefulSet/web: it applies to each",
    ),
    (
        application(manifests=[SERVICE], differences=None),
        "spec.replicas: none of the objects has replicas: nothing is divided",
    ),
]


@pytest.mark.parametrize(("body", "message"), WARNINGS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_only_doubtful(body: Any, message: str) -> None:
    assert warnings(body) == [message]
    assert errors(body) == []


def test_no_cluster_is_doubted_when_none_are_known() -> None:
    assert (
        warnings(application(placement={"clusters": ["nowhere"]}, replicas=None, differences=None), known_clusters=None)
        == []
    )


def test_harmless_leftovers_of_other_tools_are_not_mentioned() -> None:
    assert issues(manifest(status={}, metadata={"name": "a", "creationTimestamp": None})) == []


def test_errors_come_first_and_not_without_end() -> None:
    many = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "status": {"a": 1}} for _ in range(200)]
    found = issues(application(manifests=many, differences=None, replicas=None))
    assert len(found) == 100
    assert {issue.severity for issue in found} == {"error"}


def test_no_rule_of_shape_looks_into_a_manifest() -> None:
    """`shape` remembers what it found of a spec by all but its manifests."""
    spec = structure.schema()["properties"]["spec"]["properties"]
    assert not structure._ruled(spec["manifests"])
    assert structure._ruled(spec["placement"])


def test_a_large_spec_is_judged_alike() -> None:
    many = [f"cluster-{number}" for number in range(structure.SMALL // 8)]
    for clusters in (["a"], many):
        found = structure.shape({"spec": {"placement": {"clusters": clusters, "all": True}, "manifests": [{}]}})
        assert [issue.path for issue in found], len(clusters)
