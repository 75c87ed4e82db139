"""What planning is told of one application beside the fleet: how it stands, its neighbours, what is reserved.

What has to survive a restart is in the status, and is read from there once: the placement with who is to leave, what
was found not to fit, which clusters are avoided, and since when a cluster finds it Degraded.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from atoll.api.intent import Intent
from atoll.api.objects import NOTHING, Key
from atoll.api.selectors import mismatch
from atoll.api.status import PlacedCluster
from atoll.fleet.capacity import Capacity
from atoll.fleet.pods import Workload
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.reservations import Reservations, wanted
from atoll.hub.snapshots import Snapshots, epoch
from atoll.plan.affinity import terms
from atoll.plan.model import ClusterShare, Neighbour, Plan, Snapshot, Standing

WELL = frozenset({"Healthy", "Suspended"})
STUCK = 60.0
"""Seconds after which a Pod that no node takes counts as one that won't be taken."""
TRIED_AGAIN = 1800.0
"""Seconds after which more replicas are tried where they were found not to fit."""
SHORT_AGAIN = 30.0
"""Seconds after which it is tried again to place what had no room."""


class Surroundings:
    """Makes the snapshot of one application, and remembers what was carried out."""

    def __init__(self, dossiers: Dossiers, snapshots: Snapshots, capacities: dict[str, Capacity]) -> None:
        self._dossiers = dossiers
        self._snapshots = snapshots
        self._capacities = capacities
        self._reservations = Reservations()
        self._attached: defaultdict[str, set[Key]] = defaultdict(set)
        """By namespace: applications with affinity to others."""
        self.short: set[Key] = set()
        """Applications that could not be placed as a whole for want of room."""

    def recall(self, dossier: Dossier) -> None:
        """What the status says of it, once: another process wrote it."""
        status = dossier.status
        if status is None:
            return
        dossier.carried = status.sequence
        dossier.standing_on = {placed.cluster: placed for placed in status.placement}
        dossier.avoided = {avoided.cluster: avoided.why for avoided in status.avoided}
        dossier.cargo = {row.name: row.carry for row in status.clusters if row.carry}
        dossier.degraded = {row.name: epoch(row.degraded_since) for row in status.clusters if row.degraded_since}

    def snapshot(self, dossier: Dossier, intent: Intent) -> Snapshot:
        """The fleet as the application sees it."""
        now, steady = time.time(), intent.revision.sequence == dossier.carried
        placed = dossier.standing_on
        near = bool(terms(intent.placement))
        (self._attached[dossier.key.namespace].add if near else self._attached[dossier.key.namespace].discard)(
            dossier.key
        )
        return self._snapshots.now(
            dossier.key,
            {name: one.replicas for name, one in placed.items()},
            standing={name: self._standing(dossier, one, now) for name, one in placed.items()},
            avoided=dossier.avoided if steady else {},
            reserved=self._reservations.now(now),
            neighbours=self._neighbours(dossier) if near else None,
            steady=steady,
        )

    def carried_out(self, dossier: Dossier, intent: Intent, planned: Plan) -> Iterable[Key]:
        """Remember where it is now. Returns to whom that may matter: neighbours, and itself, where it waits for others
        to be ready and it was known before how it does on a cluster that is new in the plan.
        """
        now, before, facts = time.time(), dossier.standing_on, self._snapshots.facts()
        for name, share in planned.shares.items():
            had = before.get(name)
            old = had.workloads if had is not None and had.workloads else {}
            more = {w: n - old.get(w, (had.replicas or 0) if had is not None else 0) for w, n in share.replicas.items()}
            if any(number > 0 for number in more.values()):
                rooms = facts[name].rooms if name in facts else None
                self._reservations.hold(name, dossier.key, wanted(intent.manifests, more, rooms), now)
        dossier.standing_on = {
            name: _standing(share, _until(before.get(name), share.most, now)) for name, share in planned.shares.items()
        }
        if dossier.carried != intent.revision.sequence:  # what it is now wasn't Degraded yet
            dossier.degraded.clear()
        dossier.avoided, dossier.carried = planned.avoided, intent.revision.sequence
        (self.short.add if planned.short else self.short.discard)(dossier.key)
        if before.keys() == dossier.standing_on.keys():
            return ()
        seen = planned.waiting and any(name in dossier.observations for name in dossier.standing_on.keys() - before)
        return [*self.near(dossier), *((dossier.key,) if seen else ())]

    def near(self, dossier: Dossier, *labels: Mapping[str, str]) -> list[Key]:
        """The applications to which it matters where `dossier` is; `labels` are others that it has or had."""
        others = sorted(self._attached[dossier.key.namespace] - {dossier.key})
        return [key for key in others if self._minds(key, dossier.key, (dossier.live.labels, *labels))]

    def counted(self, cluster: str, capacity: Capacity) -> list[Key]:
        """Take the new count. Returns the applications of which Pods wait for a node there, as they didn't before."""
        before = self._capacities.get(cluster)
        self._capacities[cluster] = capacity
        if (before is None and not capacity.waiting) or (before is not None and before.waiting == capacity.waiting):
            return []
        return [d.key for d in self._dossiers if cluster in d.standing_on and self._waits(d, cluster)]

    def concerned(self, cluster: str) -> list[Key]:
        """The applications that are on `cluster`, or that clusters out of reach keep from something."""
        return [
            d.key
            for d in self._dossiers
            if cluster in d.standing_on or (d.plan is not None and (d.plan.brake or d.plan.short))
        ]

    def observed(self, dossier: Dossier, cluster: str) -> bool:
        """Something new is known of how it does on `cluster`. Returns whether that may decide something."""
        found = dossier.observations[cluster]
        if found.carry:
            dossier.cargo[cluster] = {**dossier.cargo.get(cluster, {}), **found.carry}
        if found.health == "Degraded":
            dossier.degraded.setdefault(cluster, time.time())
        elif found.health in WELL:  # while it only tries again, the time goes on
            dossier.degraded.pop(cluster, None)
        if found.ready is not None and found.ready == found.desired:
            self._reservations.release(cluster, dossier.key)
        failover = dossier.app.spec.failover if dossier.app is not None else None
        waiting = dossier.plan is not None and dossier.plan.waiting
        return waiting or (failover is not None and failover.degraded is not None)

    def stuck(self, dossier: Dossier, cluster: str) -> int:
        """Its replicas on `cluster` whose Pods stay unschedulable."""
        now = time.time()
        return sum(1 for since in self._waits(dossier, cluster) if now - since >= STUCK)

    def forget(self, key: Key) -> None:
        self._reservations.forget(key)
        self._attached[key.namespace].discard(key)
        self.short.discard(key)

    def check_again(self, dossier: Dossier, planned: Plan) -> float | None:
        """Seconds after which time alone may decide otherwise; None when it won't."""
        now = time.time()
        times = [planned.due] if planned.due is not None else []
        times += [epoch(one.until) for one in dossier.standing_on.values() if one.until]
        times += [since + STUCK for name in dossier.standing_on for since in self._waits(dossier, name)]
        later = [time for time in times if time > now]
        if planned.short:
            later.append(now + SHORT_AGAIN)
        if planned.due is not None and planned.due <= now:
            later.append(now)
        return max(0.05, min(later) - now + 0.05) if later else None

    def _standing(self, dossier: Dossier, placed: PlacedCluster, now: float) -> Standing:
        name = placed.cluster
        seen = dossier.observations.get(name)
        waits = self._waits(dossier, name)
        return Standing(
            ready=seen.ready if seen is not None else None,
            healthy=seen is not None and seen.health in WELL,
            workloads=placed.workloads,
            stuck=sum(1 for since in waits if now - since >= STUCK),
            most=placed.most if placed.most is not None and now < epoch(placed.until) else None,
            degraded_since=dossier.degraded.get(name, 0.0),
            leaving=placed.leaving,
            carry=dossier.carry(name),
            carried=placed.carried,
            came_from=placed.came_from,
        )

    def _waits(self, dossier: Dossier, cluster: str) -> tuple[float, ...]:
        """Since when its Pods wait that no node takes: of its workload that has most of them."""
        capacity = self._capacities.get(cluster)
        delivery = dossier.submitted.get(cluster)
        if capacity is None or delivery is None or not capacity.waiting:
            return ()
        waits = [capacity.waiting.get(Workload(m.id.namespace, m.id.name), ()) for m in delivery.objects]
        return max(waits, key=len, default=())

    def _neighbours(self, dossier: Dossier) -> dict[str, Neighbour]:
        return {
            other.key.name: Neighbour(dict(other.live.labels), frozenset(other.standing_on))
            for other in self._dossiers
            if other.front is dossier.front and other.key.namespace == dossier.key.namespace and other is not dossier
        }

    def _minds(self, key: Key, neighbour: Key, labels: Iterable[Mapping[str, str]]) -> bool:
        dossier = self._dossiers.get(key)
        if dossier is None or dossier.app is None or dossier.app.spec.placement is None:
            return False
        return any(
            term.application == neighbour.name
            or (term.selector is not None and not all(mismatch(term.selector, some) for some in labels))
            for term in terms(dossier.app.spec.placement)
        )


def _standing(share: ClusterShare, until: str) -> PlacedCluster:
    """A cluster's part of the placement, without reasons."""
    plain = _plain(share.cluster, share.common)
    if share.replicas and share.common is None:
        plain = msgspec.structs.replace(plain, workloads=share.replicas)
    if not (share.leaving or share.most is not None or share.carried or share.came_from):
        return plain
    return msgspec.structs.replace(
        plain, leaving=share.leaving, most=share.most, until=until, carried=share.carried, came_from=share.came_from
    )


@lru_cache(maxsize=4096)
def _plain(cluster: str, replicas: int | None) -> PlacedCluster:
    """Many applications have the same."""
    return PlacedCluster(cluster, replicas, workloads=NOTHING, carried=NOTHING)


def _until(before: PlacedCluster | None, most: int | None, now: float) -> str:
    if most is None:
        return ""
    if before is not None and before.most == most and before.until:
        return before.until
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + TRIED_AGAIN))
