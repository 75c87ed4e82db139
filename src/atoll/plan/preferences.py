"""Which clusters come first when not all are taken: preferences, soft taints, room, chance's stand-in."""

import zlib
from collections.abc import Iterable

from atoll.api.intent import Intent
from atoll.plan.model import ClusterFacts, Snapshot
from atoll.plan.selection import Candidate
from atoll.plan.taints import untolerated
from atoll.plan.targets import NoAnswerError, objection


def candidates(intent: Intent, names: Iterable[str], fleet: Snapshot) -> list[Candidate]:
    """`names` as candidates; equal ones are ordered differently for each application, so that not all meet on one."""
    there = fleet.previous.get(intent.key, {})
    asks = [(objection(preference), preference.weight) for preference in intent.placement.prefer]
    salt = zlib.crc32(str(intent.key).encode())

    def preferred(facts: ClusterFacts) -> int:
        total = 0
        for object_to, weight in asks:
            try:
                total += 0 if object_to(facts) else weight
            except NoAnswerError:
                continue
        return total

    def candidate(name: str) -> Candidate:
        facts = fleet.clusters[name]
        soft = sum(t.effect == "PreferNoSchedule" for t in untolerated(facts.taints, intent.tolerations))
        return Candidate(name, name in there, (-preferred(facts), soft, _load(facts), zlib.crc32(name.encode(), salt)))

    return [candidate(name) for name in names]


def _load(facts: ClusterFacts) -> int:
    """How full the cluster is, in quarters: coarse, so that noise decides nothing."""
    offers, taken = facts.allocatable, facts.requested
    shares = [taken.cpu / offers.cpu if offers.cpu else 0.0, taken.memory / offers.memory if offers.memory else 0.0]
    return min(4, int(max(shares) * 4))
