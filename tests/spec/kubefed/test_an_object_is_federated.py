"""`kubefedctl federate`: what of an object becomes the template of its federated one."""

from typing import Any

import pytest

from atoll.api.kubefed.types import ENABLED, TargetType, type_config
from atoll.api.objects import Json
from atoll.install.kinds import InstallError
from atoll.install.kubefed.federating import federated, of_file

TYPES = {target.kind: type_config(target) for target in ENABLED}


def live(kind: str, **parts: Any) -> Json:
    metadata = {
        "name": "web",
        "namespace": "demo",
        "uid": "u",
        "resourceVersion": "5",
        "labels": {"app": "web"},
        "annotations": {"note": "x"},
        "finalizers": ["keep"],
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "status": {"phase": "x"}, **parts}


def test_labels_are_kept_and_all_else_of_the_metadata_is_dropped() -> None:
    assert federated(TYPES["ConfigMap"], live("ConfigMap", data={"a": "b"})) == {
        "apiVersion": "types.kubefed.io/v1beta1",
        "kind": "FederatedConfigMap",
        "metadata": {"name": "web", "namespace": "demo"},
        "spec": {
            "template": {"metadata": {"labels": {"app": "web"}}, "data": {"a": "b"}},
            "placement": {"clusterSelector": {"matchLabels": {}}},
        },
    }


def test_what_a_cluster_gives_a_service_for_itself_is_dropped() -> None:
    ports = [{"port": 80, "nodePort": 30080}, {"port": 81}]
    spec = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ports": ports, "type": "NodePort"}
    service = live("Service", spec=spec)
    assert federated(TYPES["Service"], service)["spec"]["template"]["spec"] == {
        "ports": [{"port": 80}, {"port": 81}],
        "type": "NodePort",
    }
    assert service["spec"] is spec and ports[0]["nodePort"] == 30080


def test_an_account_goes_without_its_secrets() -> None:
    account = live("ServiceAccount", secrets=[{"name": "t"}], imagePullSecrets=[{"name": "p"}])
    template = federated(TYPES["ServiceAccount"], account)["spec"]["template"]
    assert "secrets" not in template
    assert template["imagePullSecrets"] == [{"name": "p"}]


def test_a_namespace_is_federated_inside_itself() -> None:
    body = {"metadata": {"name": "demo"}, "spec": {"finalizers": ["kubernetes"]}}
    made = federated(TYPES["Namespace"], body)
    assert made["metadata"] == {"name": "demo", "namespace": "demo"}
    assert made["spec"]["template"] == {"spec": {}}


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    made = federated(TYPES["ClusterRole"], {"metadata": {"name": "r"}, "rules": []})
    assert made["metadata"] == {"name": "r"}
    assert made["spec"]["template"] == {"rules": []}


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Deployment", "deployments"), ("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies")],
)
def test_manifests_are_federated_without_asking_a_server(kind: str, plural: str) -> None:
    (made,) = of_file([{"apiVersion": "x.io/v1", "kind": kind, "metadata": {"name": "a", "namespace": "b"}, "spec": 1}])
    assert made["kind"] == f"Federated{kind}"
    assert made["metadata"] == {"name": "a", "namespace": "b"}
    config = type_config(TargetType("x.io", "v1", kind, plural))
    assert config.spec.federated_type.plural_name == f"federated{plural}"


def test_a_document_that_is_no_object_is_refused() -> None:
    with pytest.raises(InstallError, match="no apiVersion or no kind"):
        of_file([{"metadata": {"name": "a"}}])
