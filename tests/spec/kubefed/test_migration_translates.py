"""What `atoll migrate kubefed` makes of KubeFed's objects, row by row, and that it renders what KubeFed propagates."""

from typing import Any

import msgspec
import pytest

from atoll.api.application import Application
from atoll.api.intent import Revision
from atoll.api.kubefed.federated import Federated, Override
from atoll.api.kubefed.preference import ReplicaSchedulingPreference
from atoll.api.kubefed.types import ENABLED, type_config
from atoll.api.objects import Json, Key
from atoll.api.scopes import known_scope
from atoll.intake.kubefed.differing import differences
from atoll.intake.kubefed.migration import Control, Translation, translate
from atoll.intake.kubefed.pointers import OverrideError, plain
from atoll.intake.native import translate as intent_of
from atoll.plan.kubefed import Preference, kubefed
from atoll.plan.model import ClusterFacts, Snapshot
from atoll.plan.planner import plan

CONFIGS = {target.kind: type_config(target) for target in ENABLED}
CLUSTERS = {"c1": {"env": "prod", "zone": "a"}, "c2": {"env": "prod", "zone": "b"}, "c3": {"env": "test"}}
EVERYWHERE: Json = {"clusterSelector": {}}


def named(*names: str) -> Json:
    return {"clusters": [{"name": name} for name in names]}


def labelled(**labels: str) -> Json:
    return {"clusterSelector": {"matchLabels": labels}}


def patch(op: str, path: str, **value: Any) -> Json:
    return {"patches": [{"target": {"kind": "Deployment", "name": "web"}, "op": op, "path": path, **value}]}


def template(**spec: Any) -> Json:
    containers = [
        {"name": "app", "image": "shop:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "log", "image": "log:1"},
    ]
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}
    return {"spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pod, **spec}}


def federated(kind: str = "Deployment", /, *, name: str = "web", **spec: Any) -> Federated:
    body = {
        "apiVersion": "types.kubefed.io/v1beta1",
        "kind": f"Federated{kind}",
        "metadata": {"name": name, "namespace": "demo", **spec.pop("metadata", {})},
        "spec": {"template": template(), "placement": EVERYWHERE, **spec},
    }
    return msgspec.convert(body, Federated)


def control(namespace: Any = EVERYWHERE, **more: Any) -> Control:
    around = msgspec.convert(
        {"apiVersion": "", "kind": "", "metadata": {"name": "demo"}, "spec": {"placement": namespace}}, Federated
    )
    assert around.spec is not None
    return Control(CLUSTERS, {"demo": around.spec.placement}, **more)


def preference(**spec: Any) -> ReplicaSchedulingPreference:
    body = {"metadata": {"name": "web", "namespace": "demo"}, "spec": {"targetKind": "FederatedDeployment", **spec}}
    return msgspec.convert(body, ReplicaSchedulingPreference)


def translated(
    one: Federated, rsp: ReplicaSchedulingPreference | None = None, how: Control | None = None
) -> Translation:
    return translate(CONFIGS[one.kind.removeprefix("Federated")], one, rsp, how or control())


def spec_of(found: Translation) -> Json:
    assert found.application is not None and not found.refused, found.findings
    spec: Json = found.application["spec"]
    return spec


def rendered(found: Translation) -> dict[str, Json]:
    """What Atoll's own planning gives each cluster."""
    assert found.application is not None, found.findings
    app = msgspec.convert(found.application, Application)
    intent = intent_of(app, selected={}, scopes=known_scope, revision=Revision(0, "", 0))
    clusters = {name: ClusterFacts(name, uid=name, labels=labels) for name, labels in CLUSTERS.items()}
    planned = plan(intent, Snapshot(clusters, previous={Key("demo", "x"): {}}))
    assert not planned.refusals, planned.refusals
    return {name: delivery.objects[0].body for name, delivery in planned.deliveries.items()}


CONTAINER = "/spec/template/spec/containers"
FROM_FIELD = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}
PROD = {"env": "prod"}
ALSO_TEST: Json = {"matchExpressions": [{"key": "env", "operator": "In", "values": ["test"]}]}


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([{"path": "/spec/replicas", "value": 5}], {"replicas": {"web": 5}}),
        (
            [{"path": f"{CONTAINER}/0/image", "value": "mirror/shop:2"}],
            {"images": [{"from": "shop:1", "to": "mirror/shop:2", "container": "app"}]},
        ),
        (
            [{"path": f"{CONTAINER}/-2/image", "value": "x:2"}],
            {"images": [{"from": "shop:1", "to": "x:2", "container": "app"}]},
        ),
        ([{"path": f"{CONTAINER}/0/env/1/value", "value": "9"}], {"env": {"web/app": {"B": "9"}}}),
        (
            [{"op": "add", "path": f"{CONTAINER}/0/env/-", "value": {"name": "C", "value": "3"}}],
            {"env": {"web/app": {"C": "3"}}},
        ),
        ([{"path": f"{CONTAINER}/1/args", "value": ["-v"]}], {"args": {"web/log": ["-v"]}}),
        ([{"op": "add", "path": f"{CONTAINER}/1/command", "value": ["run"]}], {"command": {"web/log": ["run"]}}),
        (
            [{"path": "/metadata/labels", "value": {"a": "b"}}],  # missing, with its parent there: replace sets it
            patch("add", "/metadata/labels", value={"a": "b"}),
        ),
        (
            [{"op": "remove", "path": f"{CONTAINER}/-1"}],
            patch("remove", f"{CONTAINER}/1"),
        ),
        (
            [{"path": f"{CONTAINER}/0/env/0", "value": FROM_FIELD}],
            patch("replace", f"{CONTAINER}/0/env/0", value=FROM_FIELD),
        ),
    ],
)  # fmt: skip
def test_an_override_becomes_what_it_means(overrides: list[Json], wanted: Json) -> None:
    found = translated(federated(overrides=[{"clusterName": "c2", "clusterOverrides": overrides}]))
    assert spec_of(found)["differences"] == [{"clusters": ["c2"], **wanted}]


