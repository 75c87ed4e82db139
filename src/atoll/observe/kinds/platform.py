"""HorizontalPodAutoscaler, PodDisruptionBudget, APIService, CustomResourceDefinition, Namespace."""

from atoll.api.objects import Json
from atoll.api.observation import ObjectHealth
from atoll.observe.reading import ABSENT, by_condition, conditions_of, healthy, progressing, stale, status_of


def autoscaler(body: Json) -> ObjectHealth:
    conditions = conditions_of(body)
    able, active = conditions.get("AbleToScale", ABSENT), conditions.get("ScalingActive", ABSENT)
    if able.false and able.reason.startswith("Failed"):
        return by_condition("Degraded", able, "FailedUpdateScale")
    if active.false and (active.reason.startswith(("Failed", "Invalid")) or active.reason == "AmbiguousSelector"):
        return by_condition("Degraded", active, "FailedGetResourceMetric")
    if able.true or conditions.get("ScalingLimited", ABSENT).true or "currentReplicas" in status_of(body):
        return healthy("scaling is switched off: its target has 0 replicas" if active.false else "")
    return progressing("Pending", "it has not looked at its target yet")


def disruption_budget(body: Json) -> ObjectHealth:
    allowed = conditions_of(body).get("DisruptionAllowed", ABSENT)
    if behind := stale(body, required=True):
        return behind
    if allowed.reason == "SyncFailed":
        return by_condition("Degraded", allowed, "SyncFailed")
    return healthy("no disruption is allowed now" if allowed.false else "")


def api_service(body: Json) -> ObjectHealth:
    available = conditions_of(body).get("Available", ABSENT)
    return healthy() if available.true else by_condition("Progressing", available, "NotAvailable")


def custom_resource_definition(body: Json) -> ObjectHealth:
    conditions = conditions_of(body)
    names, established = conditions.get("NamesAccepted", ABSENT), conditions.get("Established", ABSENT)
    if established.true:
        return healthy()
    if names.false:
        return by_condition("Degraded", names, "NamesNotAccepted")
    if established.false and established.reason not in {"", "Installing", "NotAccepted"}:
        return by_condition("Degraded", established, "NotEstablished")
    return progressing("Installing", established.message)


def namespace(body: Json) -> ObjectHealth:
    if status_of(body).get("phase") == "Terminating":
        return progressing("Terminating", "it is being deleted")
    return healthy()


def what_holds_a_namespace(body: Json) -> str:
    """Of a namespace that is being deleted: what its controller says is still in it, or in the way."""
    rows = (c for c in conditions_of(body).values() if c.true and c.type.startswith("Namespace"))
    return "; ".join(c.message for c in rows if c.message)
