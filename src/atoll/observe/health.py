"""Health of one live object. Pure: the object in, its health out.

Order of questions: is it being deleted; has the user a rule for its kind; what does its kind's rule say. Whatever goes
wrong on the way is Unknown, never Healthy.
"""

from collections.abc import Callable
from typing import Any

from atoll.api.objects import GroupKind, Json, split_api_version
from atoll.api.observation import ObjectHealth
from atoll.observe.custom import HealthRules
from atoll.observe.kinds import batch, custom_resource, network, platform, pods, storage, workloads
from atoll.observe.wording import clean

Rule = Callable[[Json], ObjectHealth]
TERMINATING = "Terminating"

RULES: dict[GroupKind, Rule] = {
    GroupKind("apps", "Deployment"): workloads.deployment,
    GroupKind("apps", "StatefulSet"): workloads.stateful_set,
    GroupKind("apps", "DaemonSet"): workloads.daemon_set,
    GroupKind("apps", "ReplicaSet"): workloads.replica_set,
    GroupKind("", "ReplicationController"): workloads.replica_set,
    GroupKind("batch", "Job"): batch.job,
    GroupKind("batch", "CronJob"): batch.cron_job,
    GroupKind("", "Pod"): pods.pod,
    GroupKind("", "Service"): network.service,
    GroupKind("networking.k8s.io", "Ingress"): network.ingress,
    GroupKind("", "PersistentVolumeClaim"): storage.claim,
    GroupKind("", "PersistentVolume"): storage.volume,
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): platform.autoscaler,
    GroupKind("policy", "PodDisruptionBudget"): platform.disruption_budget,
    GroupKind("apiregistration.k8s.io", "APIService"): platform.api_service,
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): platform.custom_resource_definition,
    GroupKind("", "Namespace"): platform.namespace,
}


def assess(body: Json, rules: HealthRules | None = None) -> ObjectHealth:
    """Health of the live object `body`, as its member shows it; `rules` are the user's own (`custom.compile_rules`)."""
    try:
        group_kind = GroupKind(split_api_version(str(body.get("apiVersion", "")))[0], str(body.get("kind", "")))
        if (body.get("metadata") or {}).get("deletionTimestamp"):
            return terminating(body, group_kind)
        if rules and (own := rules.get(group_kind)):
            return own.assess(body)
        return RULES.get(group_kind, custom_resource.by_conditions)(body)
    except Exception as error:  # a member may answer in any shape; whatever it is, it is not Healthy
        return ObjectHealth("Unknown", "RuleError", clean(f"its state can't be read: {error or type(error).__name__}"))


def terminating(body: Json, group_kind: GroupKind) -> ObjectHealth:
    """An object on its way out: what holds it, by name."""
    finalizers: list[Any] = (body.get("metadata") or {}).get("finalizers") or []
    spec_finalizers: list[Any] = []
    details = ""
    if group_kind == GroupKind("", "Namespace"):
        spec_finalizers = (body.get("spec") or {}).get("finalizers") or []
        details = platform.what_holds_a_namespace(body)
    held = ", ".join(str(name) for name in [*finalizers, *spec_finalizers])
    message = f"it is being deleted, held by {held}" if held else "it is being deleted"
    return ObjectHealth("Progressing", TERMINATING, f"{message}; {details}" if details else message)
