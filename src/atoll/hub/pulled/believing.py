"""What an agent reports, made fit for a status that it shares with other clusters'. Pure.

A status is written as a whole: one number too large or word too long in one cluster's row, and the API server refuses
what is told of all of them. A hub believes its agents in what they say of their clusters, not in its form.
"""

import msgspec

from atoll.api.delivery import Delivery, ObjectOutcome, Outcome, Removal
from atoll.api.failover import MOST_CARRIED
from atoll.api.intent import Revision
from atoll.api.objects import ObjectId
from atoll.api.observation import Observation, Problem
from atoll.observe.problems import MOST
from atoll.observe.wording import clean

OBJECTS, TEXT, WORD, NAME = 100, 1024, 128, 1024
"""Objects in trouble that are remembered of an application; characters of a message, a reason, an object's name."""
NUMBER, SEQUENCE = 2**31 - 1, 2**63 - 1
AHEAD = 24 * 3600.0
"""Seconds by which a member's clock may be ahead of the hub's; a time beyond is none."""


def believed_outcome(said: Outcome, target: Delivery | Removal, cluster: str) -> Outcome:
    """What became of `target` on `cluster`."""
    troubles = tuple(map(_trouble, [found for found in said.objects if _named(found.id)][:OBJECTS]))
    told = isinstance(target, Delivery) and target.manner.tell_versions
    return msgspec.structs.replace(
        said,
        cluster=cluster,
        revision=_revision(said.revision),
        newer=_revision(said.newer),
        total=_number(said.total),
        applied=_number(said.applied),
        objects=troubles,
        versions=tuple((about, clean(text, WORD)) for about, text in said.versions if _named(about)) if told else (),
    )


def believed_observation(said: Observation, target: Delivery, cluster: str, now: float) -> Observation:
    """How `target` does on `cluster`; `now` in epoch seconds."""
    carried = {rule.name for rule in target.carry}
    return msgspec.structs.replace(
        said,
        cluster=cluster,
        ready=None if said.ready is None else _number(said.ready),
        desired=None if said.desired is None else _number(said.desired),
        problems=tuple(_problem(problem, now) for problem in said.problems[:MOST] if _named(problem.object)),
        statuses=tuple(one for one in said.statuses if one[0] in target.ids) if target.manner.tell_status else (),
        carry={name: text for name, text in said.carry.items() if name in carried and _plain(text)},
    )


def _trouble(said: ObjectOutcome) -> ObjectOutcome:
    return msgspec.structs.replace(said, reason=clean(said.reason[:TEXT], WORD), message=said.message[:TEXT])


def _problem(said: Problem, now: float) -> Problem:
    return msgspec.structs.replace(
        said,
        reason=clean(said.reason[:TEXT], WORD),
        message=said.message[:TEXT],
        count=_number(said.count),
        since=said.since if 0 < said.since < now + AHEAD else 0.0,
    )


def _named(about: ObjectId) -> bool:
    return len(str(about)) <= NAME and len(about.namespace) <= NAME


def _plain(text: str) -> bool:
    """As the agent's own look at it ensures: it is put into manifests elsewhere."""
    return len(text) <= MOST_CARRIED and clean(text, MOST_CARRIED) == text


def _number(said: int) -> int:
    return max(0, min(said, NUMBER))


def _revision(said: Revision | None) -> Revision | None:
    if said is None or not (0 <= said.epoch <= SEQUENCE and 0 <= said.sequence <= SEQUENCE) or len(said.uid) > NAME:
        return None
    return said
