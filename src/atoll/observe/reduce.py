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


WELL = Finding(ObjectHealth("Healthy"))
"""What is found of most objects of most applications."""
NONE: dict[ObjectId, Finding] = {}


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


class _Unwell:
    """Of one application on one cluster, what isn't simply healthy. Where all is, there is none."""

    __slots__ = ("healths", "missing", "troubled")

    def __init__(self) -> None:
        self.healths = [0] * len(ORDER)
        """How many objects there are of each, in the order of ORDER; those that are Healthy aren't counted."""
        self.troubled: dict[ObjectId, Finding] = {}
        self.missing: dict[ObjectId, None] = {}


ALL_WELL = _Unwell()


class Tally:
    """The same verdict as `reduce`, kept object by object: a change costs the same among 10 objects and among 5,000.

    There are as many as applications times clusters, and most have only what is healthy.
    """

    __slots__ = ("_desired", "_findings", "_plain", "_ready", "_scaled", "_unwell", "_well")

    def __init__(self) -> None:
        self._findings = NONE
        self._plain = 0
        """How many of the findings are WELL."""
        self._well: frozenset[ObjectId] | None = None
        """Instead of findings: all of these are WELL."""
        self._unwell: _Unwell | None = None
        self._scaled = self._ready = self._desired = 0

    def put(self, about: ObjectId, finding: Finding) -> bool:
        """True when this says something else of `about` than before."""
        if self.get(about) == finding:
            return False
        self._wake()
        self.drop(about)
        self._findings[about] = finding
        self._count(about, finding, 1)
        return True

    def drop(self, about: ObjectId) -> bool:
        if self.get(about) is None:
            return False
        self._wake()
        finding = self._findings.pop(about)
        self._count(about, finding, -1)
        return True

    def get(self, about: ObjectId) -> Finding | None:
        if self._well is not None:
            return WELL if about in self._well else None
        return self._findings.get(about)

    def ids(self) -> frozenset[ObjectId]:
        return frozenset(self._findings) if self._well is None else self._well

    def rest(self, ids: frozenset[ObjectId]) -> None:
        """Hold what is shared by many, if all of `ids`, and nothing else, is WELL."""
        if self._plain == len(self._findings) == len(ids) and self._findings.keys() == ids:
            self._findings, self._well, self._plain = NONE, ids, 0

    def _wake(self) -> None:
        if self._well is not None:
            self._findings, self._plain, self._well = dict.fromkeys(self._well, WELL), len(self._well), None
        elif self._findings is NONE:
            self._findings = {}

    def _count(self, about: ObjectId, finding: Finding, sign: int) -> None:
        self._plain += sign * (finding is WELL)
        health = finding.health
        if health.desired is not None:
            self._scaled += sign
            self._ready += sign * (health.ready or 0)
            self._desired += sign * health.desired
        if health.health == "Healthy" and not finding.problems:
            return
        unwell = self._unwell = self._unwell or _Unwell()
        if health.health != "Healthy":
            unwell.healths[SEVERITY[health.health]] += sign
        if sign < 0:
            unwell.troubled.pop(about, None)
            unwell.missing.pop(about, None)
            if not (any(unwell.healths) or unwell.troubled):
                self._unwell = None
        elif health.health == "Missing":
            unwell.missing[about] = None
        elif finding.problems:
            unwell.troubled[about] = finding

    def verdict(self) -> Verdict:
        scaled, unwell = self._scaled > 0, self._unwell or ALL_WELL
        return Verdict(
            health=worst(health for health, count in zip(ORDER, unwell.healths, strict=True) if count),
            ready=self._ready if scaled else None,
            desired=self._desired if scaled else None,
            problems=(*most_important(unwell.troubled), *_absence(unwell.missing))[:MOST],
        )


def _absence(missing: dict[ObjectId, None]) -> tuple[Problem, ...]:
    """One problem for all that is missing: thousands may be, while an application is on its way."""
    first = next(iter(missing), None)
    if first is None:
        return ()
    return (Problem(first, "Missing", "it is not in the cluster", len(missing)),)


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
