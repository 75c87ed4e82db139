"""An Application's status, from all that is known of it. Pure: the same facts, the same status.

What was written before is one of the facts: times of transitions stay while what they date does, and a hub that has
just started repeats what it finds written until it knows better.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from atoll.api.application import Application
from atoll.api.delivery import Outcome
from atoll.api.objects import NOTHING
from atoll.api.observation import Observation
from atoll.api.status import ApplicationStatus, AvoidedCluster, ClusterRow, PlacedCluster, Summary
from atoll.api.times import format_time
from atoll.observe.bounds import MOST_BYTES, bounded
from atoll.observe.conditions import MOVING, Verdict, conditions, dated
from atoll.observe.inputs import Finding, Planned, Reachability
from atoll.observe.rows import Facts, row
from atoll.observe.wording import clean

MOST_AVOIDED = 1024
BY_ITSELF = frozenset({"Progressing", "Complete", "Pending", "Updating", "Done"})
"""Phases of a change, and states of a stage, that wait for no person and no check, and report nothing wrong."""
TRIED_AGAIN = 1800.0
"""Seconds after which more replicas are tried where they were found not to fit."""


def build_status(
    *,
    app: Application | None,
    generation: int,
    sequence: int,
    digest: str,
    content: str = "",
    issues: Iterable[Finding],
    held: str,
    plan: Planned | None,
    outcomes: Mapping[str, Outcome],
    observations: Mapping[str, Observation],
    reach: Mapping[str, Reachability],
    deleting: bool,
    previous: ApplicationStatus,
    now: float,
    leaving: Collection[str] | None = None,
    carry: Mapping[str, Mapping[str, str]] | None = None,
    most: int = MOST_BYTES,
) -> ApplicationStatus:
    """The status to write, of `most` bytes at most.

    `app` is None while it can't even be read. `plan` is None until it has been planned. `leaving`: clusters that it is
    being removed from; not given, those whose outcome says so, and those in `reach` that the plan leaves out and that
    can't be reached: nothing can have been removed there. `carry`: by cluster, what `failover.carry` names, as seen
    last. `now` is epoch seconds.
    """
    time = format_time(now)
    issues = tuple(issues)
    errors = tuple(_words(i) for i in issues if i.severity == "error")
    if (
        plan is None
        and not errors
        and not deleting
        and previous.conditions
        and previous.observed_generation == generation
    ):
        return previous  # the hub has just started: what is written still stands
    current = plan if not errors and not held else None
    going = _going(current, outcomes, reach, leaving, deleting=deleting)
    wanted = set() if deleting else _wanted(current, outcomes, previous) - going
    suspended = app is not None and app.spec.suspend
    before = {r.name: r for r in previous.clusters}
    same = (previous.sequence, previous.intent) == (sequence, digest)
    rows = [
        row(
            Facts(
                cluster=name,
                sequence=0 if held else _number(current, name, sequence),
                now=time,
                removing=name in going,
                turn=_turn(current, name),
                suspended=suspended,
                refusal=_refusal(current, name),
                outcome=outcomes.get(name),
                observation=observations.get(name),
                away=_away(reach.get(name)),
                carry=(carry or {}).get(name, {}),
                before=before.get(name),
                same=same,
            )
        )
        for name in sorted(wanted | going)
    ]
    verdict = Verdict(
        errors=errors,
        warnings=(*(_words(i) for i in issues if i.severity != "error"), *(current.warnings if current else ())),
        planned=plan is not None,
        no_cluster=_no_cluster(current),
        short=current.short if current else "",
        brake=current.brake if current else "",
        held=held,
        suspended=suspended,
        deleting=deleting,
        away=frozenset(name for name, found in reach.items() if found.reachable is False),
        rollout=current.rollout if current else None,
    )
    known = {c.type: c for c in previous.conditions}
    return bounded(
        ApplicationStatus(
            observed_generation=generation,
            sequence=sequence,
            intent=digest,
            content=content,
            rollout=plan.rollout if plan is not None else previous.rollout,
            conditions=dated(conditions(verdict, rows), known, generation, time),
            placement=_placement(current, previous, now) if current is not None else previous.placement,
            avoided=_avoided(current) if current is not None else previous.avoided,
            clusters=tuple(rows),
            summary=_summary(rows, observations, previous if same else None),
        ),
        most,
    )


def settled(status: ApplicationStatus) -> bool:
    """Nothing in it will change soon by itself: all is well, or stands still until somebody or something comes."""
    return not any(c.type == "Reconciling" and c.reason in MOVING for c in status.conditions)


def alike(before: ApplicationStatus, after: ApplicationStatus) -> bool:
    """They differ, if at all, in what `failover.carry` names."""
    return _without_values(before) == _without_values(after)


def _without_values(status: ApplicationStatus) -> ApplicationStatus:
    if not any(r.carry for r in status.clusters):
        return status
    rows = tuple(msgspec.structs.replace(r, carry={}) for r in status.clusters)
    return msgspec.structs.replace(status, clusters=rows)


def stepped(before: ApplicationStatus, after: ApplicationStatus) -> bool:
    """A stage of a rollout began or ended: worth writing down, whatever else is on its way."""
    return _steps(before) != _steps(after)


def _steps(status: ApplicationStatus) -> tuple[object, ...]:
    """None of a change in a single stage that gets on by itself: most are over before its beginning was written."""
    rollout = status.rollout
    if rollout is None:
        return ()
    stages = [(stage.name, stage.state) for stage in rollout.stages]
    if rollout.phase in BY_ITSELF and len(stages) <= 1 and all(state in BY_ITSELF for _, state in stages):
        return ()
    return (rollout.revision, rollout.phase, *stages)


def _number(plan: Planned | None, cluster: str, sequence: int) -> int:
    """The sequence number that a cluster is to have now."""
    delivery = plan.deliveries.get(cluster) if plan is not None else None
    return sequence if delivery is None else delivery.revision.sequence


def _turn(plan: Planned | None, cluster: str) -> str:
    """What a cluster waits for that gets nothing now."""
    return "" if plan is None else plan.unreached.get(cluster, "") or plan.kept.get(cluster, "")


def _words(issue: Finding) -> str:
    return f"{issue.path}: {issue.message}" if issue.path else issue.message


def _going(
    plan: Planned | None,
    outcomes: Mapping[str, Outcome],
    reach: Mapping[str, Reachability],
    leaving: Collection[str] | None,
    *,
    deleting: bool,
) -> set[str]:
    going = {name for name, outcome in outcomes.items() if outcome.state == "Removing"}
    if leaving is not None:
        going |= set(leaving)
    elif plan is not None:
        going |= {name for name, found in reach.items() if found.reachable is False}
    if deleting:
        return going | outcomes.keys()
    return going - _stays(plan) if plan is not None else going


def _stays(plan: Planned) -> set[str]:
    """Where it is, or is on its way to."""
    return set(plan.deliveries) | set(plan.refusals) | set(plan.kept)


def _wanted(plan: Planned | None, outcomes: Mapping[str, Outcome], previous: ApplicationStatus) -> set[str]:
    """Where it should be; where it is, as long as there is no plan."""
    if plan is not None:
        return _stays(plan) | set(plan.unreached)
    return set(outcomes) | {p.cluster for p in previous.placement}


def _refusal(plan: Planned | None, cluster: str) -> str:
    refusal = plan.refusals.get(cluster) if plan is not None else None
    return f"{refusal.path}: {refusal.message}" if refusal is not None else ""


def _away(reach: Reachability | None) -> Reachability | None:
    return reach if reach is not None and reach.reachable is False else None


def _no_cluster(plan: Planned | None) -> str:
    """Why nothing was chosen, in the words of the first verdicts."""
    if plan is None or _stays(plan) or plan.unreached:
        return ""
    whys = [f"{v.cluster}: {v.why}" for v in plan.verdicts if not v.chosen]
    if not whys:
        return "there is no cluster"
    more = f"; and {len(whys) - 3} more" if len(whys) > 3 else ""
    return "no cluster was chosen: " + "; ".join(whys[:3]) + more


def _placement(plan: Planned, previous: ApplicationStatus, now: float) -> tuple[PlacedCluster, ...]:
    whys = {v.cluster: v.why for v in plan.verdicts if v.chosen}
    before = {placed.cluster: placed for placed in previous.placement}
    placed = []
    for name in sorted(_stays(plan)):
        share = plan.shares.get(name)
        why = (share.why if share is not None else "") or whys.get(name, "")
        if share is None:
            placed.append(PlacedCluster(name, None, clean(why), NOTHING, carried=NOTHING))
            continue
        apart = NOTHING if share.common is not None or not share.replicas else dict(share.replicas)
        along = dict(share.carried) if share.carried else NOTHING
        until = _until(before.get(name), share.most, now)
        leaving = clean(share.leaving)
        placed.append(
            PlacedCluster(name, share.common, clean(why), apart, leaving, share.most, until, along, share.came_from)
        )
    return tuple(placed)


def _until(before: PlacedCluster | None, most: int | None, now: float) -> str:
    """Until when more replicas than were found to fit are not tried: as said before, while that number is the same."""
    if most is None:
        return ""
    if before is not None and before.most == most and before.until:
        return before.until
    return format_time(now + TRIED_AGAIN)


def _avoided(plan: Planned) -> tuple[AvoidedCluster, ...]:
    return tuple(AvoidedCluster(name, clean(why)) for name, why in sorted(plan.avoided.items())[:MOST_AVOIDED])


def _replicas(text: str) -> tuple[int, int] | None:
    """`2/3` as numbers. Rows come from the status, too, and that anybody with the right may have written."""
    ready, _, desired = text.partition("/")
    return (int(ready), int(desired)) if ready.isdecimal() and desired.isdecimal() else None


def _summary(
    rows: Iterable[ClusterRow], observations: Mapping[str, Observation], before: ApplicationStatus | None
) -> Summary:
    """Short rows don't tell replicas: until all clusters were seen after a restart, the sum written before stands."""
    mine = [r for r in rows if r.state != "Removing"]
    counted = [counts for r in mine if (counts := _replicas(r.ready))]
    ready = f"{sum(r for r, _ in counted)}/{sum(d for _, d in counted)}" if counted else ""
    unseen = any(r.state == "Applied" and r.name not in observations for r in mine)
    if unseen and before is not None and before.summary is not None:
        ready = before.summary.ready
    return Summary(
        clusters=len(mine),
        applied=sum(r.state == "Applied" for r in mine),
        healthy=sum(r.health == "Healthy" for r in mine),
        ready=ready,
    )
