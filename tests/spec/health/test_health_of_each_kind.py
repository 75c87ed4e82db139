"""What healthy means, kind by kind: one golden row for each thing that a live object can say."""

from typing import Any

import pytest

from atoll.observe.health import assess

from .bodies import (
    condition,
    custom,
    daemon_set,
    deployment,
    job,
    live,
    pod,
    replica_set,
    seen,
    stateful_set,
    terminated,
    waiting,
)

QUOTA = 'pods "web-1" is forbidden: exceeded quota: small'

DEPLOYMENT = [
    ("complete", deployment(), "Healthy", ""),
    ("no replicas wanted", deployment(0), "Healthy", ""),
    ("replicas not given is one", deployment(1, spec={"replicas": None}), "Healthy", ""),
    ("never seen by its controller", live("apps/v1", "Deployment", {"replicas": 3}), "Progressing", "StaleGeneration"),
    ("an older generation was seen", deployment(observedGeneration=2), "Progressing", "StaleGeneration"),
    ("a new template is rolled out", deployment(updatedReplicas=1), "Progressing", "RollingOut"),
    ("old Pods are ending", deployment(2, replicas=3), "Progressing", "RollingOut"),
    ("not all available", deployment(availableReplicas=2), "Progressing", "RollingOut"),
    (
        "scaled up, counts left out at zero",
        live("apps/v1", "Deployment", {"replicas": 2}, seen()),
        "Progressing",
        "RollingOut",
    ),
    (
        "deadline exceeded",
        deployment(3, condition("Progressing", "False", "ProgressDeadlineExceeded", "timed out"), availableReplicas=1),
        "Degraded",
        "ProgressDeadlineExceeded",
    ),
    (
        "Progressing is False for any reason",
        deployment(3, condition("Progressing", "False", "ReplicaSetCreateError", "no"), availableReplicas=1),
        "Degraded",
        "ReplicaSetCreateError",
    ),
    (
        "Pods can't be made",
        deployment(3, condition("ReplicaFailure", "True", "FailedCreate", QUOTA), availableReplicas=1),
        "Degraded",
        "FailedCreate",
    ),
    (
        "Pods can be made again",
        deployment(3, condition("ReplicaFailure", "False", "FailedCreate", QUOTA)),
        "Healthy",
        "",
    ),
    ("paused", deployment(3, spec={"paused": True}), "Suspended", "Paused"),
    (
        "stale conditions of an older generation don't count",
        deployment(3, condition("ReplicaFailure", "True", "FailedCreate", QUOTA), observedGeneration=2),
        "Progressing",
        "StaleGeneration",
    ),
]

STATEFUL_SET = [
    ("complete", stateful_set(), "Healthy", ""),
    ("never seen", stateful_set(observedGeneration=None), "Progressing", "StaleGeneration"),
    ("observed generation 0", stateful_set(observedGeneration=0), "Progressing", "StaleGeneration"),
    ("not all ready", stateful_set(readyReplicas=1), "Progressing", "RollingOut"),
    ("ready, not yet for minReadySeconds", stateful_set(availableReplicas=2), "Progressing", "RollingOut"),
    ("servers that don't count availability", stateful_set(availableReplicas=None), "Healthy", ""),
    ("scaled down, Pods are ending", stateful_set(2, replicas=3), "Progressing", "RollingOut"),
    (
        "a new revision is rolled out",
        stateful_set(updateRevision="web-2", updatedReplicas=1),
        "Progressing",
        "RollingOut",
    ),
    (
        "OnDelete waits for people",
        stateful_set(updateRevision="web-2", spec={"updateStrategy": {"type": "OnDelete"}}),
        "Healthy",
        "",
    ),
    (
        "partition reached",
        stateful_set(
            updateRevision="web-2", updatedReplicas=1, spec={"updateStrategy": {"rollingUpdate": {"partition": 2}}}
        ),
        "Healthy",
        "",
    ),
    (
        "partition not reached",
        stateful_set(
            updateRevision="web-2", updatedReplicas=0, spec={"updateStrategy": {"rollingUpdate": {"partition": 2}}}
        ),
        "Progressing",
        "RollingOut",
    ),
    (
        "partition beyond all replicas",
        stateful_set(
            updateRevision="web-2", updatedReplicas=0, spec={"updateStrategy": {"rollingUpdate": {"partition": 9}}}
        ),
        "Healthy",
        "",
    ),
]