def test_clusters_of_the_same_overrides_share_a_difference() -> None:
    same = [{"path": "/spec/replicas", "value": 5}]
    found = translated(
        federated(overrides=[{"clusterName": n, "clusterOverrides": same} for n in ("c1", "c3")]),
    )
    assert spec_of(found)["differences"] == [{"clusters": ["c1", "c3"], "replicas": {"web": 5}}]


ENTANGLED: list[list[Json]] = [
    [
        {"op": "add", "path": f"{CONTAINER}/0", "value": {"name": "first", "image": "f:1"}},
        {"path": f"{CONTAINER}/1/image", "value": "shop:2"},
        {"path": "/spec/replicas", "value": 7},
    ],
    [
        {"path": f"{CONTAINER}/0/image", "value": "shop:2"},
        {"op": "remove", "path": f"{CONTAINER}/0/env/0"},
        {"path": f"{CONTAINER}/0/env/0/value", "value": "was B"},
    ],
    [
        {"op": "add", "path": f"{CONTAINER}/0/env/-", "value": {"name": "Z", "value": "1"}},
        {"op": "add", "path": f"{CONTAINER}/0/env/-1", "value": {"name": "C", "value": "2"}},
    ],
    [
        {"path": f"{CONTAINER}/0/image", "value": "lost:1"},
        {"path": f"{CONTAINER}/0", "value": {"name": "app", "image": "whole:1"}},
    ],
    [{"op": "remove", "path": "/spec/replicas"}, {"path": "/spec/paused", "value": True}],
    [{"path": "/metadata/labels", "value": {}}, {"op": "add", "path": "/metadata/labels/x~1y", "value": "z"}],
]


@pytest.mark.parametrize("overrides", ENTANGLED)
def test_what_is_rendered_is_what_kubefed_would_have_made(overrides: list[Json]) -> None:
    one = federated(overrides=[{"clusterName": "c1", "clusterOverrides": overrides}])
    for by_name in (True, False):
        found = translate(CONFIGS["Deployment"], one, None, control(), by_name=by_name)
        got = rendered(found)
        assert got.keys() == found.expected.keys() == CLUSTERS.keys()
        assert got == dict(found.expected)


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ({"path": "/metadata/annotations/foo", "value": "x"}, "there is no annotations on the way"),
        ({"op": "remove", "path": "/spec/paused"}, "not there to be removed"),
        ({"path": f"{CONTAINER}/2/image", "value": "x"}, "there is no 2 on the way"),
        ({"op": "add", "path": f"{CONTAINER}/3", "value": {}}, "beyond the end"),
        ({"path": f"{CONTAINER}/-", "value": {}}, "no index"),
        ({"path": f"{CONTAINER}/-3", "value": {}}, "before the beginning"),
        ({"path": "/metadata/name", "value": "x"}, "may not be changed"),
        ({"path": "spec/replicas", "value": 1}, "doesn't begin with /"),
        ({"op": "test", "path": "/spec/replicas", "value": 2}, "none of add, remove and replace"),
        ({"path": "/spec/replicas/x", "value": 2}, "nothing to change it in"),
    ],
)
def test_an_override_that_does_not_apply_is_refused_with_its_field(override: Json, why: str) -> None:
    found = translated(federated(overrides=[{"clusterName": "c1", "clusterOverrides": [override]}]))
    assert found.application is None
    (refusal,) = [f for f in found.findings if f.refuses]
    assert refusal.field == "spec.overrides[0]" and why in refusal.why and "c1" in refusal.why


