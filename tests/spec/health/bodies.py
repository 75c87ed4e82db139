"""Live objects for the tables: only what rules read."""

from typing import Any

GENERATION = 3


def live(api_version: str, kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    """A live object of generation 3, seen by its controller unless `status` says otherwise."""
    meta = {"name": "web", "namespace": "shop", "generation": GENERATION} | metadata
    body: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "metadata": meta}
    if spec is not None:
        body["spec"] = spec
    if status is not None:
        body["status"] = status
    return body


def seen(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A status by a controller that has seen generation 3."""
    status: dict[str, Any] = {"observedGeneration": GENERATION} | fields
    if conditions:
        status["conditions"] = list(conditions)
    return status


def condition(kind: str, status: str, reason: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message} | more


def deployment(wanted: int = 3, *conditions: dict[str, Any], spec: Any = None, **status: Any) -> dict[str, Any]:
    """A Deployment whose rollout is complete, except for what `status` says."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
    return live("apps/v1", "Deployment", {"replicas": wanted} | (spec or {}), seen(*conditions, **(counts | status)))


def stateful_set(wanted: int = 3, *, spec: Any = None, **status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), wanted)
    revisions = {"currentRevision": "web-1", "updateRevision": "web-1"}
    return live("apps/v1", "StatefulSet", {"replicas": wanted} | (spec or {}), seen(**(counts | revisions | status)))


def daemon_set(nodes: int = 3, *, spec: Any = None, **status: Any) -> dict[str, Any]:
    names = ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    return live("apps/v1", "DaemonSet", spec or {}, seen(**(dict.fromkeys(names, nodes) | status)))


def replica_set(wanted: int = 3, *conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), wanted)
    return live("apps/v1", "ReplicaSet", {"replicas": wanted}, seen(*conditions, **(counts | status)))


def job(*conditions: dict[str, Any], spec: Any = None, **status: Any) -> dict[str, Any]:
    return live("batch/v1", "Job", {"completions": 3} | (spec or {}), {"conditions": list(conditions)} | status)


def pod(
    phase: str = "Running", *, ready: str = "False", name: str = "web-1", spec: Any = None, **status: Any
) -> dict[str, Any]:
    """A Pod of the ReplicaSet web-abc with the container `app` from the image shop/web:1."""
    conditions = [condition("Ready", ready, lastTransitionTime="2026-01-01T00:00:10Z"), *status.pop("conditions", ())]
    return live(
        "v1",
        "Pod",
        {"restartPolicy": "Always", "containers": [{"name": "app", "image": "shop/web:1"}]} | (spec or {}),
        {"phase": phase, "conditions": conditions} | status,
        name=name,
        creationTimestamp="2026-01-01T00:00:00Z",
        ownerReferences=[{"kind": "ReplicaSet", "name": "web-abc", "controller": True}],
    )


def waiting(reason: str, message: str = "", last: Any = None, name: str = "app") -> dict[str, Any]:
    return {
        "name": name,
        "ready": False,
        "image": "docker.io/shop/web:1",
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": {"terminated": last} if last else {},
    }


def terminated(code: int, reason: str = "Error", message: str = "", name: str = "app") -> dict[str, Any]:
    ended = {"exitCode": code, "reason": reason, "message": message}
    return {"name": name, "ready": False, "state": {"terminated": ended}, "lastState": {}}


def custom(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return live("example.org/v1", "Database", {}, seen(*conditions, **status))
