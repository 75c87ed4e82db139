"""What KubeFed's webhooks refuse, and with which field: pure functions over what is to be stored.

Each takes the object as it is to become; `subresource` is what of it is written ("" for all but the status).
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from atoll.api.common import Base
from atoll.api.issues import Issue
from atoll.api.kubefed import checks, godurations
from atoll.api.kubefed.cluster import KubeFedCluster, KubeFedClusterSpec
from atoll.api.kubefed.config import KubeFedConfig, LeaderElect
from atoll.api.kubefed.names import ClusterCondition, Controller, Gate, Lock, Scope, Switch, TlsCheck
from atoll.api.kubefed.typeconfig import ApiResource, FederatedTypeConfig
from atoll.api.objects import Json

T = TypeVar("T", bound=Base)

JITTER = 1.2
"""How much longer than the retry period a try may take: client-go's leaderelection.JitterFactor."""
_PLACE = re.compile(r" - at `\$?\.?(.*?)`$", re.DOTALL)


def type_config(body: Json, subresource: str = "") -> tuple[Issue, ...]:
    return _judged(
        body, FederatedTypeConfig, lambda config: _type_status(config) if subresource else _type_spec(config)
    )


def cluster(body: Json, subresource: str = "") -> tuple[Issue, ...]:
    return _judged(
        body,
        KubeFedCluster,
        lambda it: _cluster_status(it) if subresource == "status" else _cluster_spec(it.spec),
    )


def config(body: Json, old: Json | None = None) -> tuple[Issue, ...]:
    """`old` is what the object was before, on an update."""
    return _judged(body, KubeFedConfig, lambda it: _config(it, old))


def _judged(body: Json, kind: type[T], rules: Callable[[T], Iterator[Issue]]) -> tuple[Issue, ...]:
    try:
        read = msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        text = _PLACE.sub("", str(error))
        return (Issue(place[1] if place else "", f"Invalid value: {text[:1].lower()}{text[1:]}"),)
    return tuple(rules(read))


def _type_spec(config: FederatedTypeConfig) -> Iterator[Issue]:
    spec = config.spec
    if config.metadata.name != spec.target_type.qualified:
        yield checks.invalid(
            "name",
            config.metadata.name,
            f"must be the target type's plural and group, {spec.target_type.qualified or '<plural>[.<group>]'}",
        )
    yield from _api_resource(spec.target_type, "spec.targetType")
    yield from checks.one_of("spec.propagation", spec.propagation, tuple(Switch))
    yield from _federated(spec.federated_type, "spec.federatedType")
    if spec.status_type is not None:
        yield from _federated(spec.status_type, "spec.statusType")
    if spec.status_collection:
        yield from checks.one_of("spec.statusCollection", spec.status_collection, tuple(Switch))


def _federated(resource: ApiResource, path: str) -> Iterator[Issue]:
    if not resource.group:
        yield checks.required(f"{path}.group")
    elif "." not in resource.group:
        yield checks.invalid(f"{path}.group", resource.group, "must be a domain with at least one dot")
    yield from _api_resource(resource, path)


def _api_resource(resource: ApiResource, path: str) -> Iterator[Issue]:
    if resource.group:
        yield from checks.domain(f"{path}.group", resource.group)
    yield from checks.label(f"{path}.version", resource.version)
    yield from checks.label(f"{path}.kind", resource.kind.lower(), shown=resource.kind)
    yield from checks.label(f"{path}.pluralName", resource.plural_name)
    yield from checks.one_of(f"{path}.scope", resource.scope, tuple(Scope))


def _type_status(config: FederatedTypeConfig) -> Iterator[Issue]:
    status = config.status
    if status is None:
        yield checks.required("status.propagationController")
        return
    if status.observed_generation < 0:
        yield checks.invalid("status.observedGeneration", status.observed_generation, "must not be less than 0")
    yield from checks.one_of("status.propagationController", status.propagation_controller, tuple(Controller))
    if status.status_controller:
        yield from checks.one_of("status.statusController", status.status_controller, tuple(Controller))


def _cluster_spec(spec: KubeFedClusterSpec) -> Iterator[Issue]:
    yield from checks.endpoint("spec.apiEndpoint", spec.api_endpoint)
    if not spec.secret_ref.name:
        yield checks.required("spec.secretRef.name")
    else:
        yield from checks.domain("spec.secretRef.name", spec.secret_ref.name)
    unchecked, path = spec.disabled_tls_validations, "spec.disabledTLSValidations"
    for value in unchecked:
        yield from checks.one_of(path, value, tuple(TlsCheck))
    if TlsCheck.ALL in unchecked and len(unchecked) > 1:
        yield checks.invalid(path, list(unchecked), "* is everything: it must stand alone")
    if spec.proxy_url:
        yield from checks.proxy("spec.proxyURL", spec.proxy_url)