def test_an_override_that_does_not_apply_where_nothing_is_is_left_out_and_told() -> None:
    bad = {"clusterName": "c3", "clusterOverrides": [{"op": "remove", "path": "/spec/paused"}]}
    found = translated(federated(placement=named("c1"), overrides=[bad]))
    assert "differences" not in spec_of(found)
    assert [f.field for f in found.findings] == ["spec.overrides[0]"]


def test_the_same_path_or_cluster_twice_is_refused() -> None:
    one = {"path": "/spec/replicas", "value": 1}
    with pytest.raises(OverrideError, match="changed twice"):
        plain(template(), [msgspec.convert(one, Override)] * 2)
    found = translated(federated(overrides=[{"clusterName": "c1", "clusterOverrides": []}] * 2))
    assert found.refused and "twice" in found.findings[-1].why


def test_too_many_ways_to_differ_are_refused() -> None:
    overrides = [
        {"clusterName": f"n{i}", "clusterOverrides": [{"path": "/spec/replicas", "value": i}]} for i in range(101)
    ]
    one = federated(overrides=overrides)
    assert one.spec is not None
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **template()}
    with pytest.raises(OverrideError, match="101 ways"):
        differences(body, one.spec.overrides or ())


@pytest.mark.parametrize(
    ("own", "around", "placement", "where"),
    [
        (named("c1", "c9"), EVERYWHERE, {"clusters": ["c1", "c9"]}, {"c1"}),
        ({"clusters": []}, EVERYWHERE, {"where": "false"}, set()),
        ({}, EVERYWHERE, {"where": "false"}, set()),
        (EVERYWHERE, {}, {"where": "false"}, set()),
        (EVERYWHERE, EVERYWHERE, {"all": True}, {"c1", "c2", "c3"}),
        (labelled(), {"clusterSelector": {"matchExpressions": []}}, {"all": True}, set(CLUSTERS)),
        ({**named("c1"), **labelled(env="test")}, EVERYWHERE, {"clusters": ["c1"]}, {"c1"}),
        (labelled(**PROD), named("c2", "c3"), {"clusters": ["c2", "c3"], "selector": {"matchLabels": PROD}}, {"c2"}),
        (named("c1", "c2"), named("c2"), {"clusters": ["c2"]}, {"c2"}),
        (labelled(env="prod"), labelled(zone="a"), {"selector": {"matchLabels": {"env": "prod", "zone": "a"}}}, {"c1"}),
        (labelled(**PROD), labelled(env="test"), {"selector": {"matchLabels": PROD, **ALSO_TEST}}, set()),
    ],
)  # fmt: skip
def test_placement_means_the_same_clusters_now_and_later(
    own: Json, around: Json, placement: Json, where: set[str]
) -> None:
    found = translated(federated(placement=own), how=control(around))
    assert spec_of(found)["placement"] == placement
    assert set(found.expected) == where == set(rendered(found))


def test_a_namespace_that_is_not_federated_places_nothing() -> None:
    assert spec_of(translated(federated(), how=Control(CLUSTERS, {})))["placement"] == {"where": "false"}
    assert spec_of(translated(federated(), how=Control(CLUSTERS, None)))["placement"] == {"all": True}


def test_a_selector_with_an_unknown_operator_is_refused() -> None:
    own = {"clusterSelector": {"matchExpressions": [{"key": "env", "operator": "Gt", "values": ["1"]}]}}
    found = translated(federated(placement=own))
    assert found.refused
    assert found.findings[-1].field == "spec.placement.clusterSelector.matchExpressions[0].operator"