DAEMON_SET = [
    ("complete", daemon_set(), "Healthy", ""),
    ("never seen", live("apps/v1", "DaemonSet", {}, {}), "Progressing", "StaleGeneration"),
    ("no node matches", daemon_set(0), "Healthy", "NoNodes"),
    ("not all updated", daemon_set(updatedNumberScheduled=1), "Progressing", "RollingOut"),
    (
        "not all updated, OnDelete",
        daemon_set(updatedNumberScheduled=1, spec={"updateStrategy": {"type": "OnDelete"}}),
        "Healthy",
        "",
    ),
    ("not all available", daemon_set(numberAvailable=1), "Progressing", "RollingOut"),
]

REPLICA_SET = [
    ("complete", replica_set(), "Healthy", ""),
    ("not all available", replica_set(availableReplicas=1), "Progressing", "RollingOut"),
    (
        "Pods can't be made",
        replica_set(3, condition("ReplicaFailure", "True", "FailedCreate", QUOTA)),
        "Degraded",
        "FailedCreate",
    ),
]

JOB = [
    ("just made", job(), "Progressing", "Running"),
    ("running", job(active=1), "Progressing", "Running"),
    ("complete", job(condition("Complete", "True")), "Healthy", ""),
    (
        "failed",
        job(condition("Failed", "True", "BackoffLimitExceeded", "too often")),
        "Degraded",
        "BackoffLimitExceeded",
    ),
    ("about to fail", job(condition("FailureTarget", "True", "PodFailurePolicy", "x")), "Degraded", "PodFailurePolicy"),
    ("about to complete", job(condition("SuccessCriteriaMet", "True")), "Progressing", "Running"),
    ("suspended", job(condition("Suspended", "True")), "Suspended", "Suspended"),
    ("suspended before it was seen", job(spec={"suspend": True}), "Suspended", "Suspended"),
    (
        "resumed: the condition stays, with False",
        job(condition("Suspended", "False", "JobResumed")),
        "Progressing",
        "Running",
    ),
    ("a condition that does not hold", job(condition("Failed", "False")), "Progressing", "Running"),
]

CRON_JOB = [
    ("never ran", live("batch/v1", "CronJob", {}, {}), "Healthy", ""),
    ("suspended", live("batch/v1", "CronJob", {"suspend": True}, {}), "Suspended", "Suspended"),
    (
        "running",
        live("batch/v1", "CronJob", {}, {"active": [{}], "lastScheduleTime": "2026-01-01T00:00:00Z"}),
        "Healthy",
        "Running",
    ),
    (
        "last run succeeded",
        live(
            "batch/v1",
            "CronJob",
            {},
            {"lastScheduleTime": "2026-01-01T00:00:00Z", "lastSuccessfulTime": "2026-01-01T00:00:09Z"},
        ),
        "Healthy",
        "",
    ),
    (
        "last run failed",
        live(
            "batch/v1",
            "CronJob",
            {},
            {"lastScheduleTime": "2026-01-02T00:00:00Z", "lastSuccessfulTime": "2026-01-01T00:00:09Z"},
        ),
        "Degraded",
        "LastRunFailed",
    ),
    (
        "first run failed",
        live("batch/v1", "CronJob", {}, {"lastScheduleTime": "2026-01-02T00:00:00Z"}),
        "Degraded",
        "LastRunFailed",
    ),
]

