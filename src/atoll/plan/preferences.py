"""Which clusters come first when not all are taken: preferences, soft taints, room, chance's stand-in."""

import zlib
from collections.abc import Callable, Iterable, Sequence

from atoll.api.intent import Intent
from atoll.plan.model import ClusterFacts, Snapshot
from atoll.plan.selection import Candidate
from atoll.plan.taints import untolerated
from atoll.plan.targets import NoAnswerError, objection


def candidates(intent: Intent, names: Iterable[str], fleet: Snapshot) -> list[Candidate]:
    """`names` as candidates; equal ones are ordered differently for each application, so that not all meet on one.

    Without a rule of spread all are taken, and none is worth more than another.
    """
    there = fleet.previous.get(intent.key, {})
    if not intent.placement.spread:
        return [Candidate(name, name in there, ()) for name in names]
    prefer = [(objection(preference), preference.weight) for preference in intent.placement.prefer]
    salt = zlib.crc32(str(intent.key).encode())
    found = []
    for name in names:
        facts = fleet.clusters[name]
        soft = _soft(intent, facts) if facts.taints else 0
        worth = (-_preferred(facts, prefer) if prefer else 0, soft, _load(facts), zlib.crc32(name.encode(), salt))
        found.append(Candidate(name, name in there, worth))
    return found


def _preferred(facts: ClusterFacts, prefer: Sequence[tuple[Callable[[ClusterFacts], str], int]]) -> int:
    total = 0
    for object_to, weight in prefer:
        try:
            total += 0 if object_to(facts) else weight
        except NoAnswerError:  # a warning elsewhere; it prefers nobody
            continue
    return total


def _soft(intent: Intent, facts: ClusterFacts) -> int:
    return sum(taint.effect == "PreferNoSchedule" for taint in untolerated(facts.taints, intent.tolerations))


def _load(facts: ClusterFacts) -> int:
    """How full the cluster is, in quarters: coarse, so that noise decides nothing."""
    offers, taken = facts.allocatable, facts.requested
    cpu = taken.cpu / offers.cpu if offers.cpu else 0.0
    memory = taken.memory / offers.memory if offers.memory else 0.0
    return min(4, int(max(cpu, memory) * 4)) if cpu or memory else 0
