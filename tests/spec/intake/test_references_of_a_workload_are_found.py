"""Whatever a workload names in its namespace is found, wherever in the Pod it stands."""

from typing import Any

from atoll.intake.references import references

Json = dict[str, Any]


def workload(**pod: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "web"}], **pod}}},
    }


def names(body: Json) -> list[str]:
    return [str(reference) for reference in references(body)]


def test_variables() -> None:
    container = {
        "name": "web",
        "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
        "env": [
            {"name": "X", "value": "plain"},
            {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "Z", "valueFrom": {"secretKeyRef": {"name": "d", "key": "k"}}},
            {"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
    }
    wanted = ["ConfigMap/a", "Secret/b", "ConfigMap/c", "Secret/d"]
    assert names(workload(containers=[container])) == wanted
    assert names(workload(initContainers=[container])) == wanted


def test_volumes() -> None:
    volumes = [
        {"name": "1", "configMap": {"name": "a"}},
        {"name": "2", "secret": {"secretName": "b"}},
        {"name": "3", "persistentVolumeClaim": {"claimName": "c"}},
        {"name": "4", "projected": {"sources": [{"configMap": {"name": "d"}}, {"secret": {"name": "e"}}]}},
        {"name": "5", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "f"}}},
        {"name": "6", "azureFile": {"secretName": "g", "shareName": "s"}},
        {"name": "7", "iscsi": {"secretRef": {"name": "h"}}},
        {"name": "8", "emptyDir": {}},
        {"name": "9", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    assert names(workload(volumes=volumes)) == [
        *("ConfigMap/a", "Secret/b", "PersistentVolumeClaim/c", "ConfigMap/d", "Secret/e", "Secret/f", "Secret/g"),
        "Secret/h",
    ]


def test_account_and_pull_secrets() -> None:
    body = workload(serviceAccountName="shop", imagePullSecrets=[{"name": "registry"}])
    assert names(body) == ["ServiceAccount/shop", "Secret/registry"]


def test_needed_once_is_needed() -> None:
    maybe, must = {"configMapRef": {"name": "a", "optional": True}}, {"configMapRef": {"name": "a"}}
    [both] = references(workload(containers=[{"envFrom": [maybe]}, {"envFrom": [must]}]))
    [one] = references(workload(containers=[{"envFrom": [maybe]}]))
    assert (both.optional, one.optional) == (False, True)


def test_the_service_of_a_statefulset_and_pods_of_a_cronjob() -> None:
    stateful = {**workload(), "kind": "StatefulSet"}
    stateful["spec"] = {**stateful["spec"], "serviceName": "store"}
    assert names(stateful) == ["Service/store"]
    pod = {"containers": [{"name": "x", "envFrom": [{"secretRef": {"name": "a"}}]}]}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "x"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
    assert names(cron) == ["Secret/a"]


def test_strange_shapes_name_nothing() -> None:
    volumes = [{"configMap": None}, {"projected": {"sources": [None]}}, "text"]
    assert names(workload(volumes=volumes, containers=[{"env": [{"valueFrom": "x"}], "envFrom": "y"}])) == []
    assert names({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}) == []