UNSCHEDULABLE = condition("PodScheduled", "False", "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
RAN = {"exitCode": 137, "reason": "OOMKilled"}

POD = [
    ("ready", pod(ready="True"), "Healthy", ""),
    ("succeeded", pod("Succeeded"), "Healthy", ""),
    ("not yet seen by a kubelet", live("v1", "Pod", {}, {}), "Progressing", "Pending"),
    ("starting", pod("Pending", containerStatuses=[waiting("ContainerCreating")]), "Progressing", "Pending"),
    ("init containers run", pod("Pending", containerStatuses=[waiting("PodInitializing")]), "Progressing", "Pending"),
    (
        "running, not ready",
        pod(containerStatuses=[{"name": "app", "state": {"running": {}}}]),
        "Progressing",
        "Running",
    ),
    ("runs to its end", pod(ready="True", spec={"restartPolicy": "Never"}), "Progressing", "Running"),
    (
        "image can't be pulled",
        pod("Pending", containerStatuses=[waiting("ErrImagePull", "nope")]),
        "Degraded",
        "ErrImagePull",
    ),
    (
        "and is being retried",
        pod("Pending", containerStatuses=[waiting("ImagePullBackOff", "x")]),
        "Degraded",
        "ErrImagePull",
    ),
    (
        "image name makes no sense",
        pod("Pending", containerStatuses=[waiting("InvalidImageName", "x")]),
        "Degraded",
        "InvalidImageName",
    ),
    (
        "config is missing",
        pod("Pending", containerStatuses=[waiting("CreateContainerConfigError", "x")]),
        "Degraded",
        "CreateContainerConfigError",
    ),
    (
        "crashes",
        pod(containerStatuses=[waiting("CrashLoopBackOff", "", {"exitCode": 1, "reason": "Error"})]),
        "Degraded",
        "CrashLoopBackOff",
    ),
    (
        "crashes for lack of memory",
        pod(containerStatuses=[waiting("CrashLoopBackOff", "", RAN)]),
        "Degraded",
        "OOMKilled",
    ),
    (
        "runs again after a crash, and isn't ready",
        pod(
            containerStatuses=[
                {"name": "app", "ready": False, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 2}}}
            ]
        ),
        "Degraded",
        "CrashLoopBackOff",
    ),
    (
        "an init container crashes",
        pod("Pending", initContainerStatuses=[waiting("CrashLoopBackOff", "", {"exitCode": 3})]),
        "Degraded",
        "CrashLoopBackOff",
    ),
    ("failed", pod("Failed", containerStatuses=[terminated(1)]), "Degraded", "Error"),
    ("evicted", pod("Failed", reason="Evicted", message="The node was low on memory"), "Degraded", "Evicted"),
    ("no node takes it", pod("Pending", conditions=[UNSCHEDULABLE]), "Progressing", "Unschedulable"),
    (
        "gated",
        pod("Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")]),
        "Progressing",
        "SchedulingGated",
    ),
    ("a phase that nobody knows", pod("Dancing"), "Unknown", "RuleError"),
]

LB = {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}
ADDRESS = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}

NETWORK = [
    ("ClusterIP", live("v1", "Service", {"type": "ClusterIP"}, {"loadBalancer": {}}), "Healthy", ""),
    ("balancer with address", live("v1", "Service", LB, ADDRESS), "Healthy", ""),
    ("balancer that nobody serves", live("v1", "Service", LB, {"loadBalancer": {}}), "Healthy", "AwaitingAddress"),
    (
        "balancer that a cloud works on",
        live("v1", "Service", LB, {}, finalizers=["service.kubernetes.io/load-balancer-cleanup"]),
        "Progressing",
        "AwaitingAddress",
    ),
    (
        "balancer of a class",
        live("v1", "Service", LB | {"loadBalancerClass": "x.io/lb"}, {}),
        "Progressing",
        "AwaitingAddress",
    ),
    (
        "ports that the balancer refuses",
        live("v1", "Service", LB, seen(condition("LoadBalancerPortsError", "True", "PortsError", "udp"))),
        "Degraded",
        "PortsError",
    ),
    ("Ingress with address", live("networking.k8s.io/v1", "Ingress", {}, ADDRESS), "Healthy", ""),
    (
        "Ingress without",
        live("networking.k8s.io/v1", "Ingress", {}, {"loadBalancer": {}}),
        "Healthy",
        "AwaitingAddress",
    ),
]

