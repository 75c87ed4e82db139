"""`select`: live objects of the hub, without what the hub's own cluster allocated or noted."""

from copy import deepcopy
from typing import Any

import pytest

from atoll.api.application import Application, ApplicationMeta, ApplicationSpec, Select
from atoll.api.common import LabelSelector
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Json, ObjectId
from atoll.api.placement import Placement
from atoll.intake.native import template, translate


def live(api_version: str, kind: str, name: str = "x", *, namespace: str = "demo", **fields: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def service(**spec: Any) -> Json:
    return live("v1", "Service", spec=spec)


def job(labels: dict[str, str], **spec: Any) -> Json:
    return live(
        "batch/v1", "Job", spec={**spec, "template": {"metadata": {"labels": labels}}}, metadata={"labels": labels}
    )


HIDDEN = {
    "batch.kubernetes.io/controller-uid": "u",
    "controller-uid": "u",
    "job-name": "x",
    "batch.kubernetes.io/job-name": "x",
}
TOKEN = {"name": "kube-api-access-abc", "mountPath": "/var/run"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (live("v1", "ConfigMap", metadata={"finalizers": ["x/y"]}), live("v1", "ConfigMap")),
        (live("v1", "ConfigMap", metadata={"uid": "u", "resourceVersion": "1"}), live("v1", "ConfigMap")),
        # Service
        (
            service(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"], ipFamilies=["IPv4"], selector={"a": "b"}),
            service(selector={"a": "b"}),
        ),
        (service(clusterIP="None", clusterIPs=["None"]), service(clusterIP="None", clusterIPs=["None"])),
        (service(ipFamilyPolicy="RequireDualStack"), service(ipFamilyPolicy="RequireDualStack")),
        (
            service(healthCheckNodePort=31000, ports=[{"port": 80, "nodePort": 30000}, {"port": 81}]),
            service(ports=[{"port": 80}, {"port": 81}]),
        ),
        (service(type="ExternalName", externalName="x.org"), service(type="ExternalName", externalName="x.org")),
        # ServiceAccount and its tokens
        (
            live("v1", "ServiceAccount", secrets=[{"name": "t"}], imagePullSecrets=[{"name": "p"}]),
            live("v1", "ServiceAccount", imagePullSecrets=[{"name": "p"}]),
        ),
        (
            live(
                "v1",
                "Secret",
                type="kubernetes.io/service-account-token",
                data={"token": "t", "ca.crt": "c", "namespace": "n", "extra": "e"},
                metadata={
                    "annotations": {"kubernetes.io/service-account.name": "x", "kubernetes.io/service-account.uid": "u"}
                },
            ),
            live(
                "v1",
                "Secret",
                type="kubernetes.io/service-account-token",
                data={"extra": "e"},
                metadata={"annotations": {"kubernetes.io/service-account.name": "x"}},
            ),
        ),
        (
            live("v1", "Secret", type="Opaque", data={"token": "t"}),
            live("v1", "Secret", type="Opaque", data={"token": "t"}),
        ),
        # PersistentVolumeClaim
        (
            live(
                "v1",
                "PersistentVolumeClaim",
                spec={"volumeName": "pv-1", "storageClassName": "s"},
                metadata={
                    "annotations": {
                        "pv.kubernetes.io/bind-completed": "yes",
                        "volume.kubernetes.io/selected-node": "n",
                        "volume.kubernetes.io/storage-provisioner": "p",
                        "volume.beta.kubernetes.io/storage-provisioner": "p",
                    }
                },
            ),
            live("v1", "PersistentVolumeClaim", spec={"storageClassName": "s"}),
        ),
        # Job
        (job({**HIDDEN, "app": "x"}, selector={"matchLabels": {"controller-uid": "u"}}), job({"app": "x"})),
        (
            job({"app": "x"}, selector={"matchLabels": {"app": "x"}}, manualSelector=True),
            job({"app": "x"}, selector={"matchLabels": {"app": "x"}}, manualSelector=True),
        ),
        # Namespace
        (
            live(
                "v1",
                "Namespace",
                spec={"finalizers": ["kubernetes"]},
                metadata={"labels": {"kubernetes.io/metadata.name": "x", "a": "b"}},
            ),
            live("v1", "Namespace", spec={}, metadata={"labels": {"a": "b"}}),
        ),
        # Pod
        (
            live(
                "v1",
                "Pod",
                spec={
                    "nodeName": "n",
                    "priority": 0,
                    "volumes": [{"name": TOKEN["name"]}, {"name": "data"}],
                    "containers": [{"name": "a", "volumeMounts": [TOKEN, {"name": "data"}]}],
                    "initContainers": [{"name": "i", "volumeMounts": [TOKEN]}],
                },
            ),
            live(
                "v1",
                "Pod",
                spec={
                    "volumes": [{"name": "data"}],
                    "containers": [{"name": "a", "volumeMounts": [{"name": "data"}]}],
                    "initContainers": [{"name": "i"}],
                },
            ),
        ),
        (
            live("v1", "Pod", metadata={"labels": {"topology.kubernetes.io/zone": "z", "a": "b"}}),
            live("v1", "Pod", metadata={"labels": {"a": "b"}}),
        ),
        # what is nobody's but the user's stays, default fields too
        (
            live("apps/v1", "Deployment", spec={"replicas": 1, "revisionHistoryLimit": 10}),
            live("apps/v1", "Deployment", spec={"replicas": 1, "revisionHistoryLimit": 10}),
        ),
        (
            live("example.org/v1", "Service", spec={"clusterIP": "10.0.0.1"}),
            live("example.org/v1", "Service", spec={"clusterIP": "10.0.0.1"}),
        ),
    ],
)
def test_what_the_hubs_cluster_put_in_is_left_out(found: Json, expected: Json) -> None:
    before = deepcopy(found)
    assert template(found) == expected
    assert found == before


@pytest.mark.parametrize("kind", ["Service", "Secret", "ServiceAccount", "PersistentVolumeClaim", "Pod", "Namespace"])
@pytest.mark.parametrize("fields", [{}, {"spec": None}, {"spec": {"ports": None, "volumes": None, "containers": None}}])
def test_an_object_with_nothing_of_it_stays_the_same(kind: str, fields: Json) -> None:
    found = live("v1", kind, **fields)
    assert template(found) is found


WEB = Select("v1", "ConfigMap", label_selector=LabelSelector({"app": "web"}))
ONE = Select("v1", "ConfigMap", name="one")


def translated(select: Select, *found: Json, manifests: tuple[Json, ...] = ()) -> Intent:
    spec = ApplicationSpec(manifests=manifests, select=(select,), placement=Placement(all=True))
    app = Application(ApplicationMeta("shop", "demo", "uid-of-shop"), spec)
    return translate(app, selected={0: found}, scopes=lambda _: True, revision=Revision(1, "u", 1))


def names(intent: Intent) -> list[str]:
    return [m.id.name for m in intent.manifests]


def config(name: str, *, app: str = "web", **metadata: Any) -> Json:
    labels = {"app": app, **metadata.pop("labels", {})}
    return live("v1", "ConfigMap", name, metadata={"labels": labels, **metadata})


@pytest.mark.parametrize(
    ("select", "found", "expected"),
    [
        (ONE, [config("one"), config("two")], ["one"]),
        (ONE, [], []),
        (WEB, [config("b"), config("a"), config("c", app="api")], ["a", "b"]),  # in the order of names
        (Select("v1", "ConfigMap", label_selector=LabelSelector()), [config("a")], ["a"]),
        (Select("v1", "ConfigMap"), [config("a")], []),  # neither a name nor labels: nothing
        (Select("v1", "Secret", name="one"), [config("one")], []),
        (ONE, [config("one", namespace="other")], []),  # only what is in its own namespace
        (ONE, [config("one", deletionTimestamp="2026-01-01T00:00:00Z")], []),
        # by labels, what others make is not meant; by name it is
        (WEB, [config("one", ownerReferences=[{"uid": "o", "controller": True}])], []),
        (WEB, [config("one", ownerReferences=[{"uid": "o"}])], ["one"]),
        (ONE, [config("one", ownerReferences=[{"uid": "o", "controller": True}])], ["one"]),
        (WEB, [config("kube-root-ca.crt")], []),
        (
            WEB,
            [config("one", labels={"atoll.dev/app": "uid-of-shop"})],
            [],
        ),  # its own delivery, on a hub that is a member
        (WEB, [config("one", labels={"atoll.dev/app": "another"})], ["one"]),
    ],
)
def test_which_objects_are_selected(select: Select, found: list[Json], expected: list[str]) -> None:
    assert names(translated(select, *found)) == expected


def test_selected_objects_are_known_as_templates() -> None:
    inline = live("v1", "ConfigMap", "inline")
    intent = translated(WEB, config("a"), manifests=(inline,))
    assert names(intent) == ["inline", "a"]
    assert intent.templates == {ObjectId("", "ConfigMap", "demo", "a")}


def test_what_is_written_inline_counts_more_than_what_lives_on_the_hub() -> None:
    inline = live("v1", "ConfigMap", "a", data={"from": "inline"})
    intent = translated(WEB, config("a"), manifests=(inline,))
    assert [m.body.get("data") for m in intent.manifests] == [{"from": "inline"}]
    assert intent.templates == frozenset()


def test_an_object_that_two_entries_select_is_delivered_once() -> None:
    spec = ApplicationSpec(select=(WEB, ONE), placement=Placement(all=True))
    app = Application(ApplicationMeta("shop", "demo", "u"), spec)
    found = config("one")
    intent = translate(app, selected={0: [found], 1: [found]}, scopes=lambda _: True, revision=Revision(1, "u", 1))
    assert names(intent) == ["one"]
