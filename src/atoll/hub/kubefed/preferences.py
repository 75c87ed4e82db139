"""ReplicaSchedulingPreferences: divided by Atoll's planner, written on the federated workload as KubeFed writes it."""

from collections.abc import Callable, Collection

import msgspec
import structlog

from atoll.api.intent import Intent, Revision
from atoll.api.kubefed.federated import Federated, FederatedSpec
from atoll.api.kubefed.preference import PreferenceSpec, ReplicaSchedulingPreference
from atoll.api.objects import Key, ObjectId, manifest
from atoll.api.placement import Placement
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.hub.kubefed.federation import Federation, NotKnown
from atoll.hub.kubefed.front import FederatedFront
from atoll.hub.surroundings import Surroundings
from atoll.intake.kubefed.placement import PlacementError
from atoll.intake.kubefed.preferences import REPLICAS, TARGETS, change, replicas
from atoll.intake.kubefed.translate import Unreadable, target_object
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, NotFound
from atoll.kube.kubefed_resources import REPLICASCHEDULINGPREFERENCES
from atoll.kube.objects import Object
from atoll.plan.divide import divide
from atoll.plan.ground import Ground
from atoll.plan.model import RefusedError, Snapshot, Standing
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.informer import Change, Informer
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

TOGETHER = 0.5
"""Seconds in which what several clusters tell of their replicas is heard together."""
STUCK_AGAIN = 60.0
"""Seconds after which Pods that wait for a node may count as ones that won't find any."""


class Preferences:
    """Reconciles them by namespace and name: their targets' own. `front(kind)` is the front end of a federated kind."""

    def __init__(
        self,
        *,
        client: Client,
        federation: Federation,
        dossiers: Dossiers,
        surroundings: Surroundings,
        recorder: Recorder,
        preferences: Informer[Object],
        front: Callable[[str], FederatedFront | None],
    ) -> None:
        self.queue: FairQueue[Key] = FairQueue("replica preference", meter=metrics)
        self._client = client
        self._federation = federation
        self._dossiers = dossiers
        self._surroundings = surroundings
        self._recorder = recorder
        self._preferences = preferences
        self._front = front

    def start(self) -> None:
        self._preferences.subscribe(self._changed)

    def touch(self, key: Key) -> None:
        """Something is new of the federated object with this key of the hub's."""
        kind, _, name = key.name.rpartition("/")
        if kind in TARGETS and self._live(target := Key(key.namespace, name)) is not None:
            self.queue.add_after(target, TOGETHER)

    def wake(self) -> None:
        """There are other clusters, or they are in another state."""
        for live in self._preferences.values():
            self.queue.add(Key(live.namespace, live.name))

    async def reconcile(self, key: Key) -> Decision:
        live = self._live(key)
        if live is None or live.deleting:
            return Done()
        try:
            spec = live.read(ReplicaSchedulingPreference).spec
        except msgspec.ValidationError as error:
            self._recorder.tell(live, "Warning", "Unreadable", str(error))
            return Done()
        if spec is None:
            return Done()
        front = self._front(spec.target_kind) if spec.target_kind in TARGETS else None
        if front is None:
            words = f"spec.targetKind: {spec.target_kind!r} is none of {', '.join(sorted(TARGETS))} that is propagated"
            self._recorder.tell(live, "Warning", "TargetNotPropagated", words)
            return Done()
        target = front.live(front.key(ObjectId("", "", key.namespace, key.name)))
        if target is None or target.deleting:
            return Done()
        try:
            return await self._divide(live, spec, front, target)
        except (Conflict, NotFound) as error:
            return Retry(error)

    async def _divide(self, live: Object, spec: PreferenceSpec, front: FederatedFront, target: Object) -> Decision:
        try:
            federated = target.read(Federated)
            clusters = self._candidates(spec, federated)
            if not clusters:
                return Done()
            shares, waits = self._shares(spec, front, federated, clusters)
        except NotKnown:
            return Wait(TOGETHER)
        except (PlacementError, RefusedError, Unreadable, msgspec.ValidationError) as error:
            self._recorder.tell(live, "Warning", "NotDivided", str(error))
            return Done()
        patch = change(federated, shares)
        if patch is not None:
            patch["metadata"] = {"resourceVersion": target.resource_version}
            answer = await self._client.patch(front.resource, target.name, target.namespace, patch)
            front.informer.saw(answer)
            log.info("replicas divided", preference=str(live.id), shares=shares)
        return Wait(STUCK_AGAIN) if waits else Done()

    def _candidates(self, spec: PreferenceSpec, federated: Federated) -> list[str]:
        """Ready clusters only, and with `intersectWithClusterSelector` those that its selectors mean."""
        ready = {name for name in self._federation.clusters() if self._federation.ready(name)}
        if spec.intersect_with_cluster_selector:
            ready &= self._federation.selectable(federated)
        return sorted(ready)

    def _shares(
        self, spec: PreferenceSpec, front: FederatedFront, federated: Federated, clusters: Collection[str]
    ) -> tuple[dict[str, int], bool]:
        """Replicas by cluster, and whether Pods wait somewhere."""
        key = Key(federated.metadata.namespace, federated.metadata.name)
        wanted = replicas(spec, clusters)
        body = target_object(federated, federated.spec or FederatedSpec(), front.config)
        own = body.get("spec")
        workload = manifest({**body, "spec": {"replicas": 1, **(own if isinstance(own, dict) else {})}})
        dossier = self._dossiers.get(Key(key.namespace, f"{front.prefix}/{key.name}"), federated.metadata.uid)
        standing = written(federated, clusters) | self._standing(dossier, clusters)
        previous = {name: desired for name, (_, desired) in standing.items()}
        fleet = Snapshot(
            clusters={}, previous={key: previous}, standing={key: {name: one for name, (one, _) in standing.items()}}
        )
        intent = Intent(key, federated.metadata.uid, Revision(0, "", 0), (workload,), Placement())
        division = divide(wanted, (workload,), sorted(clusters), Ground(intent, fleet))
        shares = {name: part.numbers[0] or 0 for name, part in division.parts.items()}
        waits = any(one.ready is not None and one.ready < (desired or 0) for one, desired in standing.values())
        return shares, waits

    def _standing(self, dossier: Dossier | None, clusters: Collection[str]) -> dict[str, tuple[Standing, int | None]]:
        """Where it is: replicas that are ready and that find no node, and how many are wanted there."""
        if dossier is None:
            return {}
        return {
            name: (Standing(ready=seen.ready, stuck=self._surroundings.stuck(dossier, name)), seen.desired)
            for name in clusters
            if (seen := dossier.observations.get(name)) is not None and seen.ready is not None
        }

    def _live(self, key: Key) -> Object | None:
        return self._preferences.get(ObjectId(*REPLICASCHEDULINGPREFERENCES.group_kind, key.namespace, key.name))

    def _changed(self, change: Change[Object]) -> None:
        if change.new is not None:
            self.queue.add(Key(change.id.namespace, change.id.name))


def written(federated: Federated, clusters: Collection[str]) -> dict[str, tuple[Standing, int | None]]:
    """What was divided before: of a cluster that nothing was heard of yet, since this process began."""
    return {
        one.cluster_name: (Standing(ready=override.value), override.value)
        for one in (federated.spec.overrides if federated.spec else None) or ()
        for override in one.cluster_overrides
        if override.path == REPLICAS and type(override.value) is int and one.cluster_name in clusters
    }
