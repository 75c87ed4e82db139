"""One cluster's row of an Application's status. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.objects import NOTHING
from atoll.api.observation import Observation
from atoll.api.status import ClusterRow, ClusterState, Health, ProblemStatus
from atoll.api.times import format_time
from atoll.observe.inputs import Reachability
from atoll.observe.problems import MOST
from atoll.observe.wording import clean, conceal

TROUBLES = frozenset({"Failed", "Conflict", "Waiting"})
"""States of an object that a person wants to read about."""
SEEN = frozenset({"Applied", "Suspended"})
"""States in which an object that isn't there is a problem; in others it is not there yet, or delivery says why."""


class Facts(msgspec.Struct, frozen=True):
    """All that a row is made of."""

    cluster: str
    sequence: int
    """What the cluster is to have; 0 while that is held: then what it has is told."""
    now: str
    removing: bool = False
    suspended: bool = False
    refusal: str = ""
    turn: str = ""
    """What it waits for, while a rollout gives it nothing."""
    outcome: Outcome | None = None
    observation: Observation | None = None
    carry: Mapping[str, str] = {}
    """What `failover.carry` names, as last seen."""
    away: Reachability | None = None
    """Set when the cluster can't be reached."""
    before: ClusterRow | None = None
    same: bool = False
    """`before` is about what is wanted now; so it stands for whatever is not known yet after a restart of the hub."""


def row(facts: Facts) -> ClusterRow:
    """State, health, replicas and trouble on one cluster. `since` stays as long as the state does."""
    if facts.away is not None:
        return _away(facts, facts.away)
    state, seen, before = _state(facts), facts.observation, _before(facts)
    problems = tuple(_problems(facts, state))[:MOST]
    if seen is None and facts.outcome is None and before is not None:
        problems = before.problems
    ready = f"{seen.ready or 0}/{seen.desired}" if seen is not None and seen.desired is not None else ""
    health = seen.health if seen is not None else (before.health if before is not None else "Unknown")
    return ClusterRow(
        name=facts.cluster,
        state=state,
        health=health,
        ready=before.ready if seen is None and before is not None else ready,
        revision=_revision(facts, state),
        message=_message(facts, problems),
        since=_since(facts.before, state, facts.now),
        problems=problems,
        degraded_since=_degraded_since(facts, health),
        carry=_carry(facts),
    )


def _carry(facts: Facts) -> dict[str, str]:
    """Of where it leaves, nothing is awaited any more."""
    return dict(facts.carry) if facts.carry and not facts.removing else NOTHING


def _degraded_since(facts: Facts, health: Health) -> str:
    """Until it is well again, or another: while it only tries again, the time goes on."""
    before = facts.before.degraded_since if facts.before is not None and facts.same else ""
    if health in {"Healthy", "Suspended"}:
        return ""
    return before or (facts.now if health == "Degraded" else "")


def _before(facts: Facts) -> ClusterRow | None:
    """The row written before, where it still holds."""
    before = facts.before
    if before is None or not facts.same or facts.removing or facts.refusal:
        return None
    changed = before.state == "Removing" or (before.state == "Suspended") != facts.suspended
    return None if changed or before.state == "Unreachable" else before


def _state(facts: Facts) -> ClusterState:
    outcome, before = facts.outcome, _before(facts)
    if facts.removing:
        return "Removing"
    if facts.refusal:
        return "Failed"
    if facts.suspended:
        return "Suspended"
    if facts.turn:
        return "Waiting"
    if outcome is None:
        return before.state if before is not None else "Pending"
    if outcome.revision is None or outcome.revision.sequence < facts.sequence:
        return "Applying" if outcome.state != "Pending" else "Pending"
    return outcome.state


def _revision(facts: Facts, state: ClusterState) -> int:
    """What is applied there as a whole: the last one that was, while the next is on its way."""
    outcome, before = facts.outcome, facts.before
    if outcome is not None and outcome.revision is not None and outcome.state == "Applied":
        return outcome.revision.sequence
    return before.revision if before is not None else (facts.sequence if state == "Applied" else 0)


def _since(before: ClusterRow | None, state: ClusterState, now: str) -> str:
    return before.since if before is not None and before.state == state and before.since else now


def _away(facts: Facts, away: Reachability) -> ClusterRow:
    before = facts.before
    since = format_time(away.since) or facts.now
    if before is not None and before.state == "Unreachable" and before.since:
        since = before.since
    words = f"last seen {since}: {away.message or away.reason}"
    state: ClusterState = "Removing" if facts.removing else "Unreachable"
    return ClusterRow(
        facts.cluster,
        state=state,
        health="Unknown",
        revision=_revision(facts, "Unreachable"),
        message=clean(words),
        carry=_carry(facts),
        since=since if state == "Unreachable" else _since(before, state, facts.now),
    )


def _problems(facts: Facts, state: ClusterState) -> Iterator[ProblemStatus]:
    """What delivery could not do comes before what doesn't run."""
    known: Mapping[str, str] = {p.reason: p.since for p in facts.before.problems} if facts.before else {}
    told = set()
    for trouble in _troubles(facts):
        name = clean(str(trouble.id))
        told.add(name)
        reason = trouble.reason or trouble.state
        words = clean(conceal(trouble.id, trouble.message))
        yield ProblemStatus(name, reason, words, since=known.get(reason) or facts.now)
    if facts.observation is None and (before := _before(facts)) is not None:
        yield from (p for p in before.problems if p.object not in told and p.reason not in TROUBLES)
    for problem in facts.observation.problems if facts.observation else ():
        name = clean(str(problem.object))
        if name in told or (problem.reason == "Missing" and state not in SEEN):
            continue
        since = known.get(problem.reason) or format_time(problem.since) or facts.now
        yield ProblemStatus(name, problem.reason, clean(problem.message), problem.count, since)


def _troubles(facts: Facts) -> Iterable[ObjectOutcome]:
    """The worst first, then by name: in which order they came to light is chance, and no news."""
    if facts.outcome is None or facts.suspended:
        return ()
    return sorted((o for o in facts.outcome.objects if o.state in TROUBLES), key=lambda o: (_URGENCY[o.state], o.id))


_URGENCY = {"Failed": 0, "Conflict": 1, "Waiting": 2}


def _message(facts: Facts, problems: tuple[ProblemStatus, ...]) -> str:
    """The first trouble: the object, and the member's own words."""
    if facts.refusal or facts.turn:
        return clean(facts.refusal or facts.turn)
    if not problems:
        return ""
    first = problems[0]
    return clean(f"{first.object}: {first.reason}" + (f": {first.message}" if first.message else ""))
