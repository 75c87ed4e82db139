"""FederatedTypeConfigs: each that is enabled has its objects watched, and a front end, while it is."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from atoll.api.kubefed.names import FINALIZER_TYPE_CONFIG, NAMESPACES_CONFIG, Controller
from atoll.api.kubefed.typeconfig import FederatedTypeConfig, TypeConfigStatus, with_defaults
from atoll.api.objects import Key, ObjectId
from atoll.hub.dossier import Dossiers
from atoll.hub.events import Recorder
from atoll.hub.front import Fronts
from atoll.hub.kubefed.federation import Federation
from atoll.hub.kubefed.front import FederatedFront, Teller, prefix_of
from atoll.kube.asseen import add_finalizer, remove_finalizer, replace_status
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, KubeError, NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, resource_of
from atoll.kube.objects import Object
from atoll.runtime.decisions import Decision, Done, Retry, Stalled, Wait
from atoll.runtime.informer import Change, Informer
from atoll.runtime.queue import FairQueue
from atoll.runtime.ratelimit import Backoff
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

LOOK_AGAIN = 2.0
"""Seconds after which a type that isn't served yet is looked at again."""
STARTS = 5.0
"""Seconds that a hub's start waits for its types."""


@dataclass
class _Watch:
    """One federated kind, watched; `front` once it is known what is there, with `unsubscribe` to end its part."""

    config: FederatedTypeConfig
    informer: Informer[Object]
    task: asyncio.Task[None]
    front: FederatedFront | None = None
    unsubscribe: Callable[[], None] | None = None


