"""What is behind an unhealthy object: from its Pods and Events to at most three problems, the true cause on top. Pure.

A Deployment that doesn't progress is a symptom; the registry that refuses its image is the cause. So what keeps
containers from running comes first, then what keeps Pods from being made, mounted, scheduled and found ready, and the
object's own complaint last.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.kinds.pods import Trouble, troubles
from atoll.observe.kinds.workloads import ROLLOUT
from atoll.observe.reading import STALE, spec_of
from atoll.observe.wording import clean, conceal, parse_time

MOST = 3
RECENT = 1200.0
"""Seconds for which an Event still says something: the longest pause between two attempts of a controller is 1,000."""

GRAVE = frozenset(
    {
        *("ErrImagePull", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable"),
        *("CrashLoopBackOff", "OOMKilled", "ContainerCannotRun", "StartError", "RunContainerError"),
        *("CreateContainerConfigError", "CreateContainerError", "PreStartHookError", "PostStartHookError"),
        *("FailedCreate", "ProvisioningFailed", "SignatureValidationFailed"),
    }
)
"""Reasons that no waiting cures as a rule: the object is Degraded, whatever its own status still hopes for."""

PATIENT = frozenset({"Unschedulable", "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Unhealthy"})
"""Reasons that come and go while something starts: grave only when they last."""

_RANKS = {
    **dict.fromkeys(("FailedCreate", "ReplicaFailure", "ProvisioningFailed"), 1),
    **dict.fromkeys(("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"), 2),
    **dict.fromkeys(("Unschedulable", "SchedulingGated"), 3),
    "Unhealthy": 4,
}
_OF_CONTAINERS, _OWN, _OTHER = 0, 5, 6

_OF_PODS = frozenset({"FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Unhealthy", "Unschedulable"})
"""Reasons of Events on Pods that say more than the Pod's own status."""

_ON_THEIR_WAY = frozenset(
    {"", ROLLOUT, STALE, "Running", "Pending", "Binding", "Installing", "Reconciling", "AwaitingAddress"}
)
"""Reasons of Progressing that are no problem."""

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
    ready: bool


class Complaint(msgspec.Struct, frozen=True):
    """What is kept of one warning Event. Times are epoch seconds."""

    kind: str
    name: str
    reason: str
    message: str
    first: float
    last: float


class _Found(NamedTuple):
    rank: int
    problem: Problem


def pod_view(body: Json) -> PodView:
    """A Pod that is being deleted has no troubles: its end is wanted."""
    metadata = body.get("metadata") or {}
    rows = metadata.get("ownerReferences") or ()
    owner = next((f"{r.get('kind')}/{r.get('name')}" for r in rows if r.get("controller")), "")
    found = () if metadata.get("deletionTimestamp") else tuple(troubles(body))
    conditions = (body.get("status") or {}).get("conditions") or ()
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return PodView(
        str(metadata.get("name", "")), owner, tuple(t._replace(message=clean(t.message)) for t in found), ready
    )


def complaint(body: Json) -> Complaint:
    """An Event of core/v1, in either of its two ways to count and date."""
    about, series = body.get("involvedObject") or {}, body.get("series") or {}
    first = parse_time(body.get("firstTimestamp")) or parse_time(body.get("eventTime"))
    last = parse_time(series.get("lastObservedTime")) or parse_time(body.get("lastTimestamp")) or first
    reason, message = str(body.get("reason", "")), clean(body.get("message", ""))
    reason = "Unschedulable" if reason == "FailedScheduling" else reason  # as the Pod's own condition calls it
    return Complaint(str(about.get("kind", "")), str(about.get("name", "")), reason, message, first, last)


def find_problems(
    about: ObjectId,
    health: ObjectHealth,
    pods: Iterable[PodView] = (),
    events: Iterable[Complaint] = (),
    *,
    now: float = 0.0,
    since: float = 0.0,
) -> tuple[Problem, ...]:
    """What is wrong with the object `about`, whose own health is `health`, worst cause first.

    `since` dates the object's own complaint. `now` is for leaving out old Events; 0 takes all.
    """
    mine = [pod for pod in pods if owns(about, pod)]
    found = [*_of_troubles(about, mine), *_of_own(about, health, since)]
    said = {row.problem.reason for row in found}
    recent = [e for e in events if not now or now - e.last <= RECENT]
    found += [row for row in _of_events(about, mine, recent) if row.problem.reason not in said]
    found.sort(
        key=lambda row: (row.rank, -row.problem.count, row.problem.since, row.problem.object, row.problem.reason)
    )
    return tuple(row.problem for row in found[:MOST])


def owns(about: ObjectId, pod: PodView) -> bool:
    """Whether `pod`, found by the object's selector, is the object's: another workload may select the same labels."""
    kind, _, name = pod.owner.partition("/")
    if between := CHILDREN.get(about.group_kind):
        return kind == between and name.startswith(about.name + "-")
    return (kind, name) == (about.kind, about.name) or (about.kind == "Pod" and pod.name == about.name)


def _of_troubles(about: ObjectId, pods: Iterable[PodView]) -> Iterator[_Found]:
    groups: dict[tuple[str, str], list[tuple[float, str, str]]] = {}
    for pod in pods:
        for trouble in pod.troubles:
            row = (trouble.since, pod.name, trouble.message)
            groups.setdefault((trouble.reason, trouble.container), []).append(row)
    for (reason, _), rows in groups.items():
        since, name, message = min(rows)
        where = ObjectId("", "Pod", about.namespace, name)
        yield _Found(_RANKS.get(reason, _OF_CONTAINERS), _problem(where, reason, message, len(rows), since))


def _of_own(about: ObjectId, health: ObjectHealth, since: float) -> Iterator[_Found]:
    """The object's own word. A bare Pod's is its troubles'."""
    wrong = health.health in {"Degraded", "Unknown", "Missing"}
    held = health.health == "Progressing" and health.reason not in _ON_THEIR_WAY
    if wrong or held:
        rank = _OF_CONTAINERS if about.kind == "Pod" and not about.group else _RANKS.get(health.reason, _OWN)
        yield _Found(rank, _problem(about, health.reason or health.health, health.message, 1, since))


def _of_events(about: ObjectId, pods: Iterable[PodView], events: Iterable[Complaint]) -> Iterator[_Found]:
    unready, between = {pod.name for pod in pods if not pod.ready}, CHILDREN.get(about.group_kind, "")
    groups: dict[str, list[tuple[float, str, str, str]]] = {}
    for event in events:
        if event.kind == "Pod" and about.kind != "Pod":
            wanted = event.name in unready and event.reason in _OF_PODS
        elif event.kind == between:
            wanted = event.name.startswith(about.name + "-")
        else:
            wanted = (event.kind, event.name) == (about.kind, about.name)
        if wanted:
            groups.setdefault(event.reason, []).append((-event.last, event.name, event.kind, event.message))
    for reason, rows in groups.items():
        _, name, kind, message = min(rows)
        group = "" if kind == "Pod" else about.group  # what stands between is of its owner's group
        since = min(e.first for e in events if e.reason == reason and e.kind == kind and e.name == name)
        count = len({row[1] for row in rows})
        where = ObjectId(group, kind, about.namespace, name)
        yield _Found(_RANKS.get(reason, _OTHER), _problem(where, reason, message, count, since))


def _problem(about: ObjectId, reason: str, message: str, count: int, since: float) -> Problem:
    return Problem(about, clean(reason, 128), clean(conceal(about, message)), count, since)


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
