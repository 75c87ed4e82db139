"""One verdict of many: the worst health, the replicas in all, the problems that matter most. Pure."""

from collections.abc import Iterable

import msgspec

from atoll.api.objects import GroupKind, ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.api.status import Health
from atoll.observe.problems import GRAVE, MOST, PATIENT

ORDER: tuple[Health, ...] = ("Healthy", "Suspended", "Progressing", "Missing", "Degraded", "Unknown")
"""From best to worst."""
SEVERITY = {health: number for number, health in enumerate(ORDER)}

PATIENCE = 60.0
"""Seconds that a problem which may pass by itself (Unschedulable, FailedMount, a failing probe) is borne."""
NO_PROGRESS = 600.0
"""Seconds after which a StatefulSet or DaemonSet that stands still is Degraded; Deployments have a deadline."""
STANDSTILL = "NoProgress"
WITHOUT_DEADLINE = frozenset({GroupKind("apps", "StatefulSet"), GroupKind("apps", "DaemonSet")})


class Verdict(msgspec.Struct, frozen=True):
    """What is said of many objects together."""

    health: Health
    ready: int | None
    desired: int | None
    problems: tuple[Problem, ...]


class Finding(msgspec.Struct, frozen=True):
    """One object's health, and what is behind it."""

    health: ObjectHealth
    problems: tuple[Problem, ...] = ()


def worst(healths: Iterable[Health]) -> Health:
    """Nothing at all is Healthy: there is nothing that could be wrong."""
    return max(healths, key=SEVERITY.__getitem__, default="Healthy")


def reduce(findings: Iterable[tuple[ObjectId, Finding]]) -> Verdict:
    """The verdict on `findings`."""
    tally = Tally()
    for about, finding in findings:
        tally.put(about, finding)
    return tally.verdict()


def escalate(about: ObjectId, health: ObjectHealth, problems: Iterable[Problem], lasting: float) -> ObjectHealth:
    """Progressing becomes Degraded where its cause won't pass: the reason is then the cause's.

    `lasting`: seconds for which the object has been waiting for the same thing.
    """
    if health.health != "Progressing":
        return health
    for problem in problems:
        if problem.reason in GRAVE or (problem.reason in PATIENT and lasting >= PATIENCE):
            return msgspec.structs.replace(health, health="Degraded", reason=problem.reason, message=problem.message)
    if about.group_kind in WITHOUT_DEADLINE and lasting >= NO_PROGRESS and health.desired:
        words = f"no progress for {int(NO_PROGRESS // 60)} minutes: {health.message}"
        return msgspec.structs.replace(health, health="Degraded", reason=STANDSTILL, message=words)
    return health


class Tally:
    """The same verdict as `reduce`, kept object by object: a change costs the same among 10 objects and among 5,000."""

    __slots__ = ("_desired", "_findings", "_healths", "_missing", "_ready", "_scaled", "_troubled")

    def __init__(self) -> None:
        self._findings: dict[ObjectId, Finding] = {}
        self._healths = [0] * len(ORDER)
        """How many objects there are of each, in the order of ORDER."""
        self._troubled: dict[ObjectId, Finding] = {}
        self._missing: dict[ObjectId, None] = {}
        self._scaled = self._ready = self._desired = 0

    def put(self, about: ObjectId, finding: Finding) -> bool:
        """True when this says something else of `about` than before."""
        if self._findings.get(about) == finding:
            return False
        self.drop(about)
        self._findings[about] = finding
        self._count(finding, 1)
        if finding.health.health == "Missing":
            self._missing[about] = None
        elif finding.problems:
            self._troubled[about] = finding
        return True

    def drop(self, about: ObjectId) -> bool:
        finding = self._findings.pop(about, None)
        if finding is None:
            return False
        self._count(finding, -1)
        self._troubled.pop(about, None)
        self._missing.pop(about, None)
        return True

    def get(self, about: ObjectId) -> Finding | None:
        return self._findings.get(about)

    def ids(self) -> frozenset[ObjectId]:
        return frozenset(self._findings)

    def _count(self, finding: Finding, sign: int) -> None:
        health = finding.health
        self._healths[SEVERITY[health.health]] += sign
        if health.desired is not None:
            self._scaled += sign
            self._ready += sign * (health.ready or 0)
            self._desired += sign * health.desired

    def verdict(self) -> Verdict:
        scaled = self._scaled > 0
        return Verdict(
            health=worst(health for health, count in zip(ORDER, self._healths, strict=True) if count),
            ready=self._ready if scaled else None,
            desired=self._desired if scaled else None,
            problems=(*most_important(self._troubled), *self._absence())[:MOST],
        )

    def _absence(self) -> tuple[Problem, ...]:
        """One problem for all that is missing: thousands may be, while an application is on its way."""
        first = next(iter(self._missing), None)
        if first is None:
            return ()
        return (Problem(first, "Missing", "it is not in the cluster", len(self._missing)),)


def most_important(troubled: dict[ObjectId, Finding]) -> tuple[Problem, ...]:
    """The worst objects' problems; the first cause of each object before the second of any. Equal ones are counted."""
    rows = [
        (place, -SEVERITY[finding.health.health], about, problem)
        for about, finding in troubled.items()
        for place, problem in enumerate(finding.problems)
    ]
    rows.sort(key=lambda row: row[:3])
    merged: dict[tuple[str, str], Problem] = {}
    for _, _, _, problem in rows:
        same = merged.get((problem.reason, problem.message))
        merged[(problem.reason, problem.message)] = _merge(same, problem) if same else problem
    return tuple(merged.values())[:MOST]


def _merge(first: Problem, other: Problem) -> Problem:
    """The same trouble in several objects (one quota, one registry) is one problem, named by its first object."""
    since = min((t for t in (first.since, other.since) if t), default=0.0)
    return msgspec.structs.replace(first, count=first.count + other.count, since=since)
