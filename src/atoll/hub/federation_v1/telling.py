"""What became of an annotated object, told on itself: an annotation, and an Event for what its annotations say wrong.

The annotation is written when it says something new, once in two seconds at most. An object that is to be nowhere any
longer loses it, and our finalizer, when it is.
"""

import time

import msgspec

from atoll.api.names import FINALIZER
from atoll.api.objects import Key
from atoll.fleet.fleet import Fleet
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.hub.federation_v1.front import ClusterSaid, FederationV1Front, Said, said
from atoll.intake.federation_v1 import ANNOTATION_STATUS
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Forbidden, NotFound
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

AT_ONCE = 0.05
"""Seconds in which what happens together is told together."""
APART = 2.0
"""Seconds between two writes to one object."""
MESSAGE = 256
MOST_TOLD = 500
"""Clusters of which more than the state is told. An object's annotations have 256 KiB together."""


class FederationV1Teller:
    """Writes the annotations of all kinds."""

    def __init__(self, client: Client, dossiers: Dossiers, fleet: Fleet, recorder: Recorder) -> None:
        self.queue: FairQueue[Key] = FairQueue("federation v1 status", meter=metrics)
        self._client = client
        self._dossiers = dossiers
        self._fleet = fleet
        self._recorder = recorder
        self._wrote: dict[str, float] = {}

    def touch(self, key: Key) -> None:
        self.queue.add_after(key, AT_ONCE)

    def forget(self, uid: str) -> None:
        self._wrote.pop(uid, None)

    async def reconcile(self, key: Key) -> Decision:
        dossier = self._dossiers.get(key)
        if dossier is None or not isinstance(front := dossier.front, FederationV1Front) or dossier.live.deleting:
            return Done()
        try:
            if not front.asks(dossier.live):
                return await self._release(dossier, front)
            return await self._tell(dossier, front)
        except NotFound:
            return Done()
        except (Conflict, Forbidden) as error:
            return Retry(error)

    async def _tell(self, dossier: Dossier, front: FederationV1Front) -> Decision:
        for issue in dossier.issues:
            self._recorder.tell(dossier.live, "Warning", "FederationAnnotation", f"{issue.path}: {issue.message}")
        now = self._said(dossier, front)
        if now == said(dossier.live):
            return Done()
        if (wait := self._wrote.get(dossier.uid, 0.0) + APART - time.monotonic()) > 0:
            return Wait(wait)
        text = msgspec.json.encode(now, order="sorted").decode()
        await self._annotate(dossier, front, text)
        return Done()

    async def _annotate(self, dossier: Dossier, front: FederationV1Front, text: str | None) -> None:
        live = dossier.live
        patch = {"metadata": {"annotations": {ANNOTATION_STATUS: text}, "resourceVersion": live.resource_version}}
        dossier.saw(await self._client.patch(front.resource, live.name, live.namespace, patch))
        self._wrote[dossier.uid] = time.monotonic()

    async def _release(self, dossier: Dossier, front: FederationV1Front) -> Decision:
        """It is to be nowhere: once it is, it is let go."""
        there = (dossier.placed | dossier.leaving.keys()) - dossier.gone
        if there or dossier.plan is None:
            return Done()
        live = dossier.live
        if FINALIZER in live.finalizers:
            note = {ANNOTATION_STATUS: None} if ANNOTATION_STATUS in live.annotations else {}
            finalizers = [f for f in live.finalizers if f != FINALIZER]
            metadata = {"finalizers": finalizers, "annotations": note, "resourceVersion": live.resource_version}
            answer = await self._client.patch(front.resource, live.name, live.namespace, {"metadata": metadata})
            dossier.saw(answer)
        return Done()

    def _said(self, dossier: Dossier, front: FederationV1Front) -> Said:
        names = sorted((dossier.placed | dossier.leaving.keys()) - dossier.gone)
        brief = len(names) > MOST_TOLD
        trouble = "; ".join(f"{issue.path}: {issue.message}" for issue in dossier.issues)
        if not trouble and dossier.plan is not None and not dossier.plan.deliveries:
            trouble = dossier.held or "no cluster is chosen"
        clusters = {name: self._of(dossier, name, brief=brief) for name in names}
        return Said(clusters, trouble[:MESSAGE], front.job(dossier.uid))

    def _of(self, dossier: Dossier, name: str, *, brief: bool) -> ClusterSaid:
        outcome, observed = dossier.outcomes.get(name), dossier.observations.get(name)
        share = dossier.plan.shares.get(name) if dossier.plan is not None else None
        replicas = share.common if share is not None else None
        if name in dossier.leaving:
            return ClusterSaid("Removing", replicas=replicas)
        if self._fleet.reach(name).reachable is False:
            return ClusterSaid("Unreachable", replicas=replicas)
        if outcome is None:
            return ClusterSaid("Pending", replicas=replicas)
        trouble = next((f"{o.reason}: {o.message}" for o in outcome.objects), "")
        if brief or observed is None:
            return ClusterSaid(outcome.state, replicas=replicas, message=trouble[:MESSAGE])
        ready = f"{observed.ready or 0}/{observed.desired}" if observed.desired is not None else ""
        if not trouble and observed.problems:
            worst = observed.problems[0]
            trouble = f"{worst.object}: {worst.reason} {worst.message}".strip()
        return ClusterSaid(outcome.state, observed.health, replicas, ready, trouble[:MESSAGE])
