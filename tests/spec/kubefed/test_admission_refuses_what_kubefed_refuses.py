"""The rules of KubeFed's webhooks, one by one: what is refused, and with which field."""

import copy
from typing import Any

import msgspec
import pytest

from atoll.api.kubefed import validation
from atoll.api.kubefed.config import KubeFedConfig
from atoll.api.kubefed.defaulting import with_defaults
from atoll.api.kubefed.types import ENABLED, body_of, type_config
from atoll.api.objects import Json

TYPE_CONFIG: Json = body_of(type_config(next(target for target in ENABLED if target.kind == "Deployment")))
TYPE_CONFIG["spec"]["statusType"] = {
    "group": "types.kubefed.io",
    "version": "v1beta1",
    "kind": "FederatedDeploymentStatus",
    "pluralName": "federateddeploymentstatuses",
    "scope": "Namespaced",
}
TYPE_CONFIG["spec"]["statusCollection"] = "Enabled"
TYPE_CONFIG["status"] = {"observedGeneration": 1, "propagationController": "Running", "statusController": "NotRunning"}
CLUSTER: Json = {
    "metadata": {"name": "c1"},
    "spec": {"apiEndpoint": "https://10.0.0.1:6443", "secretRef": {"name": "c1-x7"}, "proxyURL": "socks5://proxy"},
    "status": {"conditions": [{"type": "Ready", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z"}]},
}
BARE: Json = {"metadata": {"name": "kubefed"}, "spec": {"scope": "Cluster"}}
CONFIG: Json = msgspec.json.decode(msgspec.json.encode(with_defaults(msgspec.convert(BARE, KubeFedConfig))))


def changed(body: Json, path: str, value: Any) -> Json:
    """`body` with `value` at `path`; None takes it away."""
    result = copy.deepcopy(body)
    *way, last = path.split(".")
    place: Any = result
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


def test_what_is_well_formed_passes() -> None:
    assert validation.type_config(TYPE_CONFIG) == ()
    assert validation.type_config(TYPE_CONFIG, "status") == ()
    assert validation.cluster(CLUSTER) == ()
    assert validation.cluster(CLUSTER, "status") == ()
    assert validation.config(CONFIG) == ()
    assert validation.config(CONFIG, CONFIG) == ()
    for target in ENABLED:
        assert validation.type_config(body_of(type_config(target))) == ()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("metadata.name", "deployments", 'name: Invalid value: "deployments"'),
        ("spec.targetType.version", "", "spec.targetType.version: Required value"),
        ("spec.targetType.version", "Alpha", 'spec.targetType.version: Invalid value: "Alpha"'),
        ("spec.targetType.kind", "", "spec.targetType.kind: Required value"),
        ("spec.targetType.kind", "Invalid.Kind", 'spec.targetType.kind: Invalid value: "Invalid.Kind"'),
        ("spec.targetType.scope", "", "spec.targetType.scope: Required value"),
        ("spec.targetType.scope", "World", 'spec.targetType.scope: Unsupported value: "World"'),
        ("spec.targetType.group", "a#b", 'spec.targetType.group: Invalid value: "a#b"'),
        ("spec.propagation", "", "spec.propagation: Required value"),
        (
            "spec.propagation",
            "On",
            'spec.propagation: Unsupported value: "On": supported values: "Enabled", "Disabled"',
        ),
        ("spec.federatedType.group", "", "spec.federatedType.group: Required value"),
        ("spec.federatedType.group", "nodomain", 'spec.federatedType.group: Invalid value: "nodomain"'),
        ("spec.federatedType.pluralName", "2x", 'spec.federatedType.pluralName: Invalid value: "2x"'),
        ("spec.federatedType.pluralName", "", "spec.federatedType.pluralName: Required value"),
        ("spec.statusType.group", "", "spec.statusType.group: Required value"),
        ("spec.statusCollection", "Maybe", 'spec.statusCollection: Unsupported value: "Maybe"'),
        ("spec.targetType.kind", 5, "spec.targetType.kind: Invalid value: expected `str`, got `int`"),
    ],
)
def test_a_type_config_is_refused(path: str, value: Any, said: str) -> None:
    issues = [str(issue) for issue in validation.type_config(changed(TYPE_CONFIG, path, value))]
    assert any(issue.startswith(said) for issue in issues), issues


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("status.observedGeneration", -1, "status.observedGeneration: Invalid value: -1"),
        ("status.propagationController", "", "status.propagationController: Required value"),
        ("status.propagationController", "Idle", 'status.propagationController: Unsupported value: "Idle"'),
        ("status.statusController", "Idle", 'status.statusController: Unsupported value: "Idle"'),
    ],
)
def test_the_status_of_a_type_config_is_refused(path: str, value: Any, said: str) -> None:
    (issue,) = validation.type_config(changed(TYPE_CONFIG, path, value), "status")
    assert str(issue).startswith(said)
    assert validation.type_config(changed(TYPE_CONFIG, path, value)) == ()