CLASS = {"storageClassName": "fast"}
PROVISIONER = {"volume.kubernetes.io/storage-provisioner": "csi.example.org"}

STORAGE = [
    ("bound", live("v1", "PersistentVolumeClaim", CLASS, {"phase": "Bound"}), "Healthy", ""),
    (
        "waits for its first consumer",
        live("v1", "PersistentVolumeClaim", CLASS, {"phase": "Pending"}),
        "Healthy",
        "WaitForFirstConsumer",
    ),
    (
        "being provisioned",
        live("v1", "PersistentVolumeClaim", CLASS, {"phase": "Pending"}, annotations=PROVISIONER),
        "Progressing",
        "Binding",
    ),
    ("no class, no volume", live("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}), "Progressing", "Binding"),
    (
        "names its volume",
        live("v1", "PersistentVolumeClaim", CLASS | {"volumeName": "pv"}, {"phase": "Pending"}),
        "Progressing",
        "Binding",
    ),
    ("lost", live("v1", "PersistentVolumeClaim", CLASS, {"phase": "Lost"}), "Degraded", "Lost"),
    ("a phase that nobody knows", live("v1", "PersistentVolumeClaim", CLASS, {"phase": "Odd"}), "Unknown", "RuleError"),
    ("volume", live("v1", "PersistentVolume", {}, {"phase": "Available"}), "Healthy", ""),
    ("volume failed", live("v1", "PersistentVolume", {}, {"phase": "Failed", "message": "x"}), "Degraded", "Failed"),
]

HPA = "HorizontalPodAutoscaler"
ABLE = condition("AbleToScale", "True", "ReadyForNewScale")

PLATFORM = [
    ("new autoscaler", live("autoscaling/v2", HPA, {}, {}), "Progressing", "Pending"),
    (
        "works",
        live("autoscaling/v2", HPA, {}, seen(ABLE, condition("ScalingActive", "True", "ValidMetricFound"))),
        "Healthy",
        "",
    ),
    (
        "at its limit",
        live("autoscaling/v2", HPA, {}, seen(condition("ScalingLimited", "True", "TooManyReplicas"))),
        "Healthy",
        "",
    ),
    (
        "no metrics",
        live(
            "autoscaling/v2", HPA, {}, seen(ABLE, condition("ScalingActive", "False", "FailedGetResourceMetric", "no"))
        ),
        "Degraded",
        "FailedGetResourceMetric",
    ),
    (
        "no target",
        live("autoscaling/v2", HPA, {}, seen(condition("AbleToScale", "False", "FailedGetScale", "no"))),
        "Degraded",
        "FailedGetScale",
    ),
    (
        "bad selector",
        live("autoscaling/v2", HPA, {}, seen(ABLE, condition("ScalingActive", "False", "InvalidSelector"))),
        "Degraded",
        "InvalidSelector",
    ),
    (
        "target at zero",
        live("autoscaling/v2", HPA, {}, seen(ABLE, condition("ScalingActive", "False", "ScalingDisabled"))),
        "Healthy",
        "",
    ),
    ("version 1 has no conditions", live("autoscaling/v1", HPA, {}, {"currentReplicas": 2}), "Healthy", ""),
    (
        "budget",
        live("policy/v1", "PodDisruptionBudget", {}, seen(condition("DisruptionAllowed", "True"))),
        "Healthy",
        "",
    ),
    (
        "budget used up",
        live("policy/v1", "PodDisruptionBudget", {}, seen(condition("DisruptionAllowed", "False", "InsufficientPods"))),
        "Healthy",
        "",
    ),
    ("budget not computed", live("policy/v1", "PodDisruptionBudget", {}, {}), "Progressing", "StaleGeneration"),
    (
        "budget can't be computed",
        live("policy/v1", "PodDisruptionBudget", {}, seen(condition("DisruptionAllowed", "False", "SyncFailed"))),
        "Degraded",
        "SyncFailed",
    ),
    (
        "API served",
        live("apiregistration.k8s.io/v1", "APIService", {}, {"conditions": [condition("Available", "True")]}),
        "Healthy",
        "",
    ),
    (
        "API not served",
        live(
            "apiregistration.k8s.io/v1",
            "APIService",
            {},
            {"conditions": [condition("Available", "False", "MissingEndpoints")]},
        ),
        "Progressing",
        "MissingEndpoints",
    ),
    ("CRD just made", live("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {}), "Progressing", "Installing"),
    (
        "CRD",
        live(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {},
            {"conditions": [condition("Established", "True")]},
        ),
        "Healthy",
        "",
    ),
    (
        "CRD whose names are taken",
        live(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {},
            {
                "conditions": [
                    condition("NamesAccepted", "False", "PluralConflict", "taken"),
                    condition("Established", "False", "NotAccepted"),
                ]
            },
        ),
        "Degraded",
        "PluralConflict",
    ),
    ("namespace", live("v1", "Namespace", {}, {"phase": "Active"}), "Healthy", ""),
    ("namespace ending", live("v1", "Namespace", {}, {"phase": "Terminating"}), "Progressing", "Terminating"),
]

CUSTOM_RESOURCE = [
    ("no status at all", live("v1", "ConfigMap"), "Healthy", ""),
    ("a status without conditions", live("example.org/v1", "Database", {}, {"phase": "Fine"}), "Healthy", ""),
    (
        "older generation seen",
        custom(condition("Ready", "True"), observedGeneration=2),
        "Progressing",
        "StaleGeneration",
    ),
    (
        "no word of generations",
        live("example.org/v1", "Database", {}, {"conditions": [condition("Ready", "True")]}),
        "Healthy",
        "",
    ),
    ("ready", custom(condition("Ready", "True")), "Healthy", ""),
    (
        "ready, of an older generation",
        custom(condition("Ready", "True", observedGeneration=2)),
        "Progressing",
        "Reconciling",
    ),
    ("not ready", custom(condition("Ready", "False", "DiskFull", "no space")), "Progressing", "DiskFull"),
    ("not known", custom(condition("Ready", "Unknown", "Probing", "…")), "Progressing", "Reconciling"),
    ("reconciling", custom(condition("Reconciling", "True"), condition("Ready", "True")), "Progressing", "Reconciling"),
    (
        "stalled",
        custom(condition("Stalled", "True", "BadSpec", "x"), condition("Ready", "False")),
        "Degraded",
        "BadSpec",
    ),
    ("not stalled", custom(condition("Stalled", "False"), condition("Ready", "True")), "Healthy", ""),
    ("failed", custom(condition("Failed", "True", "Broken", "x")), "Degraded", "Broken"),
    (
        "conditions in a form of their own",
        live("example.org/v1", "Database", {}, {"conditions": {"Ready": True}}),
        "Healthy",
        "",
    ),
]

KINDS = {
    "Deployment": DEPLOYMENT,
    "StatefulSet": STATEFUL_SET,
    "DaemonSet": DAEMON_SET,
    "ReplicaSet": REPLICA_SET,
    "Job": JOB,
    "CronJob": CRON_JOB,
    "Pod": POD,
    "network": NETWORK,
    "storage": STORAGE,
    "platform": PLATFORM,
    "custom resource": CUSTOM_RESOURCE,
}
ROWS = [pytest.param(*row[1:], id=f"{kind}: {row[0]}") for kind, rows in KINDS.items() for row in rows]


@pytest.mark.parametrize(("body", "health", "reason"), ROWS)
def test_health(body: dict[str, Any], health: str, reason: str) -> None:
    found = assess(body)
    assert (found.health, found.reason) == (health, reason), found.message


@pytest.mark.parametrize(
    ("body", "ready", "desired"),
    [
        (deployment(3, readyReplicas=2, availableReplicas=2), 2, 3),
        (deployment(2, replicas=3, readyReplicas=3, updatedReplicas=1), 2, 2),
        (deployment(0), 0, 0),
        (stateful_set(3, readyReplicas=1), 1, 3),
        (daemon_set(4, numberReady=3), 3, 4),
        (live("apps/v1", "Deployment", {"replicas": 2}), 0, 2),
        (live("argoproj.io/v1alpha1", "Rollout", {"replicas": 3}, {"readyReplicas": 2}), 2, 3),
        (live("argoproj.io/v1alpha1", "Rollout", {"replicas": 3}, {"replicas": 3}), 0, 3),
        (job(condition("Complete", "True")), None, None),
        (live("v1", "ConfigMap"), None, None),
    ],
)
def test_workloads_count_their_replicas(body: dict[str, Any], ready: int | None, desired: int | None) -> None:
    found = assess(body)
    assert (found.ready, found.desired) == (ready, desired)


def test_more_ready_than_wanted_is_as_many_as_wanted() -> None:
    assert assess(deployment(2, replicas=4, readyReplicas=4, updatedReplicas=2)).ready == 2


@pytest.mark.parametrize("kind", ["Deployment", "ConfigMap", "Database"])
def test_an_object_that_is_being_deleted_is_progressing_and_says_what_holds_it(kind: str) -> None:
    body = live("example.org/v1", kind, {}, seen(condition("Ready", "True")), deletionTimestamp="2026-01-01T00:00:00Z")
    assert assess(body).message == "it is being deleted"
    body["metadata"]["finalizers"] = ["example.org/backup", "foregroundDeletion"]
    found = assess(body)
    assert (found.health, found.reason) == ("Progressing", "Terminating")
    assert found.message == "it is being deleted, held by example.org/backup, foregroundDeletion"


def test_a_namespace_that_is_being_deleted_says_what_is_left_in_it() -> None:
    left = condition(
        "NamespaceContentRemaining", "True", "SomeResourcesRemain", "Some resources are remaining: pods. has 1"
    )
    quiet = condition("NamespaceDeletionDiscoveryFailure", "False", "x", "All resources discovered")
    body = live(
        "v1", "Namespace", {"finalizers": ["kubernetes"]}, {"phase": "Terminating", "conditions": [left, quiet]}
    )
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    message = assess(body).message
    assert message == "it is being deleted, held by kubernetes; Some resources are remaining: pods. has 1"


@pytest.mark.parametrize(
    "body",
    [
        deployment(3, readyReplicas="three"),
        deployment(3, availableReplicas=[1]),
        live("apps/v1", "Deployment", ["not", "a", "map"], seen()),
        stateful_set(spec={"updateStrategy": "OnDelete"}),
        live("apps/v1", "Deployment", {"replicas": True}, seen()),
        live("v1", "Pod", {}, {"phase": "Running", "containerStatuses": {"app": 1}}),
        {"apiVersion": "v1", "kind": "Pod", "metadata": "?"},
    ],
)
def test_an_object_in_a_shape_that_nobody_knows_is_unknown_and_never_healthy(body: dict[str, Any]) -> None:
    assert assess(body).health == "Unknown"


def test_messages_are_the_members_own_words() -> None:
    found = assess(deployment(3, condition("ReplicaFailure", "True", "FailedCreate", QUOTA)))
    assert found.message == QUOTA
