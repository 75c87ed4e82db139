"""What wakes whom: who is to look again when a member, or what is known of it, has changed."""

from collections.abc import Callable

import structlog

from atoll.api.delivery import Outcome
from atoll.api.objects import GroupKind, Key
from atoll.api.observation import Observation
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.capacity import Capacity
from atoll.hub.departure import Departure
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.hub.front import Fronts
from atoll.hub.snapshots import News
from atoll.hub.surroundings import Surroundings
from atoll.hub.tombstones import Tombstones
from atoll.kube.objects import Object
from atoll.observe.collector import Collector
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

TOGETHER = 0.05
"""Seconds in which what several clusters tell of a change is heard together."""
A_CLUSTER = 0.001
"""Seconds for each cluster of an Application in which others' news are awaited: a look at a thousand takes the hub
a tenth of a second, and isn't to be all that it does while they come back one after the other.
"""
AT_LEISURE = 1.0
"""The same, where nothing of the change waits for it, and many objects are being delivered."""
RECOUNT = 1.0
"""Seconds after which objects of no application are counted anew."""


class Waking:
    """Takes what is told of the members, notes it in the dossiers, and wakes whom it concerns, and nobody else."""

    def __init__(
        self,
        *,
        applications: FairQueue[Key],
        clusters: FairQueue[str],
        fronts: Fronts,
        dossiers: Dossiers,
        surroundings: Surroundings,
        tombstones: Tombstones,
        cluster: Callable[[str], Object | None],
        kinds: dict[str, frozenset[GroupKind]],
        recorder: Recorder,
    ) -> None:
        self._applications = applications
        self._clusters = clusters
        self._fronts = fronts
        self._dossiers = dossiers
        self._surroundings = surroundings
        self._tombstones = tombstones
        self._cluster = cluster
        self._kinds = kinds
        self._recorder = recorder

    def wire(
        self,
        deliverer: Deliverer,
        collector: Collector,
        departure: Departure,
        wrote: Callable[[str], None],
        bustling: Callable[[], bool],
    ) -> None:
        """Who tells, and who is told. `wrote(uid)`: something of that Application was written to a
        member; `bustling()`: things of many are.
        """
        self._bustling = bustling
        self._deliverer = deliverer
        self._collector = collector
        self._departure = departure
        self._wrote = wrote

    # What became of what was delivered

    def worked(self, cluster: str, uid: str, result: str, seconds: float) -> None:
        metrics.applied(cluster, result, seconds)
        if result in {"applied", "deleted"}:
            self._wrote(uid)

    def delivered(self, outcome: Outcome) -> None:
        if outcome.gone:
            self._fleet_gone(outcome)
        dossier = self._dossiers.get(outcome.key, outcome.uid)
        if dossier is None:
            self._owed(outcome)
            return
        if outcome.gone:
            dossier.outcomes.pop(outcome.cluster, None)
            dossier.leaving.pop(outcome.cluster, None)
            dossier.gone.add(outcome.cluster)
            if not dossier.live.deleting:
                log.info("withdrawn", application=str(outcome.key), cluster=outcome.cluster)
            if not (dossier.live.deleting and dossier.awaits_clusters):  # an end: when it is gone everywhere
                self._applications.add(outcome.key)
        else:
            dossier.gone.discard(outcome.cluster)
            dossier.outcomes[outcome.cluster] = outcome
        if not outcome.under_way:
            self._collector.passed(outcome.cluster, outcome.uid)
        if not (outcome.under_way and dossier.out):
            self._goes_on(dossier)
        dossier.front.touch(outcome.key)

    def _owed(self, outcome: Outcome) -> None:
        """Of an Application that is no more no status tells why its objects stay: its cluster's Events do."""
        refused = next((o for o in outcome.objects if o.state == "Failed" or o.reason == "NotListed"), None)
        if refused is not None and (cluster := self._cluster(outcome.cluster)) is not None:
            what = f"{refused.id.kind} of Applications that are gone stay there: {refused.reason}"
            self._recorder.tell(cluster, "Warning", "RemovalWaits", what)

    def observed(self, observation: Observation) -> None:
        dossier = self._dossiers.get(observation.key, observation.uid)
        if dossier is not None and observation.cluster not in dossier.leaving:
            dossier.observations[observation.cluster] = observation
            self._goes_on(dossier)
            dossier.front.touch(observation.key)
            if self._surroundings.observed(dossier, observation.cluster):
                self._look_at(observation.key)

    def _goes_on(self, dossier: Dossier) -> None:
        """A cluster has something to tell: a change that waits for it may go on."""
        if dossier.rolling:
            unhurried = self._bustling() and dossier.out
            together = TOGETHER + A_CLUSTER * len(dossier.submitted)
            self._applications.add_after(dossier.key, max(together, AT_LEISURE) if unhurried else together)

    def _fleet_gone(self, outcome: Outcome) -> None:
        self._departure.gone(outcome.cluster, outcome.uid)
        self._deliverer.forget(outcome.cluster, outcome.uid)
        cluster = self._cluster(outcome.cluster)
        leaving = cluster is not None and cluster.deleting
        waited_for = self._tombstones.paid(outcome.cluster, outcome.uid) or leaving
        self._clusters.add_after(outcome.cluster, 0.0 if waited_for else RECOUNT)

    # What is known of the members

    def found(self, cluster: str, uid: str) -> None:
        """An application that is there unplanned has to leave; what belongs to none is counted."""
        dossier = self._dossiers.of(uid)
        if dossier is None:
            if not self._fronts.alive(uid):
                self._clusters.add_after(cluster, RECOUNT)
        elif cluster not in dossier.submitted and cluster not in dossier.leaving:
            self._applications.add(dossier.key)

    def counted(self, cluster: str, capacity: Capacity) -> None:
        for key in self._surroundings.counted(cluster, capacity):
            self._look_at(key)
        self._clusters.add(cluster)

    def serves(self, cluster: str, kinds: frozenset[GroupKind]) -> None:
        self._kinds[cluster] = kinds
        self._clusters.add(cluster)

    def cluster_gone(self, name: str) -> None:
        """What was wanted, done and seen there is of the past: the cluster may come back as another."""
        for dossier in self._dossiers:
            dossier.drop(name)
            dossier.outcomes.pop(name, None)
        self._collector.forget_cluster(name)
        self._deliverer.forget_cluster(name)

    def replan(self, cluster: str, news: News) -> None:
        """A cluster changed: wake those that may be planned otherwise for it."""
        match news:
            case "none":
                return
            case "load":
                for key in self._surroundings.short:
                    self._applications.add_after(key, RECOUNT)
            case "worse":
                for key in self._surroundings.concerned(cluster):
                    self._look_at(key)
            case "other":
                for front in self._fronts:
                    for key in front.held():
                        self._look_at(key)

    def _look_at(self, key: Key) -> None:
        """One of its clusters has news."""
        dossier = self._dossiers.get(key)
        self._applications.add_after(key, A_CLUSTER * len(dossier.submitted) if dossier is not None else 0.0)

    def selected_changed(self, namespace: str) -> None:
        """An object of the hub that Applications of this namespace may have selected."""
        for dossier in self._dossiers:
            if dossier.key.namespace == namespace and dossier.app is not None and dossier.app.spec.select:
                self._applications.add(dossier.key)