def _cluster_status(cluster: KubeFedCluster) -> Iterator[Issue]:
    for index, condition in enumerate(cluster.status.conditions if cluster.status else ()):
        path = f"status.conditions[{index}]"
        yield from checks.one_of(f"{path}.type", condition.type, tuple(ClusterCondition))
        yield from checks.one_of(f"{path}.status", condition.status, ("True", "False", "Unknown"))
        if not condition.last_probe_time:
            yield checks.required(f"{path}.lastProbeTime")


def _config(config: KubeFedConfig, old: Json | None) -> Iterator[Issue]:
    spec = config.spec
    yield from checks.one_of("spec.scope", spec.scope, tuple(Scope))
    before = ((old or {}).get("spec") or {}).get("scope")
    if old is not None and spec.scope != before:
        yield checks.invalid("spec.scope", spec.scope, "must not be changed")
    if spec.controller_duration is None:
        yield checks.required("spec.controllerDuration")
    else:
        durations, path = spec.controller_duration, "spec.controllerDuration"
        yield from checks.duration(f"{path}.availableDelay", durations.available_delay)
        yield from checks.duration(f"{path}.unavailableDelay", durations.unavailable_delay)
        yield from checks.duration(f"{path}.cacheSyncTimeout", durations.cache_sync_timeout)
    if spec.leader_elect is None:
        yield checks.required("spec.leaderElect")
    else:
        yield from _leader_elect(spec.leader_elect, "spec.leaderElect")
    yield from _gates(config)
    if spec.cluster_health_check is None:
        yield checks.required("spec.clusterHealthCheck")
    else:
        health, path = spec.cluster_health_check, "spec.clusterHealthCheck"
        yield from checks.duration(f"{path}.period", health.period)
        yield from checks.count(f"{path}.failureThreshold", health.failure_threshold)
        yield from checks.count(f"{path}.successThreshold", health.success_threshold)
        yield from checks.duration(f"{path}.timeout", health.timeout)
    if spec.sync_controller is None:
        yield checks.required("spec.syncController")
    else:
        sync, path = spec.sync_controller, "spec.syncController"
        yield from checks.count(f"{path}.maxConcurrentReconciles", sync.max_concurrent_reconciles)
        yield from checks.one_of(f"{path}.adoptResources", sync.adopt_resources or "", tuple(Switch))
    if spec.status_controller is None:
        yield checks.required("spec.statusController")
    else:
        yield from checks.count(
            "spec.statusController.maxConcurrentReconciles", spec.status_controller.max_concurrent_reconciles
        )


def _leader_elect(elect: LeaderElect, path: str) -> Iterator[Issue]:
    for name, value in (
        ("leaseDuration", elect.lease_duration),
        ("renewDeadline", elect.renew_deadline),
        ("retryPeriod", elect.retry_period),
    ):
        yield from checks.duration(f"{path}.{name}", value)
    lease, renew, retry = (_amount(value) for value in (elect.lease_duration, elect.renew_deadline, elect.retry_period))
    if lease is not None and renew is not None and lease <= renew:
        yield checks.invalid(f"{path}.leaseDuration", elect.lease_duration, "must be greater than renewDeadline")
    if renew is not None and retry is not None and renew <= int(retry * JITTER):
        yield checks.invalid(
            f"{path}.renewDeadline", elect.renew_deadline, f"must be greater than {JITTER} times retryPeriod"
        )
    yield from checks.one_of(f"{path}.resourceLock", elect.resource_lock or "", tuple(Lock))


def _amount(value: str | None) -> int | None:
    try:
        return None if value is None else godurations.nanoseconds(value)
    except ValueError:
        return None


def _gates(config: KubeFedConfig) -> Iterator[Issue]:
    if config.spec.feature_gates is None:
        yield checks.required("spec.featureGates")
        return
    seen: set[str] = set()
    for gate in config.spec.feature_gates:
        if gate.name in seen:
            yield checks.duplicate("spec.featureGates.name", gate.name)
            continue
        seen.add(gate.name)
        yield from checks.one_of("spec.featureGates.name", gate.name, tuple(Gate))
        yield from checks.one_of("spec.featureGates.configuration", gate.configuration, tuple(Switch))
