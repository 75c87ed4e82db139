"""The fleet as planning sees it: cluster objects and what is known of them, frozen."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from atoll.api.cluster import Cluster, ClusterStatus, Resources
from atoll.api.objects import GroupKind, Key
from atoll.api.rooms import Room, Rooms
from atoll.api.status import ApplicationStatus, ClusterRow, PlacedCluster
from atoll.fleet.capacity import Capacity
from atoll.fleet.link import Reach
from atoll.kube.podrequests import CPU
from atoll.plan.model import ClusterFacts, Neighbour, Snapshot, Standing

News = Literal["none", "load", "worse", "other"]
"""What is new of a cluster: nothing, how full it is, that it is out of reach or closed for newcomers, or more."""


class Snapshots:
    """Keeps the facts of each cluster; `now()` freezes them."""

    def __init__(self) -> None:
        self.hub = ""
        """UID of the hub's own cluster: a member that is the same holds the templates themselves."""
        self._facts: dict[str, ClusterFacts] = {}
        """Never changed, but replaced: planning remembers what it found out about the very same fleet."""

    def set(self, facts: ClusterFacts) -> News:
        """Remember `facts`, and say who may have to be planned again."""
        before = self._facts.get(facts.name)
        if before == facts:
            return "none"
        self._facts = {**self._facts, facts.name: facts}
        if before is None:
            return "other"
        if _without_load(before) == _without_load(facts):
            return "load"
        return "worse" if _at_its_worst(before) == _at_its_worst(facts) and _is_worse(before, facts) else "other"

    def drop(self, name: str) -> bool:
        known = name in self._facts
        self._facts = {other: facts for other, facts in self._facts.items() if other != name}
        return known

    def now(
        self,
        key: Key,
        previous: dict[str, int | None],
        *,
        standing: dict[str, Standing] | None = None,
        avoided: dict[str, str] | None = None,
        reserved: Mapping[str, Resources] | None = None,
        neighbours: Mapping[str, Neighbour] | None = None,
        steady: bool = False,
    ) -> Snapshot:
        """The fleet now, for planning the application `key` that was placed as `previous` says."""
        return Snapshot(
            clusters=self._facts,
            now=time.time(),
            previous={key: previous},
            hub=self.hub,
            standing={key: standing or {}},
            avoided={key: avoided or {}},
            reserved=dict(reserved or {}),
            neighbours=dict(neighbours or {}),
            steady=steady,
        )

    def facts(self) -> Mapping[str, ClusterFacts]:
        """Of each cluster, as they are now."""
        return self._facts

    def names(self) -> frozenset[str]:
        return frozenset(self._facts)


def cluster_facts(
    cluster: Cluster,
    reach: Reach,
    capacity: Capacity | None,
    status: ClusterStatus | None = None,
    kinds: frozenset[GroupKind] | None = None,
) -> ClusterFacts:
    """What planning may know of `cluster`; what the nodes say fills in for what the administrator left out.

    `status` is what is to be written of it now; not given, what was written last. It dates what has lasted for a while.
    """
    spec = cluster.spec
    status = status or cluster.status
    return ClusterFacts(
        name=cluster.metadata.name,
        uid=reach.uid or status.uid,
        labels=cluster.metadata.labels,
        provider=spec.provider,
        region=spec.region or (capacity.region(status.region) if capacity else status.region),
        zone=spec.zone or (capacity.zone(status.zone) if capacity else status.zone),
        version=reach.version or status.version,
        taints=spec.taints,
        cordoned=spec.cordoned or spec.drained,
        ready=was_ready(status) if reach.reachable is None else reach.reachable,
        allocatable=(capacity.allocatable if capacity else status.allocatable) or Resources(),
        requested=(capacity.requested if capacity else status.requested) or Resources(),
        lost_since=_since(status, "False"),
        ready_since=_since(status, "True"),
        drained=spec.drained,
        tainted_since={taint.taint: epoch(taint.since) for taint in status.taints},
        kinds=kinds,
        rooms=capacity.rooms if capacity else None,
    )


def was_ready(status: ClusterStatus) -> bool:
    """Whether it was there when it was heard of last. A cluster that never was reached never was."""
    reachable = next((c.status for c in status.conditions if c.type == "Reachable"), "True")
    return bool(status.uid) and reachable != "False"


def _since(status: ClusterStatus, ready: str) -> float:
    """Since when Ready is what `ready` says, epoch seconds; 0 while it isn't, or nobody knows yet."""
    condition = next((c for c in status.conditions if c.type == "Ready"), None)
    return epoch(condition.last_transition_time) if condition is not None and condition.status == ready else 0.0


def epoch(text: str) -> float:
    """Seconds of an RFC 3339 time; 0 when it is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0


def _without_load(facts: ClusterFacts) -> ClusterFacts:
    """Without what changes with every Pod; that anything is known of its room is more than load."""
    rooms = facts.rooms if facts.rooms is None else ()
    return msgspec.structs.replace(facts, allocatable=Resources(), requested=Resources(), rooms=rooms)


def _at_its_worst(facts: ClusterFacts) -> ClusterFacts:
    return msgspec.structs.replace(_without_load(facts), ready=False, lost_since=1.0, ready_since=0.0, cordoned=True)


def _is_worse(before: ClusterFacts, now: ClusterFacts) -> bool:
    """Nothing got better: who isn't there can't come now if it couldn't before."""
    return (
        now.ready <= before.ready
        and bool(now.lost_since) >= bool(before.lost_since)
        and now.cordoned >= before.cordoned
    )


def recalled(key: Key, status: ApplicationStatus, clusters: dict[str, ClusterFacts], now: float) -> Snapshot:
    """The fleet for planning an application of which only its status is known: for whoever isn't the hub."""
    rows = {row.name: row for row in status.clusters}
    return Snapshot(
        clusters=clusters,
        now=now,
        previous={key: {placed.cluster: placed.replicas for placed in status.placement}},
        standing={key: {placed.cluster: _stood(placed, rows.get(placed.cluster), now) for placed in status.placement}},
        avoided={key: {avoided.cluster: avoided.why for avoided in status.avoided}},
    )


def _stood(placed: PlacedCluster, row: ClusterRow | None, now: float) -> Standing:
    ready = row.ready.partition("/")[0] if row is not None else ""
    return Standing(
        ready=int(ready) if ready.isdecimal() else None,
        healthy=row is not None and row.health in {"Healthy", "Suspended"},
        workloads=placed.workloads,
        most=placed.most if now < epoch(placed.until) else None,
        degraded_since=epoch(row.degraded_since) if row is not None and row.degraded_since else 0.0,
        leaving=placed.leaving,
        carry=row.carry if row is not None else {},
        carried=placed.carried,
        came_from=placed.came_from,
    )


def summary_of_room(status: ClusterStatus) -> Rooms | None:
    """What is free in all, as if it were one node: all that a Cluster's status says of its room."""
    if status.allocatable is None or status.requested is None:
        return None
    free, taken = status.allocatable, status.requested
    left = {CPU: max(0, round((free.cpu - taken.cpu) * 1000)), "memory": max(0, free.memory - taken.memory)}
    return (Room(left, max(0, free.pods - taken.pods)),)
