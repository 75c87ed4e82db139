"""An Application's conditions. Pure.

kstatus reads `Reconciling` and `Stalled`, abnormal-true: they are there only while they hold, never both. Reconciling
means that Atoll is at work or waits for something that may come by itself; Stalled that nothing will change before
somebody acts. `Ready` is False or Unknown for as long as either is there.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from atoll.api.common import Condition
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ClusterRow
from atoll.observe.wording import clean

Truth = Literal["True", "False", "Unknown"]

MOVING = frozenset({"Applying", "Removing", "Progressing", "RollingOut", "RollingBack"})
"""Reasons of Reconciling that end by themselves, soon."""

CHANGES = frozenset({"RollingOut", "RollingBack"})
"""Those of a change that every cluster has and that is looked at once more."""
MESSAGE_LIMIT = 512
GIVEN_UP = frozenset({"RolloutFailed", "RolledBack"})
ROLLOUT = {
    "Progressing": "RollingOut",
    "Waiting": "RolloutWaiting",
    "Paused": "RolloutPaused",
    "Failed": "RolloutFailed",
    "RollingBack": "RollingBack",
    "RolledBack": "RolledBack",
}
"""Phases of a rollout that is not complete, as reasons."""
STALLED_STATES = frozenset({"Conflict", "Failed"})
APPLYING_STATES = frozenset({"Pending", "Applying"})


class Say(msgspec.Struct, frozen=True):
    """One condition before it is dated."""

    type: str
    status: Truth
    reason: str
    message: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """What the conditions are made of, besides the rows."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    planned: bool = True
    no_cluster: str = ""
    """Why no cluster was chosen; "" when one was."""
    short: str = ""
    """What could not be placed for want of room."""
    brake: str = ""
    """Why clusters that are lost keep their share."""
    held: str = ""
    suspended: bool = False
    deleting: bool = False
    rollout: RolloutStatus | None = None
    away: frozenset[str] = frozenset()
    """Clusters that can't be reached: what waits for them is not moving."""


def conditions(verdict: Verdict, rows: Iterable[ClusterRow]) -> tuple[Say, ...]:
    """Accepted, Placed, Applied, Healthy, Ready; FailoverHeld, Reconciling or Stalled where they hold."""
    rows = tuple(rows)
    if verdict.deleting:
        words = f"it is being removed from {len(rows)} clusters" + (f"; {_about(rows[0])}" if rows else "")
        return (
            _accepted(verdict),
            Say("Ready", "False", "Removing", words),
            Say("Reconciling", "True", "Removing", words),
        )
    four = (_accepted(verdict), _placed(verdict), _applied(verdict, rows), _healthy(verdict, rows))
    brake = (Say("FailoverHeld", "True", "TooManyLost", verdict.brake),) if verdict.brake else ()
    return (*four, _ready(four), *brake, *_kstatus(verdict, four, rows))


def _accepted(verdict: Verdict) -> Say:
    if verdict.errors:
        return Say("Accepted", "False", "Invalid", _several(verdict.errors))
    return Say("Accepted", "True", "Valid", _several(verdict.warnings))


def _placed(verdict: Verdict) -> Say:
    if verdict.errors or not verdict.planned:
        return Say("Placed", "Unknown", "NotAccepted" if verdict.errors else "Pending")
    if verdict.no_cluster:
        return Say("Placed", "False", "NoClusters", verdict.no_cluster)
    if verdict.short:
        return Say("Placed", "False", "NoRoom", verdict.short)
    return Say("Placed", "True", "Placed")


def _applied(verdict: Verdict, rows: tuple[ClusterRow, ...]) -> Say:
    if verdict.errors:
        return Say("Applied", "False", "NotAccepted", "what was applied before stays as it is" if rows else "")
    if verdict.held:
        return Say("Applied", "False", "Held", verdict.held)
    if verdict.suspended:
        return Say("Applied", "Unknown", "Suspended", "spec.suspend is true: nothing is written to any cluster")
    if not rows:
        return Say("Applied", "False", "NoClusters" if verdict.no_cluster else "Pending")
    behind = [row for row in rows if row.state != "Applied"]
    change = _change(verdict)
    if change is not None and (not behind or change.reason in GIVEN_UP):
        return change
    if not behind:
        return Say("Applied", "True", "Applied")
    first = min(behind, key=lambda row: (_STATE_ORDER.get(row.state, 0), row.name))
    counted = f"{len(rows) - len(behind)} of {len(rows)} clusters"
    status: Truth = "Unknown" if all(row.state == "Unreachable" for row in behind) else "False"
    return Say("Applied", status, first.state, f"{counted}; {_about(first)}")


