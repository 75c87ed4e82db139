"""Who has to leave where it is: clusters that are lost or drained, and where the application itself fails.

Nothing is taken away here. A cluster that is to leave gets no share any more, and keeps what it has until the others
are ready (`holding`). A brake keeps everything as it is while too many clusters are gone at once: it is then more
likely that the hub sees nobody.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from atoll.api.durations import in_words, seconds
from atoll.api.failover import Failover
from atoll.api.intent import Intent
from atoll.plan.model import Snapshot, Standing
from atoll.plan.remembered import troubled

NOWHERE = "there is nowhere else to go"
BACK = "it came back, and the Application stays where it went (return: stay)"
DRAINED = "drained"
CALM = 60.0
"""Seconds for which a cluster must be back before it speaks against that the hub is cut off; `after`, where less."""
LOST = "not ready for "
DEGRADED = "Degraded for "


class Evictions(NamedTuple):
    """Clusters that lose their share, and why; why others that should keep it; when time alone changes that."""

    leaving: dict[str, str]
    brake: str
    due: float | None


_UNKNOWN = Standing()


def evictions(intent: Intent, chosen: Iterable[str], fleet: Snapshot) -> Evictions:
    """Look at each cluster that would be chosen otherwise."""
    failover = intent.failover or Failover()
    standing = fleet.standing.get(intent.key, {})
    before = fleet.previous.get(intent.key, {})
    leaving: dict[str, str] = {}
    lost: dict[str, str] = {}
    times: list[float] = []
    unwell = troubled(fleet.clusters)
    for name in chosen:
        if name not in unwell and name not in standing:  # so it is with nearly all
            continue
        facts, stands = fleet.clusters[name], standing.get(name, _UNKNOWN)
        if facts.drained and name in before:
            leaving[name] = DRAINED
        elif facts.lost_since and failover.limit:
            lost_for, since = seconds(failover.after), facts.lost_since
            if stands.leaving or fleet.now >= since + lost_for:
                lost[name] = stands.leaving or f"{LOST}{in_words(lost_for)}"
            else:
                times.append(since + lost_for)
        elif stands.leaving.startswith((LOST, BACK)) and failover.return_ == "stay":
            leaving[name] = BACK
        elif failover.degraded and stands.degraded_since:
            patience = seconds(failover.degraded)
            if fleet.now >= stands.degraded_since + patience:
                leaving[name] = f"{DEGRADED}{in_words(patience)}"
            else:
                times.append(stands.degraded_since + patience)
    new = sorted(name for name in lost if not standing.get(name, _UNKNOWN).leaving)
    braked = _braked(failover, fleet) if new else _NOT_BRAKED
    if not braked.words:
        return Evictions(leaving | lost, "", min(times, default=None))
    # who left before stays away; nobody follows
    lost = {name: why for name, why in lost.items() if name not in new}
    brake = f"{', '.join(new[:5])} would fail over, but {braked.words}"
    return Evictions(leaving | lost, brake, min([*times, *braked.until], default=None))


class _Braked(NamedTuple):
    """Why no cluster may lose its share now; "" where one may. `until`: when the next one counts no longer as gone."""

    words: str = ""
    until: tuple[float, ...] = ()


_NOT_BRAKED = _Braked()


def _braked(failover: Failover, fleet: Snapshot) -> _Braked:
    """A hub that was cut off finds its clusters again one after the other: who is just back counts as gone still, else
    those that come last would be given up when half of all are back.
    """
    calm = min(CALM, seconds(failover.after))
    gone = sum(1 for facts in fleet.clusters.values() if facts.lost_since)
    since = [facts.ready_since for facts in fleet.clusters.values() if facts.ready_since]
    back = [t + calm for t in since if t <= fleet.now < t + calm]  # not what a clock dated that was put right since
    if (gone + len(back)) * 100 <= failover.limit * len(fleet.clusters):
        return _NOT_BRAKED
    just = f", and {len(back)} have been for less than {in_words(calm)}" if back else ""
    words = (
        f"{gone} of {len(fleet.clusters)} clusters are not ready{just}, "
        f"more than failover.limit of {failover.limit} %: it may be the hub that is cut off"
    )
    return _Braked(words, (min(back),) if back else ())


def able_to_leave(
    leaving: Mapping[str, str], rest: Collection[str], intent: Intent, fleet: Snapshot
) -> tuple[dict[str, str], dict[str, str]]:
    """Of `leaving`, those that can go, since `rest` has the application; and why the others stay.

    A drained cluster is left wherever another has the application. A lost one only when somebody takes over what it
    had: its part of a total, or its place. Taking away a copy that is everywhere anyhow would help nobody.
    """
    if not leaving:
        return {}, {}
    before, standing = fleet.previous.get(intent.key, {}), fleet.standing.get(intent.key, {})
    taken_over = is_divided(intent) or any(name not in before for name in rest)
    going: dict[str, str] = {}
    staying: dict[str, str] = {}
    for name, why in leaving.items():
        if not rest:
            staying[name] = f"{why}, but {NOWHERE}"
        elif why == DRAINED or taken_over or standing.get(name, Standing()).leaving:
            going[name] = why
        else:
            staying[name] = f"{why}, and nobody takes over: it has as many on each cluster"
    return going, staying


def is_divided(intent: Intent) -> bool:
    """Whether any of its workloads has a total, which a cluster that is lost takes a part of."""
    if intent.replicas is None:
        return False
    return any(share.total is not None for share in (intent.replicas, *intent.replicas.workloads.values()))
