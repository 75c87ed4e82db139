"""A plan in which a change reaches one cluster after the other: where it has not come yet, the former content holds.

Placement and replicas are always today's: a rollout holds up neither failover nor a removal.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from atoll.api.delivery import Delivery
from atoll.api.intent import Content, Intent
from atoll.plan.model import ClusterShare, Plan, Refusal, Snapshot, Standing
from atoll.plan.progress import Course, Progress
from atoll.plan.rollout import content_at, needed, rollout

Planner = Callable[[Intent, Snapshot], Plan]
UNKNOWN = "stays as it is until its turn: what it has, revision {}, isn't known any more"
OUT_OF_PLACE = "stays as it is until its turn: what it has would not come here any more"
ITS_TURN = "its stage is yet to come"


class _Part(NamedTuple):
    """What one cluster gets."""

    delivery: Delivery | None = None
    share: ClusterShare | None = None
    refusal: Refusal | None = None
    kept: str = ""
    waiting: str = ""


def staged(intent: Intent, fleet: Snapshot, decide: Planner) -> Plan:
    """The plan that `decide` makes, as far as it may be carried out now."""
    decided = decide(intent, fleet)
    progress = fleet.rollouts.get(intent.key)
    if progress is None or not needed(intent, progress):
        return decided
    course = rollout(intent, decided, progress, fleet)
    parts = _parts(intent, fleet, decide, decided, progress, course)
    return msgspec.structs.replace(
        decided,
        deliveries={name: part.delivery for name, part in parts.items() if part.delivery is not None},
        shares={name: part.share for name, part in parts.items() if part.share is not None},
        refusals={name: part.refusal for name, part in parts.items() if part.refusal is not None},
        kept={name: part.kept for name, part in parts.items() if part.kept},
        unreached={name: part.waiting for name, part in parts.items() if part.waiting},
        rollout=course.status,
        again=course.again,
        ask=course.ask,
        turns_back=course.turns_back,
    )


def _parts(
    intent: Intent, fleet: Snapshot, decide: Planner, decided: Plan, progress: Progress, course: Course
) -> dict[str, _Part]:
    before, standing = fleet.previous.get(intent.key, {}), fleet.standing.get(intent.key, {})
    plans: dict[str, Plan] = {progress.content.digest: decided}

    def of(content: Content) -> Plan:
        """The plan with another content; made once."""
        found = plans.get(content.digest)
        if found is None:
            changed = msgspec.structs.replace(
                intent, manifests=content.manifests, differences=content.differences, templates=content.templates
            )
            found = plans[content.digest] = decide(changed, fleet)
        return found

    def as_it_is(name: str) -> ClusterShare | None:
        """Where it stays as it is, it is placed all the same, with as many as before: it is no newcomer there."""
        if name not in before:
            return None
        number, stands = before[name], standing.get(name, Standing())
        replicas = stands.workloads if number is None else dict.fromkeys(decided.shares[name].replicas, number)
        leaving = decided.shares[name].leaving
        return ClusterShare(name, replicas, "", leaving, stands.most, stands.carried, stands.came_from)

    def part(name: str) -> _Part:
        if name in course.refused:
            why = course.refused[name]
            return _Part(share=as_it_is(name), refusal=Refusal(name, "spec.rollout.stages", why))
        number = course.assigned.get(name)
        if number is None:
            return _Part(waiting=ITS_TURN)
        content = _content(name, number, intent, progress, course)
        if content is None and intent.suspend:  # nothing is written there: what is wanted is looked for
            content = progress.content
        if content is None:
            return _Part(share=as_it_is(name), kept=UNKNOWN.format(number or "unknown"))
        planned = of(content)
        delivery = planned.deliveries.get(name)
        if delivery is not None:
            delivery = msgspec.structs.replace(delivery, revision=intent.revision._replace(sequence=number))
        share, refusal = planned.shares.get(name), planned.refusals.get(name)
        if share is None:
            return _Part(share=as_it_is(name), kept=OUT_OF_PLACE) if name in before else _Part(waiting=ITS_TURN)
        return _Part(delivery, share, refusal)

    return {name: part(name) for name in decided.shares}


def _content(name: str, number: int, intent: Intent, progress: Progress, course: Course) -> Content | None:
    """What a cluster with `number` gets; with the newest number, what is wanted now."""
    if number == intent.revision.sequence:
        return progress.former(course.status.stable) if course.status.back else progress.content
    there = progress.standing.get(name)
    return content_at(there.revision if there is not None else number, progress)