def test_a_preference_becomes_a_total_that_is_divided_as_kubefed_does() -> None:
    rsp = preference(
        totalReplicas=9, rebalance=True,
        clusters={"c1": {"weight": 2, "minReplicas": 1}, "*": {"weight": 1, "maxReplicas": 4}, "c3": {"weight": 1}},
    )  # fmt: skip
    wanted = {"c1": Preference(2, 1), "c2": Preference(1, 0, 4), "c3": Preference(1)}
    shares = kubefed(9, wanted, key="demo/web", current={}, capacity={}, rebalance=True)
    one = federated(
        placement={"clusters": [{"name": n} for n in CLUSTERS]},
        overrides=[
            {"clusterName": n, "clusterOverrides": [{"path": "/spec/replicas", "value": v}]} for n, v in shares.items()
        ],
    )
    found = translated(one, rsp)
    spec = spec_of(found)
    assert spec["replicas"] == {
        "total": 9, "divide": "kubefed", "rebalance": True, "weights": {"c1": 2, "*": 1, "c3": 1},
        "limits": {"c1": {"min": 1}, "*": {"max": 4}, "c3": {"min": 0}},
    }  # fmt: skip
    assert spec["placement"] == {"all": True} and "differences" not in spec
    assert {name: body["spec"]["replicas"] for name, body in rendered(found).items()} == shares


def test_a_preference_may_keep_to_the_cluster_selectors() -> None:
    rsp = preference(totalReplicas=3, intersectWithClusterSelector=True)
    own = {"clusters": [{"name": "c1"}], "clusterSelector": {"matchLabels": {"env": "prod"}}}
    spec = spec_of(translated(federated(placement=own), rsp))
    assert spec["placement"] == {"selector": {"matchLabels": {"env": "prod"}}}
    assert spec["replicas"] == {"total": 3, "divide": "kubefed"}


def test_retained_replicas_are_retained_where_overrides_leave_them() -> None:
    kept = translated(federated(retainReplicas=True))
    assert spec_of(kept)["retain"] == [{"target": {"kind": "Deployment", "name": "web"}, "path": "/spec/replicas"}]
    fixed = [{"clusterName": n, "clusterOverrides": [{"path": "/spec/replicas", "value": 3}]} for n in CLUSTERS]
    everywhere = translated(federated(retainReplicas=True, overrides=fixed))
    assert "retain" not in spec_of(everywhere) and everywhere.findings[0].field == "spec.retainReplicas"
    some = translated(federated(retainReplicas=True, overrides=fixed[:1]))
    assert some.refused and some.findings[0].field == "spec.retainReplicas"


def test_what_kubefed_drops_from_a_template_is_left_out_and_told() -> None:
    one = template() | {
        "metadata": {"annotations": {"a": "b"}, "finalizers": ["x/y"], "labels": {"l": "m"}, "name": "other"}
    }
    found = translated(federated(template=one))
    (manifest,) = spec_of(found)["manifests"]
    assert manifest["metadata"] == {"labels": {"l": "m"}, "name": "web", "namespace": "demo"}
    assert [f.field for f in found.findings] == [f"spec.template.metadata.{f}" for f in ("annotations", "finalizers")]


def test_what_stands_on_the_object_is_carried_over_or_told() -> None:
    metadata = {
        "labels": {"team": "x"},
        "annotations": {"kubefed.io/orphan": "true", "kubefed.io/deleteoption": "{}", "note": "1"},
        "finalizers": ["kubefed.io/sync-controller", "else.where/held"],
        "ownerReferences": [{"kind": "Thing", "name": "t"}],
    }
    found = translated(federated(metadata=metadata))
    assert found.application is not None
    assert found.application["metadata"]["labels"] == {"team": "x"}
    assert spec_of(found)["deletion"] == "orphan" and spec_of(found)["adopt"] is True
    assert [f.field for f in found.findings] == [
        "metadata.annotations[kubefed.io/deleteoption]", "metadata.annotations", "metadata.ownerReferences",
        "metadata.finalizers",
    ]  # fmt: skip


def test_objects_that_propagate_nothing_are_refused() -> None:
    off = msgspec.structs.replace(
        CONFIGS["Deployment"], spec=msgspec.structs.replace(CONFIGS["Deployment"].spec, propagation="Disabled")
    )
    assert translate(off, federated(), None, control()).findings[-1].field == "propagation"
    assert translated(msgspec.structs.replace(federated(), spec=None)).findings[-1].field == "spec.template"


def test_a_cluster_scoped_object_needs_a_namespace_that_may_reach() -> None:
    rules = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    one = federated("ClusterRole", template=rules, metadata={"namespace": ""})
    assert translated(one).findings[-1].field == "metadata.namespace"
    assert translated(one, how=Control(CLUSTERS, {}, home="ops")).refused
    found = translated(one, how=Control(CLUSTERS, {}, home="ops", reaching=frozenset({"ops"})))
    assert spec_of(found)["placement"] == {"all": True}
    assert found.application is not None and found.application["metadata"]["name"] == "clusterrole-web"
    assert found.application["metadata"]["namespace"] == "ops" and found.expected["c1"]["rules"] == rules["rules"]
