"""The fleet as planning sees it: cluster objects and what is known of them, frozen."""

import time

import msgspec

from atoll.api.capacity import Capacity
from atoll.api.cluster import Cluster, Resources
from atoll.api.objects import Key
from atoll.fleet.link import Reach
from atoll.plan.model import ClusterFacts, Snapshot


class Snapshots:
    """Keeps the facts of each cluster; `now()` freezes them."""

    def __init__(self) -> None:
        self.hub = ""
        """UID of the hub's own cluster: a member that is the same holds the templates themselves."""
        self._facts: dict[str, ClusterFacts] = {}

    def set(self, facts: ClusterFacts) -> bool:
        """Remember `facts`; True when planning could decide otherwise for them (more than load changed)."""
        before = self._facts.get(facts.name)
        self._facts[facts.name] = facts
        return before is None or _without_load(before) != _without_load(facts)

    def drop(self, name: str) -> bool:
        return self._facts.pop(name, None) is not None

    def now(self, key: Key, previous: dict[str, int | None]) -> Snapshot:
        """The fleet now, for planning the application `key` that was placed as `previous` says."""
        return Snapshot(self._facts.copy(), time.time(), {key: previous}, self.hub)

    def names(self) -> frozenset[str]:
        return frozenset(self._facts)


def cluster_facts(cluster: Cluster, reach: Reach, capacity: Capacity | None) -> ClusterFacts:
    """What planning may know of `cluster`; what the nodes say fills in for what the administrator left out."""
    status, spec = cluster.status, cluster.spec
    return ClusterFacts(
        name=cluster.metadata.name,
        uid=reach.uid or status.uid,
        labels=cluster.metadata.labels,
        provider=spec.provider,
        region=spec.region or (capacity.regions[0] if capacity and capacity.regions else status.region),
        zone=spec.zone or (capacity.zones[0] if capacity and len(capacity.zones) == 1 else status.zone),
        version=reach.version or status.version,
        taints=spec.taints,
        cordoned=spec.cordoned,
        ready=bool(status.uid) if reach.reachable is None else reach.reachable,
        allocatable=(capacity.allocatable if capacity else status.allocatable) or Resources(),
        requested=(capacity.requested if capacity else status.requested) or Resources(),
    )


def _without_load(facts: ClusterFacts) -> ClusterFacts:
    return msgspec.structs.replace(facts, allocatable=Resources(), requested=Resources())
