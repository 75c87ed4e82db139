"""What the API server gets to hear, and what it is told to ask."""

import base64
import json
from typing import Any

import pytest

from atoll.api.issues import Issue
from atoll.api.objects import Json
from atoll.hub.hooks import by_service
from atoll.hub.kubefed.admission import JUDGED, configurations, defaulted, names, together, validated

CLUSTERS = next(judged for judged in JUDGED if judged.plural == "kubefedclusters")
CONFIGS = next(judged for judged in JUDGED if judged.plural == "kubefedconfigs")


def asked(plural: str, body: Json, operation: str = "CREATE", **more: Any) -> Json:
    resource = {"group": "core.kubefed.io", "version": "v1beta1", "resource": plural}
    return {"uid": "1", "operation": operation, "resource": resource, "object": body, **more}


BAD: Json = {"metadata": {"name": "c"}, "spec": {"apiEndpoint": "", "secretRef": {"name": "s"}}}


def test_a_refusal_is_forbidden_and_names_the_field() -> None:
    assert validated(asked("kubefedclusters", BAD), CLUSTERS) == {
        "allowed": False,
        "status": {
            "status": "Failure",
            "code": 403,
            "reason": "Forbidden",
            "message": "spec.apiEndpoint: Required value",
        },
    }


def test_what_is_not_its_own_or_is_no_write_passes() -> None:
    assert validated(asked("kubefedclusters", BAD, "DELETE"), CLUSTERS)["allowed"]
    assert validated(asked("pods", BAD), CLUSTERS)["allowed"]


def test_a_status_is_judged_by_itself() -> None:
    assert validated(asked("kubefedclusters", BAD, "UPDATE", subResource="status"), CLUSTERS)["allowed"]


def test_the_scope_is_compared_on_updates_only() -> None:
    config: Json = json.loads(base64.b64decode(defaulted(asked("kubefedconfigs", bare("Cluster")))["patch"]))[0]
    body = {"metadata": {"name": "kubefed"}, "spec": config["value"]}
    old = bare("Namespaced")
    assert validated(asked("kubefedconfigs", body, oldObject=old), CONFIGS)["allowed"]
    refused = validated(asked("kubefedconfigs", body, "UPDATE", oldObject=old), CONFIGS)
    assert refused["status"]["message"] == 'spec.scope: Invalid value: "Cluster": must not be changed'


def test_several_errors_are_listed_once_each() -> None:
    issues = [Issue("a", "Required value"), Issue("b", "Required value"), Issue("a", "Required value")]
    assert together(issues) == "[a: Required value, b: Required value]"


def bare(scope: str) -> Json:
    return {"metadata": {"name": "kubefed"}, "spec": {"scope": scope}}


def test_a_config_is_completed_by_a_patch_of_its_spec() -> None:
    answer = defaulted(asked("kubefedconfigs", bare("Cluster")))
    (patch,) = json.loads(base64.b64decode(answer["patch"]))
    assert (answer["allowed"], answer["patchType"], patch["path"]) == (True, "JSONPatch", "/spec")
    assert patch["value"]["controllerDuration"]["unavailableDelay"] == "1m0s"
    assert defaulted(asked("kubefedconfigs", {**bare("x"), "spec": patch["value"]})) == {"allowed": True}


def test_a_duration_that_is_none_is_left_for_the_validation_to_name() -> None:
    config = {"metadata": {"name": "k"}, "spec": {"scope": "Cluster", "controllerDuration": {"availableDelay": "90"}}}
    (patch,) = json.loads(base64.b64decode(defaulted(asked("kubefedconfigs", config))["patch"]))
    refused = validated(asked("kubefedconfigs", {**config, "spec": patch["value"]}), CONFIGS)
    assert refused["status"]["message"].startswith('spec.controllerDuration.availableDelay: Invalid value: "90"')


def test_a_config_of_another_form_is_refused() -> None:
    answer = defaulted(asked("kubefedconfigs", {"metadata": {"name": "k"}, "spec": {"scope": 5}}))
    assert answer["status"]["code"] == 400
    assert "$.spec.scope" in answer["status"]["message"]


def test_the_api_server_is_told_what_kubefed_told_it() -> None:
    told = configurations(by_service("fed", "webhook", b"ca"))
    assert [body["metadata"]["name"] for _, body in told] == ["validations.core.kubefed.io", "mutation.core.kubefed.io"]
    validating = {hook["name"]: hook for hook in told[0][1]["webhooks"]}
    clusters = validating["kubefedclusters.core.kubefed.io"]
    assert clusters["clientConfig"]["service"]["path"] == "/validate-kubefedcluster"
    assert clusters["failurePolicy"] == "Fail"
    status = validating["status.kubefedclusters.core.kubefed.io"]
    assert status["rules"][0]["resources"] == ["kubefedclusters/status"]
    assert status["failurePolicy"] == "Ignore"
    (defaults,) = told[1][1]["webhooks"]
    assert defaults["rules"][0]["operations"] == ["CREATE"]


@pytest.mark.parametrize("limited", ["", "team"])
def test_a_control_plane_of_one_namespace_asks_about_that_alone(limited: str) -> None:
    told = configurations(by_service("fed", "webhook", b"ca"), limited)
    assert [(resource, body["metadata"]["name"]) for resource, body in told] == list(names(limited))
    selectors = [hook.get("namespaceSelector") for _, body in told for hook in body["webhooks"]]
    expected = {"matchLabels": {"kubernetes.io/metadata.name": limited}} if limited else None
    assert all(selector == expected for selector in selectors)
