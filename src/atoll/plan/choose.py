"""Which clusters get the application: of those that may, as its spread, its fallback and its room have it."""

from collections.abc import Sequence
from typing import NamedTuple

from atoll.api.intent import Intent
from atoll.api.replicas import Share
from atoll.plan.divide import BY_ROOM
from atoll.plan.eligible import Eligible
from atoll.plan.failover import able_to_leave, evictions
from atoll.plan.fit import MOST_PODS, shape_of
from atoll.plan.ground import Ground
from atoll.plan.model import Snapshot, Verdict
from atoll.plan.preferences import candidates
from atoll.plan.selection import Candidate
from atoll.plan.spread import Choice, spread


class Chosen(NamedTuple):
    """Where the application goes, by name; where it is and has to leave, and why; and what a person should know.

    displaced: clusters where it is, which may have it and were not taken.
    staying: clusters that it would leave if it could, and why it can't.
    """

    verdicts: dict[str, Verdict]
    clusters: list[str]
    leaving: dict[str, str]
    displaced: dict[str, str]
    staying: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    short: str = ""
    brake: str = ""
    due: float | None = None


def choose(intent: Intent, able: Eligible, fleet: Snapshot) -> Chosen:
    """Take of those that may have the application the ones that should."""
    before = fleet.previous.get(intent.key, {})
    may = [name for name, verdict in able.verdicts.items() if verdict.chosen]
    evicted = evictions(intent, may, fleet)
    choice = _by_tier(intent, [n for n in may if n not in evicted.leaving] if evicted.leaving else may, able, fleet)
    leaving, staying = able_to_leave(evicted.leaving, choice.chosen, intent, fleet)
    clusters = sorted({*choice.chosen, *staying} if staying else choice.chosen)
    verdicts = dict(able.verdicts)
    for name, why in choice.refused.items():
        verdicts[name] = Verdict(name, chosen=False, why=why)
    for name, why in leaving.items():
        verdicts[name] = Verdict(name, chosen=False, why=why)
    for name, why in staying.items():
        verdicts[name] = Verdict(name, chosen=True, why=f"{able.verdicts[name].why}; {why}")
    placed_on = set(clusters) if choice.refused else ()
    displaced = {n: why for n, why in choice.refused.items() if n in before and n not in placed_on}
    unmet = choice.unmet
    return Chosen(
        verdicts=verdicts,
        clusters=clusters,
        leaving={name: why for name, why in leaving.items() if name in before},
        displaced=displaced,
        staying=staying,
        warnings=(f"spec.placement.{unmet}",) if unmet and clusters else (),
        short=unmet if not clusters else "",
        brake=evicted.brake,
        due=min((time for time in (able.due, evicted.due) if time is not None), default=None),
    )


def _by_tier(intent: Intent, may: Sequence[str], able: Eligible, fleet: Snapshot) -> Choice:
    """Choose among the placement's own clusters; where they can't carry it, with the next group of its fallback too."""
    if not intent.placement.spread and not intent.placement.fallback:
        return Choice(list(may), {})
    pool = candidates(intent, may, fleet)
    tiers = sorted({able.tiers.get(name, 0) for name in may})
    in_use = max((able.tiers.get(c.name, 0) for c in pool if c.there), default=0)
    if intent.failover is not None and intent.failover.return_ == "stay":
        tiers = [tier for tier in tiers if tier >= in_use] or tiers
    choice = Choice([], {})
    for tier in tiers:
        group = [c for c in pool if able.tiers.get(c.name, 0) <= tier]
        choice = _with_room(intent, group, fleet, spare=tier < in_use)
        if (
            tier != tiers[-1]
            and choice.chosen
            and not choice.unmet
            and _carries(intent, choice, fleet, spare=tier < in_use)
        ):
            later = [c.name for c in pool if able.tiers.get(c.name, 0) > tier]
            return choice._replace(refused=choice.refused | dict.fromkeys(later, "fallback: not needed"))
    return choice


def _with_room(intent: Intent, group: Sequence[Candidate], fleet: Snapshot, *, spare: bool) -> Choice:
    """The choice that keeps what is there; where that lacks room, the roomiest, if it has it."""
    rules, clusters = intent.placement.spread, fleet.clusters
    placed = bool(fleet.previous.get(intent.key))
    choice = spread(group, rules, clusters, placed=placed)
    if not rules or not choice.chosen or _carries(intent, choice, fleet, spare=spare):
        return choice
    room = _rooms(intent, [c.name for c in group], fleet)
    roomiest = [Candidate(c.name, False, (-room[c.name], *c.worth)) for c in group]
    other = spread(roomiest, rules, clusters, placed=placed)
    return other if not other.unmet and _carries(intent, other, fleet, spare=spare) else choice


def _by_room(intent: Intent) -> Share | None:
    """The common share, where it is a total divided by room."""
    share = intent.replicas
    return share if share is not None and share.total is not None and share.divide in BY_ROOM else None


def _carries(intent: Intent, choice: Choice, fleet: Snapshot, *, spare: bool) -> bool:
    """Whether the chosen clusters have room for the total; with a tenth to spare where that ends a fallback."""
    share = _by_room(intent)
    if share is None or share.total is None:
        return True
    wanted = -(-share.total * 11 // 10) if spare else share.total
    return sum(_rooms(intent, choice.chosen, fleet).values()) >= wanted


def _rooms(intent: Intent, names: Sequence[str], fleet: Snapshot) -> dict[str, int]:
    """How many replicas each cluster could carry, those that it has included."""
    share = _by_room(intent)
    if share is None or intent.replicas is None:
        return dict.fromkeys(names, 0)
    ground = Ground(intent, fleet)
    alike = [m for m in intent.manifests if m.id.name not in intent.replicas.workloads]
    shapes = [shape for m in alike if (shape := shape_of(m)) is not None]
    before = ground.previous([m.id.name for m in alike], names)
    room = ground.rooms(names, shapes)
    if not share.limits:
        return {name: (before.get(name) or 0) + room[name] for name in names}
    found = {}
    for name in names:
        limit = share.limits.get(name, share.limits.get("*"))
        most = MOST_PODS if limit is None or limit.max is None else limit.max
        found[name] = min(most, (before.get(name) or 0) + room[name])
    return found
