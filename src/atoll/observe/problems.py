"""What is behind an unhealthy object: from its Pods and Events to at most three problems, the true cause on top. Pure.

A Deployment that doesn't progress is a symptom; the registry that refuses its image is the cause. So what keeps
containers from running comes first, then what keeps Pods from being made, mounted, scheduled and found ready, and the
object's own complaint last.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from atoll.api.objects import ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.evidence import CHILDREN, Complaint, PodView, Stage, owns
from atoll.observe.kinds.workloads import ROLLOUT
from atoll.observe.reading import STALE
from atoll.observe.wording import clean, conceal

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

_OF_PODS: dict[str, Stage] = {
    "Unschedulable": "new",
    **dict.fromkeys(("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"), "scheduled"),
    "Unhealthy": "started",
}
"""Reasons of Events on Pods that say more than the Pod's own status, and in which stage of the Pod they still hold."""

_ON_THEIR_WAY = frozenset(
    {"", ROLLOUT, STALE, "Running", "Pending", "Binding", "Installing", "Reconciling", "AwaitingAddress"}
)
"""Reasons of Progressing that are no problem."""


class _Found(NamedTuple):
    rank: int
    problem: Problem


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


def _of_events(about: ObjectId, pods: Sequence[PodView], events: Iterable[Complaint]) -> Iterator[_Found]:
    stages, between = {pod.name: pod.stage for pod in pods}, CHILDREN.get(about.group_kind, "")
    newest = max((pod.created for pod in pods), default=0.0)
    groups: dict[str, list[tuple[float, str, str, str]]] = {}
    for event in events:
        if event.kind == "Pod" and about.kind != "Pod":
            wanted = event.name in stages and _OF_PODS.get(event.reason) == stages[event.name]
        elif event.reason == "FailedCreate" and event.last <= newest:
            wanted = False  # a Pod could be made since
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
