"""Make before break: what is to be taken away stays until what replaces it is ready.

So it is where a cluster has to leave, and where clusters give up replicas that others get: but only for moves that
nobody ordered. What a user changes is carried out as the rollout says.
"""

from collections.abc import Mapping
from typing import NamedTuple

from atoll.api.durations import seconds
from atoll.api.failover import Failover
from atoll.api.intent import Intent
from atoll.api.replicas import Share
from atoll.plan.choose import Chosen
from atoll.plan.divide import Division, Part, share_of
from atoll.plan.failover import BACK, DEGRADED
from atoll.plan.model import Numbers, Snapshot, Standing
from atoll.plan.scalable import own_replicas

_UNKNOWN = Standing()
FOR_EVER = float("inf")


class Held(NamedTuple):
    """The parts as they are for now; who is to leave and stays for the moment, and why; who has gone for good.

    `waiting` says that something is ready sooner or later, and then more may be taken away; `due`, when it is waited
    for no longer, epoch seconds.
    """

    parts: dict[str, Part]
    leaving: dict[str, str]
    avoided: dict[str, str]
    waiting: bool = False
    due: float | None = None


def hold(intent: Intent, chosen: Chosen, division: Division, fleet: Snapshot) -> Held:
    """Add to the division what has to stay for the moment."""
    standing = fleet.standing.get(intent.key, {})
    before = fleet.previous.get(intent.key, {})
    spared = division.spared
    parts = {n: part for n, part in division.parts.items() if n not in spared} if spared else dict(division.parts)
    displaced = dict(chosen.displaced)
    displaced |= {name: "no replicas are needed here" for name in division.spared if name in before}
    going = dict(chosen.leaving) | (
        displaced
        if fleet.steady
        else {name: why for name, why in displaced.items() if standing.get(name, _UNKNOWN).leaving}
    )
    fewer = _fewer(intent, parts, fleet, before) if fleet.steady else {}
    avoided = {n: why for n, why in fleet.avoided.get(intent.key, {}).items() if n in fleet.clusters}
    if not going and not fewer:
        return Held(parts, {}, avoided)
    until = {name: _awaited_until(intent, name, part, fleet, standing) for name, part in parts.items()}
    awaited = [moment for moment in until.values() if moment > fleet.now]
    unready = bool(awaited) or (bool(parts) and all(until.values()))  # where nobody runs, nothing is taken away
    kept: dict[str, str] = {}
    for name, why in going.items():
        facts = fleet.clusters[name]
        if unready or facts.lost_since or not facts.ready:
            kept[name] = why
        elif why.startswith((DEGRADED, BACK)):
            avoided[name] = why
    for name, numbers in fewer.items() if unready else ():
        parts[name] = Part(numbers, f"{parts[name].why}; keeps more until others are ready", parts[name].most)
    for name in kept:
        parts[name] = Part(_as_before(intent, name, before.get(name), standing), "until others are ready")
    due = min((moment for moment in awaited if moment < FOR_EVER), default=None)
    return Held(dict(sorted(parts.items())), kept, avoided, unready, due)


def _awaited_until(intent: Intent, name: str, part: Part, fleet: Snapshot, standing: Mapping[str, Standing]) -> float:
    """Until when the cluster is waited for; 0 where it runs its part, as far as that was seen.

    One that is lost is waited for as long as its return is: then others have its part, or it is theirs to take. One
    that was never there isn't.
    """
    if _runs(intent, part, standing.get(name, _UNKNOWN)):
        return 0.0
    facts = fleet.clusters[name]
    if facts.lost_since:
        return facts.lost_since + seconds((intent.failover or Failover()).after)
    return FOR_EVER if facts.ready else -FOR_EVER


def _runs(intent: Intent, part: Part, found: Standing) -> bool:
    wanted = _sum(intent, part.numbers)
    if not wanted and 0 in part.numbers:  # it is to run nothing: however it does, that isn't waited for
        return True
    if found.ready is None or not wanted:
        return found.healthy
    return found.ready >= wanted


def _sum(intent: Intent, numbers: Numbers) -> int:
    own = (own_replicas(m) if n is None else n for m, n in zip(intent.manifests, numbers, strict=True))
    return sum(number for number in own if number is not None)


def _fewer(
    intent: Intent, parts: Mapping[str, Part], fleet: Snapshot, before: Mapping[str, int | None]
) -> dict[str, Numbers]:
    """Clusters that would get fewer than they have, with what they have; none where nobody gets more."""
    standing = fleet.standing.get(intent.key, {})
    fewer: dict[str, Numbers] = {}
    divided = [index for index, share in enumerate(_given(intent)) if share is not None]
    if not divided:
        return {}
    unlike = {id(part): part for part in parts.values()}  # many are the very same
    least = {which: min(part.numbers[index] or 0 for index in divided) for which, part in unlike.items()}
    for name, part in parts.items():
        common = before.get(name)
        if common is not None and common <= least[id(part)]:
            continue  # nobody gets fewer
        if name in before:
            had = _as_before(intent, name, common, standing)
            numbers = tuple(_larger(old, new) for old, new in zip(had, part.numbers, strict=True))
            if numbers != part.numbers:
                fewer[name] = numbers
    return fewer


def _larger(old: int | None, new: int | None) -> int | None:
    return new if new is None or old is None else max(old, new)


def _as_before(intent: Intent, name: str, common: int | None, standing: Mapping[str, Standing]) -> Numbers:
    """What the cluster has of each workload whose number is given; None: as the manifest says."""
    apart = standing.get(name, _UNKNOWN).workloads
    return tuple(
        None if share is None else apart.get(manifest.id.name, apart.get(str(manifest.id), common))
        for manifest, share in zip(intent.manifests, _given(intent), strict=True)
    )


def _given(intent: Intent) -> list[Share | None]:
    """The share that gives each manifest its number; None where its own holds."""
    if intent.replicas is None:
        return [None] * len(intent.manifests)
    shares = [share_of(manifest, intent.replicas) for manifest in intent.manifests]
    return [s if s is not None and (s.each is not None or s.total is not None) else None for s in shares]
