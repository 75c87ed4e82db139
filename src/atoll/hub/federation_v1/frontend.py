"""Federation v1, put together: which namespaces opted in, and what is watched in them. Without one, nothing is."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import structlog

from atoll.api.names import LABEL_FEDERATION
from atoll.api.objects import Key, ObjectId
from atoll.fleet.fleet import Fleet
from atoll.hub.dossier import Dossiers
from atoll.hub.events import Recorder
from atoll.hub.federation_v1.front import FederationV1Front, Namespaces
from atoll.hub.federation_v1.telling import FederationV1Teller
from atoll.hub.front import Fronts
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, DAEMONSETS, DEPLOYMENTS, JOBS, REPLICASETS, SECRETS, SERVICES
from atoll.plan.model import ClusterFacts
from atoll.runtime.controller import Controller
from atoll.runtime.informer import Change, Informer
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses", verbs=CONFIGMAPS.verbs)
KINDS = (CONFIGMAPS, SECRETS, SERVICES, INGRESSES, DEPLOYMENTS, REPLICASETS, DAEMONSETS, JOBS)
V1 = "v1"
STARTS = 5.0
"""Seconds that a hub's start waits for what is in the namespaces."""
LOOK_AGAIN = 1.0
"""Seconds after which a namespace that opted out is looked at again, while objects of it are held."""
MAY_NOT = "binding ClusterRole atoll-federation-v1 in this namespace gives the hub that right"


class FederationV1:
    """`begin` before any work is done, then `work`."""

    def __init__(
        self,
        *,
        client: Client,
        fleet: Fleet,
        dossiers: Dossiers,
        fronts: Fronts,
        recorder: Recorder,
        namespaces: Informer[Object],
        wake: Callable[[Key], None],
        clusters: Callable[[], Mapping[str, ClusterFacts]],
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._namespaces = namespaces
        self._wake = wake
        self._fronts = fronts
        self._teller = FederationV1Teller(client, dossiers, fleet, recorder)
        self._kinds = [
            FederationV1Front(Namespaces(kind), dossiers, fronts.uids, wake, self._teller, self.opted, clusters)
            for kind in KINDS
        ]
        self._watched: dict[str, list[asyncio.Task[None]]] = {}
        self._at_work = False

    async def begin(self, scope: asyncio.TaskGroup) -> None:
        """Know what is there, as far as it can be known by now."""
        self._scope = scope
        self._namespaces.subscribe(self._namespace_changed)
        informers = [i for front in self._kinds for i in front.found.informers.values()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTS):
                await asyncio.gather(*(informer.wait_attempt() for informer in informers))

    def work(self) -> None:
        self._at_work = True
        for front in self._kinds:
            for informer in front.found.informers.values():
                informer.subscribe(front.changed)
        controller = Controller(
            "federation v1 status", self._teller.queue, self._teller.reconcile, workers=4, meter=metrics
        )
        metrics.expect_controllers([controller.name])
        self._scope.create_task(controller.run())

    def opted(self, namespace: str) -> bool:
        found = self._namespaces.get(ObjectId("", "Namespace", "", namespace))
        return found is not None and found.labels.get(LABEL_FEDERATION) == V1

    def _namespace_changed(self, change: Change[Object]) -> None:
        name = change.id.name
        before = change.old.labels.get(LABEL_FEDERATION) if change.old else None
        if change.new is None:
            self._stop(name)
        elif LABEL_FEDERATION in change.new.labels and name not in self._watched:
            self._watch(name)
            if not self.opted(name):  # it opted out while no hub looked: what is held is let go
                self._scope.create_task(self._leave(name))
        elif name in self._watched and before != change.new.labels.get(LABEL_FEDERATION):
            # it opted out, or in again: its objects are looked at anew
            for key in self._held(name):
                self._wake(key)
            if not self.opted(name):
                self._scope.create_task(self._leave(name))

    async def _leave(self, name: str) -> None:
        """Let go of all that is held in a namespace that opted out, then look at it no more."""
        while not self.opted(name):
            informers = [front.found.informers.get(name) for front in self._kinds]
            tried = all(i is None or i.synced or i.last_error is not None for i in informers)
            if tried and not self._held(name):
                self._stop(name)
                return
            await asyncio.sleep(LOOK_AGAIN)

    def _held(self, name: str) -> list[Key]:
        return [key for front in self._kinds for key in front.held() if key.namespace == name]

    def _stop(self, name: str) -> None:
        for task in self._watched.pop(name, ()):
            task.cancel()
        for front in self._kinds:
            front.found.informers.pop(name, None)

    def _watch(self, name: str) -> None:
        log.info("federation v1", namespace=name)
        self._watched[name] = []
        for front in self._kinds:
            self._fronts.add(front)
            informer: Informer[Object] = Informer(self._client, front.resource, namespace=name, meter=metrics)
            informer.on_attempt = lambda informer=informer: self._attempted(name, informer)
            front.found.informers[name] = informer
            if self._at_work:
                informer.subscribe(front.changed)
            task = self._scope.create_task(keep(f"watch of {front.resource.kind} in {name}", informer.run))
            self._watched[name].append(task)

    def _attempted(self, name: str, informer: Informer[Object]) -> None:
        namespace = self._namespaces.get(ObjectId("", "Namespace", "", name))
        if namespace is not None and isinstance(informer.last_error, Forbidden):
            text = f"{informer.resource.plural} can't be watched: {informer.last_error}; {MAY_NOT}"
            self._recorder.tell(namespace, "Warning", "FederationForbidden", text)