@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
@pytest.mark.parametrize("host", ["example.com", "192.0.2.219", "[2001:db8:25a4:8d2::1]", "localhost"])
@pytest.mark.parametrize("port", ["", ":1", ":65535"])
@pytest.mark.parametrize("path", ["", "/", "/path/to"])
def test_an_endpoint_is_a_url_or_a_host_with_a_port(scheme: str, host: str, port: str, path: str) -> None:
    issues = validation.cluster(changed(CLUSTER, "spec.apiEndpoint", scheme + host + port + path))
    assert bool(issues) == (not scheme and path == "/path/to")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.apiEndpoint", "", "spec.apiEndpoint: Required value"),
        ("spec.apiEndpoint", "https://", 'spec.apiEndpoint: Invalid value: "https://"'),
        ("spec.apiEndpoint", "tcp://a.example", 'spec.apiEndpoint: Unsupported value: "tcp"'),
        ("spec.apiEndpoint", "a.example:port80", "spec.apiEndpoint: Invalid value"),
        ("spec.apiEndpoint", "a.example:-80", "spec.apiEndpoint: Invalid value"),
        ("spec.apiEndpoint", "a.example:0", "spec.apiEndpoint: Invalid value: 0: must be between 1 and 65535"),
        ("spec.apiEndpoint", "a.example:65536", "spec.apiEndpoint: Invalid value: 65536"),
        ("spec.apiEndpoint", "a b", "spec.apiEndpoint: Invalid value"),
        ("spec.secretRef.name", "", "spec.secretRef.name: Required value"),
        ("spec.secretRef.name", "A_b", 'spec.secretRef.name: Invalid value: "A_b"'),
        ("spec.disabledTLSValidations", ["Name"], 'spec.disabledTLSValidations: Unsupported value: "Name"'),
        ("spec.disabledTLSValidations", [""], "spec.disabledTLSValidations: Required value"),
        ("spec.disabledTLSValidations", ["SubjectName", "*"], "spec.disabledTLSValidations: Invalid value: "),
        ("spec.proxyURL", "socks6://a", 'spec.proxyURL: Invalid value: "socks6://a"'),
        ("spec.proxyURL", "a.example", 'spec.proxyURL: Invalid value: "a.example"'),
        ("spec.proxyURL", "http://[::1", 'spec.proxyURL: Invalid value: "http://[::1"'),
    ],
)
def test_a_cluster_is_refused(path: str, value: Any, said: str) -> None:
    (issue,) = validation.cluster(changed(CLUSTER, path, value))
    assert str(issue).startswith(said)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("type", "", "type: Required value"),
        ("type", "Tired", 'type: Unsupported value: "Tired"'),
        ("status", "", "status: Required value"),
        ("status", "Perhaps", 'status: Unsupported value: "Perhaps"'),
        ("lastProbeTime", "", "lastProbeTime: Required value"),
    ],
)
def test_the_status_of_a_cluster_is_refused(field: str, value: str, said: str) -> None:
    (issue,) = validation.cluster(changed(CLUSTER, f"status.conditions.0.{field}", value), "status")
    assert str(issue).startswith(f"status.conditions[0].{said}")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.scope", "", "spec.scope: Required value"),
        ("spec.scope", "World", 'spec.scope: Unsupported value: "World"'),
        ("spec.controllerDuration", None, "spec.controllerDuration: Required value"),
        ("spec.controllerDuration.availableDelay", None, "spec.controllerDuration.availableDelay: Required value"),
        ("spec.controllerDuration.unavailableDelay", "0s", "spec.controllerDuration.unavailableDelay: Invalid value"),
        ("spec.controllerDuration.cacheSyncTimeout", "-1s", "spec.controllerDuration.cacheSyncTimeout: Invalid value"),
        ("spec.controllerDuration.cacheSyncTimeout", "5", "spec.controllerDuration.cacheSyncTimeout: Invalid value"),
        ("spec.leaderElect", None, "spec.leaderElect: Required value"),
        ("spec.leaderElect.leaseDuration", "10s", 'spec.leaderElect.leaseDuration: Invalid value: "10s"'),
        ("spec.leaderElect.renewDeadline", "6s", 'spec.leaderElect.renewDeadline: Invalid value: "6s"'),
        ("spec.leaderElect.retryPeriod", None, "spec.leaderElect.retryPeriod: Required value"),
        ("spec.leaderElect.resourceLock", None, "spec.leaderElect.resourceLock: Required value"),
        ("spec.leaderElect.resourceLock", "leases", 'spec.leaderElect.resourceLock: Unsupported value: "leases"'),
        ("spec.featureGates", None, "spec.featureGates: Required value"),
        ("spec.featureGates.0.name", "SchedulerPreferences", "spec.featureGates.name: Duplicate value"),
        ("spec.featureGates.0.name", "Fast", 'spec.featureGates.name: Unsupported value: "Fast"'),
        ("spec.featureGates.0.configuration", "", "spec.featureGates.configuration: Required value"),
        ("spec.clusterHealthCheck", None, "spec.clusterHealthCheck: Required value"),
        ("spec.clusterHealthCheck.period", "0s", "spec.clusterHealthCheck.period: Invalid value"),
        ("spec.clusterHealthCheck.failureThreshold", 0, "spec.clusterHealthCheck.failureThreshold: Invalid value: 0"),
        ("spec.clusterHealthCheck.successThreshold", None, "spec.clusterHealthCheck.successThreshold: Required value"),
        ("spec.clusterHealthCheck.timeout", None, "spec.clusterHealthCheck.timeout: Required value"),
        ("spec.syncController", None, "spec.syncController: Required value"),
        ("spec.syncController.maxConcurrentReconciles", 0, "spec.syncController.maxConcurrentReconciles: Invalid"),
        ("spec.syncController.adoptResources", None, "spec.syncController.adoptResources: Required value"),
        ("spec.syncController.adoptResources", "Yes", 'spec.syncController.adoptResources: Unsupported value: "Yes"'),
        ("spec.statusController", None, "spec.statusController: Required value"),
        ("spec.statusController.maxConcurrentReconciles", -1, "spec.statusController.maxConcurrentReconciles: Inv"),
    ],
)
def test_a_config_is_refused(path: str, value: Any, said: str) -> None:
    (issue,) = validation.config(changed(CONFIG, path, value))
    assert str(issue).startswith(said)


