"""KubeFed's control plane, put together: its watches, its types, its clusters, its preferences, in the hub's scope."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from atoll.api.kubefed.names import CONFIG
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Key
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.fleet import Fleet
from atoll.hub.dossier import Dossiers
from atoll.hub.events import Recorder
from atoll.hub.front import Fronts
from atoll.hub.kubefed.clusters import Clusters
from atoll.hub.kubefed.federation import Federation
from atoll.hub.kubefed.heritage import Heritage
from atoll.hub.kubefed.preferences import Preferences
from atoll.hub.kubefed.records import Records
from atoll.hub.kubefed.reporting import FederatedReporter
from atoll.hub.kubefed.settings import configured, settings
from atoll.hub.kubefed.types import Types
from atoll.hub.surroundings import Surroundings
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError
from atoll.kube.kubefed_resources import (
    FEDERATEDTYPECONFIGS,
    KUBEFEDCLUSTERS,
    REPLICASCHEDULINGPREFERENCES,
)
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import SECRETS
from atoll.observe.collector import Collector
from atoll.runtime.controller import Controller
from atoll.runtime.informer import Informer
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Lent:
    """What the hub lends. `at_home(cluster)`: it is the hub's own; `wake(key)`: look at an application again."""

    client: Client
    fleet: Fleet
    deliverer: Deliverer
    collector: Collector
    dossiers: Dossiers
    fronts: Fronts
    surroundings: Surroundings
    recorder: Recorder
    clusters: Informer[Object]
    secrets: Informer[Object]
    wake: Callable[[Key], None]
    at_home: Callable[[str], bool]


class KubeFed:
    """The control plane whose own namespace is `namespace`. `begin` before any work is done, then `work`."""

    def __init__(self, namespace: str, lent: Lent) -> None:
        self._namespace = namespace
        self._lent = lent
        self._began = False

    async def begin(self, scope: asyncio.TaskGroup) -> None:
        """Know what is there: nothing is taken to be gone that is only not known yet. Raises KubeError, and ConfigError
        for a KubeFedConfig that can't be read.
        """
        lent, namespace = self._lent, self._namespace
        try:
            config = await configured(lent.client, namespace)
            found = settings(namespace, config.spec)
        except ValueError as error:
            raise ConfigError(f"KubeFedConfig {namespace}/{CONFIG}: {error}") from error
        log.info("kubefed", namespace=namespace, scope=config.spec.scope)
        members = self._watch(scope, KUBEFEDCLUSTERS, namespace)
        tokens = self._watch(scope, SECRETS, namespace) if namespace != SYSTEM_NAMESPACE else lent.secrets
        configs = self._watch(scope, FEDERATEDTYPECONFIGS, namespace)
        wanted = self._watch(scope, REPLICASCHEDULINGPREFERENCES, found.watched) if found.preferences else None
        for informer in (members, tokens, configs, *((wanted,) if wanted is not None else ())):
            await informer.wait_synced()
        federation = Federation(found, members, lent.at_home)
        records = Records(lent.client)
        await records.load(found.watched)
        self._reporter = FederatedReporter(
            lent.client, lent.dossiers, lent.fleet, lent.collector, lent.recorder, records
        )
        self._types = Types(
            client=lent.client,
            scope=scope,
            configs=configs,
            federation=federation,
            fronts=lent.fronts,
            dossiers=lent.dossiers,
            recorder=lent.recorder,
            teller=self,
            wake=lent.wake,
            changed=self._types_changed,
        )
        self._heritage = Heritage(lent.deliverer, federation, self._types.fronts)
        self._clusters = Clusters(
            client=lent.client,
            fleet=lent.fleet,
            federation=federation,
            recorder=lent.recorder,
            members=members,
            tokens=tokens,
            clusters=lent.clusters,
            secrets=lent.secrets,
            changed=self._everybody,
            readiness=self._all_preferences,
        )
        self._preferences: Preferences | None = None
        if wanted is not None:
            self._preferences = Preferences(
                client=lent.client,
                federation=federation,
                dossiers=lent.dossiers,
                surroundings=lent.surroundings,
                recorder=lent.recorder,
                preferences=wanted,
                front=self._types.front,
            )
        await self._types.known()
        self._began = True

    def work(self, scope: asyncio.TaskGroup) -> None:
        self._types.start()
        self._clusters.start()
        controllers: list[Controller[str] | Controller[Key]] = [
            Controller("federated type", self._types.queue, self._types.reconcile, workers=4, meter=metrics),
            Controller("kubefed cluster", self._clusters.queue, self._clusters.reconcile, workers=8, meter=metrics),
            Controller("kubefed status", self._reporter.queue, self._reporter.reconcile, workers=8, meter=metrics),
        ]
        if self._preferences is not None:
            self._preferences.start()
            controllers.append(
                Controller(
                    "replica preference",
                    self._preferences.queue,
                    self._preferences.reconcile,
                    workers=4,
                    meter=metrics,
                )
            )
        metrics.expect_controllers(controller.name for controller in controllers)
        for controller in controllers:
            scope.create_task(controller.run())
        self._heritage.settle()

    # What the hub and the fronts tell

    def wrote(self, uid: str) -> None:
        """Something of Application `uid` was written to a member."""
        if self._began:
            self._reporter.wrote(uid)

    def replanned(self) -> None:
        """A cluster came, went, or is in another state."""
        if self._began:
            self._all_preferences()

    def touch(self, key: Key) -> None:
        self._reporter.touch(key)
        if self._preferences is not None:
            self._preferences.touch(key)

    def placed(self) -> None:
        self._heritage.settle()

    def forget(self, uid: str) -> None:
        self._reporter.forget(uid)
        self._heritage.settle()

    def close(self) -> None:
        if self._began:
            self._heritage.close()

    def _types_changed(self) -> None:
        if self._began:
            self._heritage.settle()
            self._all_preferences()

    def _all_preferences(self) -> None:
        if self._began and self._preferences is not None:
            self._preferences.wake()

    def _everybody(self) -> None:
        """Other clusters, or other labels: every object may be placed elsewhere."""
        for front in self._lent.fronts:
            if front.prefix:
                for key in front.held():
                    self._lent.wake(key)
        self._heritage.settle()
        self._all_preferences()

    def _watch(self, scope: asyncio.TaskGroup, resource: Resource, namespace: str) -> Informer[Object]:
        informer: Informer[Object] = Informer(self._lent.client, resource, namespace=namespace, meter=metrics)
        scope.create_task(keep(f"watch of {resource.kind}", informer.run))
        return informer