class Types:
    """Reconciles FederatedTypeConfigs by name."""

    def __init__(
        self,
        *,
        client: Client,
        scope: asyncio.TaskGroup,
        configs: Informer[Object],
        federation: Federation,
        fronts: Fronts,
        dossiers: Dossiers,
        recorder: Recorder,
        teller: Teller,
        wake: Callable[[Key], None],
        changed: Callable[[], None],
    ) -> None:
        self.queue: FairQueue[str] = FairQueue("federated type", meter=metrics)
        self._client = client
        self._scope = scope
        self._configs = configs
        self._federation = federation
        self._fronts = fronts
        self._dossiers = dossiers
        self._recorder = recorder
        self._teller = teller
        self._wake = wake
        self._changed = changed
        self._watches: dict[str, _Watch] = {}

    def start(self) -> None:
        self._configs.subscribe(self._config_changed)

    async def known(self) -> None:
        """Until the objects of every type that is propagated are known, as far as they can be by now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTS):
                await self._attempted(NAMESPACES_CONFIG)
                names = [live.name for live in self._configs.values() if live.name != NAMESPACES_CONFIG]
                await asyncio.gather(*map(self._attempted, names))

    async def _attempted(self, name: str) -> None:
        try:
            await self.reconcile(name)
            watch = self._watches.get(name)
            if watch is not None and not watch.informer.synced:
                await watch.informer.wait_attempt()
                await self.reconcile(name)
        except KubeError as error:  # its controller tries again
            log.info("type not begun", name=name, error=str(error))

    def fronts(self) -> list[FederatedFront]:
        """Of all types at work."""
        return [watch.front for watch in self._watches.values() if watch.front is not None]

    def front(self, kind: str) -> FederatedFront | None:
        """The front end of federated kind `kind`, if it is at work."""
        return next((front for front in self.fronts() if front.prefix == kind), None)

    async def reconcile(self, name: str) -> Decision:
        live = self._live(name)
        if live is None:
            self._stop(name)
            return Done()
        try:
            return await self._step(name, live)
        except (Conflict, NotFound) as error:
            return Retry(error)

    async def _step(self, name: str, live: Object) -> Decision:
        if live.deleting:
            self._stop(name)
            if FINALIZER_TYPE_CONFIG in live.finalizers:
                await remove_finalizer(self._client, FEDERATEDTYPECONFIGS, live, FINALIZER_TYPE_CONFIG)
            return Done()
        config = _read(live)
        if config is None:
            return Stalled("Unreadable", f"FederatedTypeConfig {name} cannot be read")
        if FINALIZER_TYPE_CONFIG not in live.finalizers:
            live = await add_finalizer(self._client, FEDERATEDTYPECONFIGS, live, FINALIZER_TYPE_CONFIG)
        if (other := self._taken(live, config)) is not None:
            words = (
                f"spec.federatedType: {prefix_of(config)} is FederatedTypeConfig {other.name}'s: what members have by "
            )
            self._recorder.tell(live, "Warning", "FederatedTypeTaken", f"{words}that would be taken away for this one")
        running = self._run(name, config, taken=other is not None)
        await self._tell(live, config, running=running)
        return Done() if running or not self._wanted(config) else Wait(LOOK_AGAIN)

    def _taken(self, live: Object, config: FederatedTypeConfig) -> Object | None:
        """The FederatedTypeConfig that had the same federated type first: it alone says what members get of it."""
        others = [
            other
            for other in self._configs.values()
            if other.uid != live.uid and not other.deleting and _prefix(other) == prefix_of(config)
        ]
        first = min((live, *others), key=self._rank)
        return first if first is not live else None

    def _rank(self, live: Object) -> tuple[bool, str, str]:
        """Who is at work with it stays so; after a restart the oldest is."""
        watch = self._watches.get(live.name)
        at_work = watch is not None and watch.front is not None and watch.front.prefix == _prefix(live)
        return not at_work, live.created, live.name

    def _run(self, name: str, config: FederatedTypeConfig, *, taken: bool) -> bool:
        """Have it watched, or not; whether its front end is at work. `taken`: another one has its federated type."""
        wanted, watch = self._wanted(config) and not taken, self._watches.get(name)
        if not (wanted or config.of_namespaces):
            self._stop(name)
            return False
        if watch is not None and watch.config.spec != config.spec:
            self._stop(name)
            watch = None
        if watch is None:
            watch = self._watch(name, config)
        if not wanted:
            self._withdraw(watch)
        elif watch.front is None and watch.informer.synced:
            self._put_to_work(watch)
        return watch.front is not None

    def _wanted(self, config: FederatedTypeConfig) -> bool:
        """Whether its objects are to be propagated: a namespaced type waits for the one of namespaces."""
        settings = self._federation.settings
        if not config.enabled or not settings.push:
            return False
        if not config.spec.target_type.namespaced:
            return not settings.limited
        namespaces = self._live(NAMESPACES_CONFIG)
        watched = self._federation.namespaces
        return namespaces is not None and not namespaces.deleting and watched is not None and watched.synced

    def _watch(self, name: str, config: FederatedTypeConfig) -> _Watch:
        informer: Informer[Object] = Informer(
            self._client,
            resource_of(config.spec.federated_type, namespaced=config.federated_namespaced),
            namespace=self._federation.settings.watched,
            meter=metrics,
            backoff=Backoff(0.2, LOOK_AGAIN),
            on_attempt=self._wake_types if config.of_namespaces else lambda: self.queue.add(name),
        )
        task = self._scope.create_task(keep(f"watch of {informer.resource.kind}", informer.run))
        watch = self._watches[name] = _Watch(config, informer, task)
        if config.of_namespaces:
            self._federation.namespaces = informer
            informer.subscribe(self._namespace_changed)
        return watch

    def _put_to_work(self, watch: _Watch) -> None:
        front = watch.front = FederatedFront(
            watch.config,
            watch.informer,
            self._federation,
            self._teller,
            self._dossiers,
            self._fronts.uids,
            self._wake,
        )
        self._fronts.add(front)
        watch.unsubscribe = watch.informer.subscribe(front.changed)
        log.info("started", kind=front.prefix)
        self._changed()

    def _withdraw(self, watch: _Watch) -> None:
        """Nobody looks after its objects any longer; what was delivered stays as it is."""
        front, watch.front = watch.front, None
        if front is None:
            return
        if watch.unsubscribe is not None:
            watch.unsubscribe()
        self._fronts.drop(front)
        for live in watch.informer.values():
            self._fronts.uids.discard(live.uid)
            self._wake(front.key(live.id))
        log.info("stopped", kind=front.prefix)
        self._changed()

    def _stop(self, name: str) -> None:
        watch = self._watches.pop(name, None)
        if watch is None:
            return
        self._withdraw(watch)
        watch.task.cancel()  # nobody is told any more
        if self._federation.namespaces is watch.informer:
            self._federation.namespaces = None
            self._wake_types()

    async def _tell(self, live: Object, config: FederatedTypeConfig, *, running: bool) -> None:
        watch = self._watches.get(config.metadata.name)
        gathers = watch is not None and watch.front is not None and watch.front.gathers
        status = TypeConfigStatus(
            observed_generation=live.generation,
            propagation_controller=_word(running=running),
            status_controller=_word(running=gathers),
        )
        if status != config.status:
            await replace_status(self._client, FEDERATEDTYPECONFIGS, live, msgspec.to_builtins(status))
        if watch is not None and not running and watch.informer.last_error is not None:
            self._recorder.tell(live, "Warning", "NotServed", f"{prefix_of(config)}: {watch.informer.last_error}")

    def _live(self, name: str) -> Object | None:
        group, kind = FEDERATEDTYPECONFIGS.group_kind
        return self._configs.get(ObjectId(group, kind, self._federation.settings.namespace, name))

    def _config_changed(self, change: Change[Object]) -> None:
        self.queue.add(change.id.name)

    def _wake_types(self) -> None:
        """The type of namespaces came or went: the namespaced ones wait for it."""
        for live in self._configs.values():
            self.queue.add(live.name)

    def _namespace_changed(self, change: Change[Object]) -> None:
        """A namespace goes elsewhere: so does what is in it."""
        old, new = change.old, change.new
        if old is not None and new is not None and (old.uid, old.generation) == (new.uid, new.generation):
            return
        for watch in self._watches.values():
            if watch.front is not None and watch.config.spec.target_type.namespaced:
                for identity in [identity for identity, _ in watch.informer.items()]:
                    if identity.namespace == change.id.namespace:
                        self._wake(watch.front.key(identity))


def _prefix(live: Object) -> str:
    """By which its objects are known; "" when it can't be read."""
    config = _read(live)
    return prefix_of(config) if config is not None else ""


def _read(live: Object) -> FederatedTypeConfig | None:
    try:
        return with_defaults(live.read(FederatedTypeConfig))
    except msgspec.ValidationError:
        return None


def _word(*, running: bool) -> str:
    return (Controller.RUNNING if running else Controller.NOT_RUNNING).value
