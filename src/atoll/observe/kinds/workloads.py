"""Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController: Pods kept running."""

from typing import NamedTuple

import msgspec

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.observe.reading import (
    ABSENT,
    by_condition,
    conditions_of,
    healthy,
    number,
    progressing,
    spec_of,
    stale,
    status_of,
    suspended,
)

ROLLOUT = "RollingOut"
"""Reason of everything that is on its way as it should be."""


class Count(NamedTuple):
    """Pods of a workload."""

    desired: int
    total: int
    updated: int
    ready: int
    available: int


def _count(body: Json) -> Count:
    status = status_of(body)
    ready = number(status, "readyReplicas")
    return Count(
        desired=number(spec_of(body), "replicas", 1),
        total=number(status, "replicas"),
        updated=number(status, "updatedReplicas"),
        ready=ready,
        available=number(status, "availableReplicas", ready if body.get("kind") == "StatefulSet" else 0),
    )


def _with(count: Count, health: ObjectHealth) -> ObjectHealth:
    return msgspec.structs.replace(health, ready=min(count.ready, count.desired), desired=count.desired)


def deployment(body: Json) -> ObjectHealth:
    count = _count(body)
    return _with(count, _deployment(body, count))


def _deployment(body: Json, count: Count) -> ObjectHealth:
    conditions = conditions_of(body)
    failure, progress = conditions.get("ReplicaFailure", ABSENT), conditions.get("Progressing", ABSENT)
    if behind := stale(body, required=True):
        return behind
    if failure.true:
        return by_condition("Degraded", failure, "ReplicaFailure")
    if progress.false or progress.reason == "ProgressDeadlineExceeded":
        return by_condition("Degraded", progress, "NotProgressing")
    if spec_of(body).get("paused"):
        return suspended("its rollout is paused", reason="Paused")
    if count.updated < count.desired:
        return progressing(ROLLOUT, f"{count.updated} of {count.desired} replicas are updated")
    if count.total > count.updated:
        return progressing(ROLLOUT, f"{count.total - count.updated} old replicas are ending")
    if count.available < count.desired:
        return progressing(ROLLOUT, f"{count.available} of {count.desired} replicas are available")
    return healthy()


def stateful_set(body: Json) -> ObjectHealth:
    count = _count(body)
    return _with(count, _stateful_set(body, count))


def _stateful_set(body: Json, count: Count) -> ObjectHealth:
    status, strategy = status_of(body), spec_of(body).get("updateStrategy") or {}
    if behind := stale(body, required=True):
        return behind
    if count.ready < count.desired:
        return progressing(ROLLOUT, f"{count.ready} of {count.desired} replicas are ready")
    if count.available < count.desired:
        return progressing(ROLLOUT, f"{count.available} of {count.desired} replicas are available")
    if count.total > count.desired:
        return progressing(ROLLOUT, f"{count.total - count.desired} replicas are ending")
    if strategy.get("type") == "OnDelete":
        return healthy()
    if partition := number(strategy.get("rollingUpdate") or {}, "partition"):
        wanted = max(0, count.desired - partition)
        if count.updated < wanted:
            return progressing(ROLLOUT, f"{count.updated} of {wanted} replicas beyond the partition are updated")
        return healthy()
    if status.get("updateRevision") != status.get("currentRevision"):
        return progressing(ROLLOUT, f"{count.updated} of {count.desired} replicas are updated")
    return healthy()


def daemon_set(body: Json) -> ObjectHealth:
    status = status_of(body)
    desired, ready = number(status, "desiredNumberScheduled"), number(status, "numberReady")
    return msgspec.structs.replace(_daemon_set(body, desired), ready=min(ready, desired), desired=desired)


def _daemon_set(body: Json, desired: int) -> ObjectHealth:
    status, strategy = status_of(body), spec_of(body).get("updateStrategy") or {}
    updated, available = number(status, "updatedNumberScheduled"), number(status, "numberAvailable")
    if behind := stale(body, required=True):
        return behind
    if desired == 0:
        return healthy("no node matches it", reason="NoNodes")
    if updated < desired and strategy.get("type") != "OnDelete":
        return progressing(ROLLOUT, f"{updated} of {desired} nodes are updated")
    if available < desired:
        return progressing(ROLLOUT, f"{available} of {desired} nodes have it available")
    return healthy()


def replica_set(body: Json) -> ObjectHealth:
    """ReplicaSets and ReplicationControllers."""
    count = _count(body)
    failure = conditions_of(body).get("ReplicaFailure", ABSENT)
    if behind := stale(body, required=True):
        return _with(count, behind)
    if failure.true:
        return _with(count, by_condition("Degraded", failure, "ReplicaFailure"))
    if count.available < count.desired:
        return _with(count, progressing(ROLLOUT, f"{count.available} of {count.desired} replicas are available"))
    return _with(count, healthy())