def _change(verdict: Verdict) -> Say | None:
    """A change that has not reached every cluster."""
    rollout = verdict.rollout
    if rollout is None or rollout.phase == "Complete":
        return None
    return Say("Applied", "False", ROLLOUT[rollout.phase], rollout.message)


_STATE_ORDER = {
    name: place
    for place, name in enumerate(("Failed", "Conflict", "Waiting", "Unreachable", "Applying", "Removing", "Pending"))
}


def _healthy(verdict: Verdict, rows: tuple[ClusterRow, ...]) -> Say:
    mine = [row for row in rows if row.state != "Removing"]
    if not mine:
        return Say("Healthy", "Unknown", "NoClusters" if verdict.no_cluster else "Pending")
    ill = [row for row in mine if row.health not in {"Healthy", "Suspended"}]
    if not ill:
        paused = [row.name for row in mine if row.health == "Suspended"]
        return Say("Healthy", "True", "Suspended", _several(paused)) if paused else Say("Healthy", "True", "Healthy")
    first = min(ill, key=lambda row: (_HEALTH_ORDER.get(row.health, 0), row.name))
    status: Truth = "Unknown" if all(row.health == "Unknown" for row in ill) else "False"
    return Say("Healthy", status, first.health, f"{len(mine) - len(ill)} of {len(mine)} clusters; {_about(first)}")


_HEALTH_ORDER = {name: place for place, name in enumerate(("Degraded", "Missing", "Progressing", "Unknown"))}


def _ready(four: Iterable[Say]) -> Say:
    for say in four:
        if say.status != "True":
            return Say("Ready", say.status, say.reason, say.message)
    return Say("Ready", "True", "Ready")


def _kstatus(verdict: Verdict, four: tuple[Say, ...], rows: tuple[ClusterRow, ...]) -> tuple[Say, ...]:
    accepted, placed, applied, healthy = four
    if accepted.status == "False" or applied.reason == "Held":
        first = accepted if accepted.status == "False" else applied
        return (Say("Stalled", "True", first.reason, first.message),)
    if verdict.suspended:
        return ()
    if moving := _moving(verdict, rows):
        return (moving,)
    if applied.reason in GIVEN_UP:
        return (Say("Stalled", "True", applied.reason, applied.message),)
    if placed.status == "False":
        return (Say("Stalled", "True", placed.reason, placed.message),)
    if any(row.state in STALLED_STATES for row in rows):
        return (Say("Stalled", "True", applied.reason, applied.message),)
    if any(row.health == "Degraded" for row in rows):
        return (Say("Stalled", "True", "Degraded", healthy.message),)
    if applied.status != "True":
        reason = "Unreachable" if applied.reason in MOVING - CHANGES else applied.reason
        return (Say("Reconciling", "True", reason, applied.message),)
    if healthy.status != "True":
        return (Say("Reconciling", "True", "Unreachable" if _all_away(rows) else "Progressing", healthy.message),)
    return ()


def _moving(verdict: Verdict, rows: tuple[ClusterRow, ...]) -> Say | None:
    if not verdict.planned:
        return Say("Reconciling", "True", "Applying", "it is being planned")
    for reason, wanted in (
        ("Applying", lambda row: row.state in APPLYING_STATES),
        ("Removing", lambda row: row.state == "Removing" and row.name not in verdict.away),
        ("Progressing", _on_its_way),
    ):
        found = [row for row in rows if wanted(row)]
        if found:
            return Say("Reconciling", "True", reason, f"{len(found)} of {len(rows)} clusters; {_about(found[0])}")
    return None


def _on_its_way(row: ClusterRow) -> bool:
    """Applied, and not yet seen to be well or ill."""
    return row.state == "Applied" and row.health in {"Progressing", "Missing", "Unknown"}


def _all_away(rows: tuple[ClusterRow, ...]) -> bool:
    return all(row.state == "Unreachable" for row in rows if row.health not in {"Healthy", "Suspended"})


def _about(row: ClusterRow) -> str:
    words = row.message or (row.state if row.state != "Applied" else row.health)
    return f"{row.name}: {words}"


def _several(lines: Iterable[str]) -> str:
    lines = tuple(lines)
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"{lines[0]}{more}" if lines else ""


def dated(says: Iterable[Say], before: Mapping[str, Condition], generation: int, now: str) -> tuple[Condition, ...]:
    """Conditions as they are written: the time of the last transition stays while the status does."""
    result = []
    for say in says:
        old = before.get(say.type)
        since = old.last_transition_time if old is not None and old.status == say.status else ""
        message = clean(say.message, MESSAGE_LIMIT)
        result.append(_condition(say.type, say.status, say.reason, message, since or now, generation))
    return tuple(result)


_condition = lru_cache(maxsize=64)(Condition)
"""Applications that are settled together have the same."""
