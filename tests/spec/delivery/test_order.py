"""Namespaces, definitions, then waves; and within a wave, what others need first."""

import pytest

from atoll.api.objects import ObjectId
from atoll.deliver.order import Stage, stage_of


def stage(kind: str, group: str = "", wave: str = "") -> Stage:
    return stage_of(ObjectId(group, kind, "n", "x"), wave)


def test_namespaces_then_definitions_then_waves() -> None:
    crds = stage("CustomResourceDefinition", "apiextensions.k8s.io", "-9")
    order = [stage("Namespace", wave="9"), crds, stage("Pod", wave="-1"), stage("Pod"), stage("Pod", wave="2")]
    assert [s.step for s in order] == sorted(s.step for s in order)
    assert len({s.step for s in order}) == len(order)


def test_within_a_wave_accounts_and_settings_go_before_workloads_and_webhooks_last() -> None:
    kinds = [
        "ServiceAccount",
        "ConfigMap",
        "Role",
        "RoleBinding",
        "Service",
        "Deployment",
        "ValidatingWebhookConfiguration",
    ]
    ranks = [stage(kind).rank for kind in kinds]
    assert ranks == sorted(set(ranks))
    assert len({stage(kind).step for kind in kinds}) == 1


@pytest.mark.parametrize("wave", ["", "first", "1.5"])
def test_a_wave_that_is_no_number_is_the_usual_one(wave: str) -> None:
    assert stage("Pod", wave=wave) == stage("Pod", wave="0")


def test_kinds_of_the_same_name_in_other_groups_are_ordinary() -> None:
    assert stage("Namespace", "example.org").step == stage("Pod").step