def test_the_scope_of_a_control_plane_never_changes() -> None:
    (issue,) = validation.config(CONFIG, changed(CONFIG, "spec.scope", "Namespaced"))
    assert str(issue) == 'spec.scope: Invalid value: "Cluster": must not be changed'


def test_a_config_that_says_nothing_is_completed() -> None:
    assert CONFIG["spec"] == {
        "scope": "Cluster",
        "controllerDuration": {"availableDelay": "20s", "unavailableDelay": "1m0s", "cacheSyncTimeout": "5m0s"},
        "leaderElect": {
            "leaseDuration": "15s",
            "renewDeadline": "10s",
            "retryPeriod": "5s",
            "resourceLock": "configmaps",
        },
        "featureGates": [
            {"name": "PushReconciler", "configuration": "Enabled"},
            {"name": "RawResourceStatusCollection", "configuration": "Disabled"},
            {"name": "SchedulerPreferences", "configuration": "Enabled"},
        ],
        "clusterHealthCheck": {"period": "10s", "failureThreshold": 3, "successThreshold": 1, "timeout": "3s"},
        "syncController": {"maxConcurrentReconciles": 1, "adoptResources": "Enabled"},
        "statusController": {"maxConcurrentReconciles": 1},
    }


def test_what_a_config_says_is_kept_when_it_is_completed() -> None:
    said = {
        "scope": "Namespaced",
        "controllerDuration": {"availableDelay": "90s"},
        "featureGates": [{"name": "SchedulerPreferences", "configuration": "Disabled"}],
        "syncController": {"adoptResources": "Disabled"},
    }
    complete = with_defaults(msgspec.convert({"metadata": {"name": "kubefed"}, "spec": said}, KubeFedConfig)).spec
    assert complete.controller_duration is not None and complete.sync_controller is not None
    assert complete.controller_duration.available_delay == "1m30s"
    assert complete.controller_duration.unavailable_delay == "1m0s"
    assert complete.sync_controller.adopt_resources == "Disabled"
    assert [gate.configuration for gate in complete.feature_gates or ()] == ["Enabled", "Disabled", "Disabled"]


def test_a_complete_config_is_left_as_it_is_written() -> None:
    written = changed(CONFIG, "spec.controllerDuration.unavailableDelay", "60s")
    config = msgspec.convert(written, KubeFedConfig)
    assert with_defaults(config) is config
