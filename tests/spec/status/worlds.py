"""Applications, plans and answers of clusters for the tests of statuses, and kstatus as its users compute it."""

from typing import Any

import msgspec

from atoll.api.application import Application, ApplicationMeta, ApplicationSpec
from atoll.api.delivery import Delivery, ObjectOutcome, Outcome
from atoll.api.intent import Revision
from atoll.api.objects import Key, ObjectId
from atoll.api.observation import Observation, Problem
from atoll.api.status import ApplicationStatus, ClusterRow
from atoll.observe.status import build_status
from atoll.plan.model import ClusterShare, Plan, Refusal, Verdict

KEY, UID = Key("demo", "shop"), "uid-1"
NOW = 1_767_225_600.0
START = "2026-01-01T00:00:00Z"
WEB = ObjectId("apps", "Deployment", "demo", "web")
POD = ObjectId("", "Pod", "demo", "web-1")


class Issue(msgspec.Struct, frozen=True):
    path: str
    message: str
    severity: str = "error"


class Reach(msgspec.Struct, frozen=True):
    reachable: bool | None = True
    reason: str = "Reachable"
    message: str = ""
    since: float = NOW - 100


AWAY = Reach(False, "Refused", "192.0.2.1:6443: connection refused", NOW - 60)


def application(generation: int = 1, **spec: Any) -> Application:
    return Application(ApplicationMeta("shop", "demo", UID, generation), ApplicationSpec(**spec))


def planned(
    *clusters: str, sequence: int = 1, refused: dict[str, str] | None = None, out: dict[str, str] | None = None
) -> Plan:
    revision = Revision(1, UID, sequence)
    verdicts = [Verdict(c, True, "by name") for c in clusters] + [
        Verdict(c, False, why) for c, why in (out or {}).items()
    ]
    return Plan(
        KEY,
        tuple(verdicts),
        {c: ClusterShare(c, {"web": 3}, "each 3") for c in clusters},
        {c: Delivery(KEY, UID, c, revision, ()) for c in clusters},
        {c: Refusal(c, "spec.differences[0]", why) for c, why in (refused or {}).items()},
    )


def outcome(cluster: str, state: Any = "Applied", *objects: ObjectOutcome, sequence: int = 1) -> Outcome:
    return Outcome(KEY, UID, cluster, Revision(1, UID, sequence), state, 1, int(state == "Applied"), objects)


def observed(
    cluster: str, health: Any = "Healthy", ready: int | None = 3, desired: int | None = 3, *problems: Problem
) -> Observation:
    return Observation(KEY, UID, cluster, health, ready, desired, problems)


def trouble(
    reason: str = "ErrImagePull", message: str = "nope", about: ObjectId = POD, since: float = NOW - 30
) -> Problem:
    return Problem(about, reason, message, 2, since)


def status(
    plan: Plan | None,
    *answers: Outcome | Observation,
    app: Application | None = None,
    previous: ApplicationStatus | None = None,
    sequence: int = 1,
    now: float = NOW,
    reach: dict[str, Reach] | None = None,
    issues: tuple[Issue, ...] = (),
    held: str = "",
    deleting: bool = False,
    leaving: frozenset[str] | None = frozenset(),
    carry: dict[str, dict[str, str]] | None = None,
) -> ApplicationStatus:
    app = app or application()
    return build_status(
        app=app,
        generation=app.metadata.generation,
        sequence=sequence,
        digest="d",
        issues=issues,
        held=held,
        plan=plan,
        outcomes={a.cluster: a for a in answers if isinstance(a, Outcome)},
        observations={a.cluster: a for a in answers if isinstance(a, Observation)},
        reach=reach or {},
        deleting=deleting,
        previous=previous or ApplicationStatus(),
        now=now,
        leaving=leaving,
        carry=carry,
    )


def conditions(found: ApplicationStatus) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason) for c in found.conditions}


def row(found: ApplicationStatus, cluster: str) -> ClusterRow:
    return next(r for r in found.clusters if r.name == cluster)


def kstatus(found: ApplicationStatus, generation: int = 1, *, deleting: bool = False) -> str:
    """What kstatus computes of a kind without a rule: deletion, generation, then the first of two conditions."""
    if deleting:
        return "Terminating"
    if found.observed_generation != generation:
        return "InProgress"
    for condition in found.conditions:
        if condition.type == "Reconciling" and condition.status == "True":
            return "InProgress"
        if condition.type == "Stalled" and condition.status == "True":
            return "Failed"
    return "Current"
