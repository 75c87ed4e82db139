"""What is kept of Pods and Events while a closer look is taken, and whose they are. Pure."""

from typing import Literal

import msgspec

from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.api.times import parse_time
from atoll.observe.kinds.pods import Trouble, troubles
from atoll.observe.reading import ABSENT, conditions_of, spec_of, status_of
from atoll.observe.wording import clean

Stage = Literal["new", "scheduled", "started", "ready"]
"""How far a Pod has come; what was in the way of an earlier stage is over."""

CHILDREN = {
    GroupKind("apps", "Deployment"): "ReplicaSet",
    GroupKind("batch", "CronJob"): "Job",
}
"""Kinds whose Pods are made by objects in between, named after them."""


class PodView(msgspec.Struct, frozen=True):
    """What is kept of one Pod of an unhealthy object."""

    name: str
    owner: str
    """Kind/name of its controller; "" for none."""
    troubles: tuple[Trouble, ...]
    stage: Stage
    created: float
    """Epoch seconds."""

    @property
    def ready(self) -> bool:
        return self.stage == "ready"


class Complaint(msgspec.Struct, frozen=True):
    """What is kept of one warning Event. Times are epoch seconds."""

    kind: str
    name: str
    reason: str
    message: str
    first: float
    last: float


def pod_view(body: Json) -> PodView:
    """A Pod that is being deleted has no troubles: its end is wanted."""
    metadata = body.get("metadata") or {}
    rows = metadata.get("ownerReferences") or ()
    owner = next((f"{r.get('kind')}/{r.get('name')}" for r in rows if r.get("controller")), "")
    found = () if metadata.get("deletionTimestamp") else tuple(troubles(body))
    return PodView(
        name=str(metadata.get("name", "")),
        owner=owner,
        troubles=tuple(t._replace(message=clean(t.message)) for t in found),
        stage=_stage(body),
        created=parse_time(metadata.get("creationTimestamp")),
    )


def _stage(body: Json) -> Stage:
    status = status_of(body)
    if conditions_of(body).get("Ready", ABSENT).true:
        return "ready"
    if any("running" in (c.get("state") or {}) for c in status.get("containerStatuses") or ()):
        return "started"
    return "scheduled" if spec_of(body).get("nodeName") else "new"


def complaint(body: Json) -> Complaint:
    """An Event of core/v1, in either of its two ways to count and date."""
    about, series = body.get("involvedObject") or {}, body.get("series") or {}
    first = parse_time(body.get("firstTimestamp")) or parse_time(body.get("eventTime"))
    last = parse_time(series.get("lastObservedTime")) or parse_time(body.get("lastTimestamp")) or first
    reason, message = str(body.get("reason", "")), clean(body.get("message", ""))
    reason = "Unschedulable" if reason == "FailedScheduling" else reason  # as the Pod's own condition calls it
    return Complaint(str(about.get("kind", "")), str(about.get("name", "")), reason, message, first, last)


def owns(about: ObjectId, pod: PodView) -> bool:
    """Whether `pod`, found by the object's selector, is the object's: another workload may select the same labels."""
    kind, _, name = pod.owner.partition("/")
    if between := CHILDREN.get(about.group_kind):
        return kind == between and name.startswith(about.name + "-")
    return (kind, name) == (about.kind, about.name) or (about.kind == "Pod" and pod.name == about.name)


def selector_of(about: ObjectId, body: Json) -> str:
    """The workload's own Pod selector as a query; "" for kinds that have none (or one that selects everything)."""
    selector = spec_of(body).get("selector")
    if not isinstance(selector, dict) or about.group not in {"apps", "batch", ""} or about.kind == "Service":
        return ""
    if about.kind == "ReplicationController":
        selector = {"matchLabels": selector}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for row in selector.get("matchExpressions") or ():
        key, values = row.get("key"), ",".join(row.get("values") or ())
        form = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": f"{key}"}
        terms.append(form.get(row.get("operator"), f"!{key}"))
    return ",".join(terms)
