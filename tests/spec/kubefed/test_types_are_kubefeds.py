"""KubeFed's own types: read and written as KubeFed 0.10 reads and writes them."""

from typing import Any

import msgspec
import pytest

from atoll.api.kubefed.definitions import crds, federated_crd
from atoll.api.kubefed.federated import ClusterPropagation, Federated, FederatedSpec, FederatedStatus, Placement
from atoll.api.kubefed.typeconfig import FederatedTypeConfig, plural_of, with_defaults
from atoll.api.kubefed.types import ENABLED, TargetType, body_of, federated_type, type_config


def spec(**fields: Any) -> FederatedSpec:
    return msgspec.convert(fields, FederatedSpec)


def test_no_clusters_and_clusters_left_out_are_two_things() -> None:
    assert spec(placement={"clusters": []}).placement == Placement(clusters=())
    assert spec(placement={}).placement == Placement(clusters=None)
    assert msgspec.json.encode(spec(placement={"clusters": []})) == b'{"placement":{"clusters":[]}}'


def test_an_empty_selector_and_none_are_two_things() -> None:
    assert spec(placement={"clusterSelector": {}}).placement != spec(placement={}).placement


def test_a_federated_object_without_spec_is_read() -> None:
    live = {"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedJob", "metadata": {"name": "x"}}
    assert msgspec.convert(live, Federated).spec is None


def test_statuses_are_written_without_what_is_empty() -> None:
    status = FederatedStatus(clusters=(ClusterPropagation("a"), ClusterPropagation("b", "CreationFailed")))
    assert msgspec.json.decode(msgspec.json.encode(status)) == {
        "clusters": [{"name": "a"}, {"name": "b", "status": "CreationFailed"}]
    }


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Service", "services"),
        ("Ingress", "ingresses"),
        ("Box", "boxes"),
        ("Batch", "batches"),
        ("NetworkPolicy", "networkpolicies"),
        ("Piano", "pianoes"),
        ("Day", "daies"),
    ],
)
def test_plurals_are_guessed_as_kubefed_guesses_them(kind: str, plural: str) -> None:
    assert plural_of(kind) == plural


def test_what_a_type_config_leaves_out_is_taken_from_its_name_and_its_kinds() -> None:
    written = {
        "metadata": {"name": "deployments.apps"},
        "spec": {
            "propagation": "Enabled",
            "targetType": {"version": "v1", "kind": "Deployment", "pluralName": "", "scope": "Namespaced"},
            "federatedType": {
                "group": "types.kubefed.io",
                "version": "v1beta1",
                "kind": "FederatedDeployment",
                "pluralName": "",
                "scope": "Namespaced",
            },
            "statusType": {"version": "", "kind": "FederatedDeploymentStatus", "pluralName": "", "scope": "Namespaced"},
        },
    }
    known = with_defaults(msgspec.convert(written, FederatedTypeConfig)).spec
    assert known.target_type.qualified == "deployments.apps"
    assert known.federated_type.plural_name == "federateddeployments"
    assert known.status_type is not None
    assert known.status_type.plural_name == "federateddeploymentstatuses"
    assert known.status_type.api_version == "types.kubefed.io/v1beta1"


def test_namespaces_are_federated_in_the_namespace_itself() -> None:
    namespaces = next(target for target in ENABLED if target.kind == "Namespace")
    config = type_config(namespaces)
    assert config.spec.target_type.scope == "Cluster"
    assert config.spec.federated_type.scope == "Namespaced"
    assert config.of_namespaces
    assert config.federated_namespaced
    assert federated_crd(federated_type(namespaces))["spec"]["scope"] == "Namespaced"


def test_a_type_config_says_which_group_where_there_is_one() -> None:
    secrets = next(target for target in ENABLED if target.kind == "Secret")
    assert body_of(type_config(secrets, namespace="fed")) == {
        "apiVersion": "core.kubefed.io/v1beta1",
        "kind": "FederatedTypeConfig",
        "metadata": {"name": "secrets", "namespace": "fed"},
        "spec": {
            "targetType": {"version": "v1", "kind": "Secret", "pluralName": "secrets", "scope": "Namespaced"},
            "propagation": "Enabled",
            "federatedType": {
                "group": "types.kubefed.io",
                "version": "v1beta1",
                "kind": "FederatedSecret",
                "pluralName": "federatedsecrets",
                "scope": "Namespaced",
            },
        },
    }


def properties(body: Any) -> dict[str, Any]:
    found: dict[str, Any] = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return found


def test_only_what_scales_can_retain_its_replicas() -> None:
    scaled, fixed = (TargetType("x.io", "v1", "Thing", "things", scalable=scalable) for scalable in (True, False))
    assert properties(federated_crd(federated_type(scaled)))["spec"]["properties"]["retainReplicas"] == {
        "type": "boolean",
        "description": "Whether a member's own number of replicas stays, as an autoscaler there wants it.",
    }
    assert "retainReplicas" not in properties(federated_crd(federated_type(fixed)))["spec"]["properties"]


def test_short_names_begin_with_f() -> None:
    target = TargetType("x.io", "v1", "Thing", "things", short_names=("th", "tg"))
    assert federated_crd(federated_type(target))["spec"]["names"] == {
        "kind": "FederatedThing",
        "plural": "federatedthings",
        "shortNames": ["fth", "ftg"],
    }


def test_nothing_may_be_null_where_kubefed_lets_nothing_be_null() -> None:
    def nullable(schema: Any) -> bool:
        if isinstance(schema, dict):
            return "nullable" in schema or any(map(nullable, schema.values()))
        return isinstance(schema, list) and any(map(nullable, schema))

    assert not nullable(crds())
    assert not nullable([federated_crd(federated_type(target)) for target in ENABLED])
