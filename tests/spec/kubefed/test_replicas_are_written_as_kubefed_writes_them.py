"""A ReplicaSchedulingPreference: what it wants, in planning's words, and what it changes on its target."""

from typing import Any

import msgspec
import pytest

from atoll.api.kubefed.federated import Federated
from atoll.api.kubefed.preference import PreferenceSpec
from atoll.api.replicas import ReplicaLimits
from atoll.intake.kubefed.preferences import change, replicas

Json = dict[str, Any]


def preference(**spec: Any) -> PreferenceSpec:
    return msgspec.convert({"targetKind": "FederatedDeployment", "totalReplicas": 9, **spec}, PreferenceSpec)


def test_without_clusters_all_are_alike() -> None:
    wanted = replicas(preference(), ("a", "b"))
    assert (wanted.total, wanted.divide, wanted.weights, wanted.limits) == (9, "kubefed", {"a": 1, "b": 1}, {})


def test_who_is_not_named_gets_what_the_star_says_or_nothing() -> None:
    named = {"a": {"weight": 2, "minReplicas": 1, "maxReplicas": 5}}
    wanted = replicas(preference(clusters=named), ("a", "b"))
    assert wanted.weights == {"a": 2, "b": 0}
    assert wanted.limits == {"a": ReplicaLimits(1, 5)}
    assert replicas(preference(clusters={**named, "*": {"weight": 3}}), ("a", "b")).weights == {"a": 2, "b": 3}


def target(**spec: Any) -> Federated:
    body = {"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment", "metadata": {"name": "web"}}
    return msgspec.convert({**body, "spec": {"template": {}, **spec}}, Federated)


def number(cluster: str, value: Any) -> Json:
    return {"clusterName": cluster, "clusterOverrides": [{"path": "/spec/replicas", "value": value}]}


def test_placement_and_numbers_are_written() -> None:
    assert change(target(), {"b": 1, "a": 2}) == {
        "spec": {
            "placement": {"clusters": [{"name": "a"}, {"name": "b"}]},
            "overrides": [number("a", 2), number("b", 1)],
        }
    }


@pytest.mark.parametrize("value", [2, 2.0])
def test_what_is_there_is_not_written_again(value: float) -> None:
    there = target(
        placement={"clusters": [{"name": "b"}, {"name": "a"}]}, overrides=[number("a", value), number("b", 1)]
    )
    assert change(there, {"a": 2, "b": 1}) is None


def test_other_overrides_stay_and_who_gets_no_share_loses_its_number() -> None:
    image = {"path": "/spec/template/spec/containers/0/image", "value": "x"}
    both = {"clusterName": "a", "clusterOverrides": [image, *number("a", 7)["clusterOverrides"]]}
    gone = {"clusterName": "c", "clusterOverrides": [image, *number("c", 1)["clusterOverrides"]]}
    there = target(placement={"clusters": [{"name": "a"}]}, overrides=[both, gone])
    assert change(there, {"a": 2}) == {
        "spec": {
            "overrides": [
                {"clusterName": "a", "clusterOverrides": [image, {"path": "/spec/replicas", "value": 2}]},
                {"clusterName": "c", "clusterOverrides": [image]},
            ]
        }
    }


def test_a_selector_in_the_placement_is_overruled_and_stays() -> None:
    there = target(placement={"clusterSelector": {}}, overrides=[number("a", 2)])
    assert change(there, {"a": 2}) == {"spec": {"placement": {"clusters": [{"name": "a"}]}}}
