"""The hub, put together: watches of its own API server, the fleet, and the loops between them, in one scope."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec
import structlog

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.names import LABEL_REACH, SYSTEM_NAMESPACE
from atoll.api.objects import GroupKind, Json, Key, ObjectId
from atoll.api.validate import Issue, validate
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.capacity import Capacity, CapacityCount
from atoll.fleet.fleet import Fleet
from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Reach
from atoll.fleet.served import ServedKinds
from atoll.fleet.tokens import bearer_name
from atoll.hub.agents.asked import Asked
from atoll.hub.agents.endpoint import Ends
from atoll.hub.agents.proxy import Proxy
from atoll.hub.agents.trust import Trust
from atoll.hub.agents.tunnels import Tunnels
from atoll.hub.application import ApplicationController
from atoll.hub.applications import ApplicationFront
from atoll.hub.cluster import ClusterController, cluster_id
from atoll.hub.defaults import Defaults
from atoll.hub.departure import Departure
from atoll.hub.dossier import Dossiers
from atoll.hub.ending import Ending
from atoll.hub.events import Recorder
from atoll.hub.federation_v1.frontend import FederationV1
from atoll.hub.front import Fronts
from atoll.hub.gates import Gates, Network
from atoll.hub.history import History
from atoll.hub.intents import Intents
from atoll.hub.inventory import Inventory
from atoll.hub.kubefed.frontend import KubeFed, Lent
from atoll.hub.profiles import Profiles
from atoll.hub.pulled.agents import Agents
from atoll.hub.pulled.terms import Terms
from atoll.hub.reporting import Reporter
from atoll.hub.rollouts import Rollouts
from atoll.hub.roster import Roster
from atoll.hub.scopes import Scopes
from atoll.hub.selected import SelectedObjects
from atoll.hub.snapshots import News, Snapshots, cluster_facts
from atoll.hub.surroundings import Surroundings
from atoll.hub.tombstones import Tombstones
from atoll.hub.waking import Waking
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONDEFAULTS, APPLICATIONS, CLUSTERS, NAMESPACES, SECRETS
from atoll.link.certificates import Authority
from atoll.link.listening import Listener
from atoll.link.sessions import LinkSession
from atoll.observe.collector import Collector
from atoll.plan.foresight import misfits
from atoll.runtime.controller import Controller
from atoll.runtime.informer import Change, Informer
from atoll.runtime.queue import FairQueue
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)


class Hub:
    """One hub process at work. `run()` until cancelled; `unready` says why it isn't ready yet.

    `leads()` is asked before each write to a member: a process that was stopped and goes on finds out there first.
    `connect(config)` makes the client of a member. `kubefed` is a KubeFed control plane's namespace; "": there is none.
    """

    def __init__(
        self,
        client: Client,
        identity: HubIdentity,
        leads: Callable[[], bool] = lambda: True,
        connect: Callable[[Config], Client] = Client,
        gate_addresses: Sequence[Network] = (),
        kubefed: str = "",
    ) -> None:
        self._client = client
        self._identity = identity
        self._connect = connect
        self._kubefed_namespace = kubefed
        self._kubefed: KubeFed | None = None
        self.unready = "starting"
        self._applications: Informer[Object] = Informer(client, APPLICATIONS, meter=metrics)
        self._clusters: Informer[Object] = Informer(client, CLUSTERS, meter=metrics)
        self._namespaces: Informer[Object] = Informer(client, NAMESPACES, meter=metrics)
        self._found_defaults: Informer[Object] = Informer(client, APPLICATIONDEFAULTS, meter=metrics)
        self._secrets: Informer[Object] = Informer(client, SECRETS, namespace=SYSTEM_NAMESPACE, meter=metrics)
        self._application_queue: FairQueue[Key] = FairQueue(
            "application", group=lambda key: key.namespace, meter=metrics
        )
        self._cluster_queue: FairQueue[str] = FairQueue("cluster", meter=metrics)
        self._defaults = Defaults(self._found_defaults, self._applications, self._application_queue.add)
        self._fronts = Fronts()
        self._roster = Roster()
        self._clusters.subscribe(self._roster.changed)
        self._moment = 0
        self._dossiers = Dossiers()
        self._snapshots = Snapshots()
        self._capacities: dict[str, Capacity] = {}
        self._surroundings = Surroundings(self._dossiers, self._snapshots, self._capacities)
        self._scopes = Scopes()
        self._tombstones = Tombstones(client)
        self._recorder = Recorder(client)
        self._kinds: dict[str, frozenset[GroupKind]] = {}
        self._waking = waking = Waking(
            applications=self._application_queue,
            clusters=self._cluster_queue,
            fronts=self._fronts,
            dossiers=self._dossiers,
            surroundings=self._surroundings,
            tombstones=self._tombstones,
            cluster=lambda name: self._clusters.get(cluster_id(name)),
            kinds=self._kinds,
            recorder=self._recorder,
        )
        self._deliverer = Deliverer(waking.delivered, count=waking.worked, leads=leads)
        self._collector = Collector(waking.observed)
        self._gates = Gates(self._application_queue.add, gate_addresses)
        self.pulled = Agents(
            Terms(
                identity=identity,
                deliverer=self._deliverer,
                collector=self._collector,
                delivered=waking.delivered,
                counted=waking.counted,
                found=waking.found,
                changed=self._cluster_queue.add,
                owner=self._owner,
                debts=self._settle_debts,
                alive=self._fronts.alive,
                moment=lambda: self._moment,
                leads=leads,
            )
        )
        """Those in pull mode."""
        listener = Listener(identity.id, lambda session, _: self._arrived(session))
        self.ends = Ends(listener, Asked(client, self.pulled.ask, listener.sight))
        """Where agents come in; whoever serves the endpoint uses it."""
        self._tunnels = Tunnels(self.ends.listener, self._cluster_queue.add)

    async def run(self) -> None:
        """Read everything first, then work: nothing is removed before it is known what belongs to whom."""
        counting = CapacityCount(self._waking.counted)
        serving = ServedKinds(self._waking.serves)
        awares = (self._deliverer, self._collector, counting, serving, Inventory(self._waking.found))
        async with (
            asyncio.TaskGroup() as scope,
            Fleet(self._identity, awares, self._cluster_queue.add, self._owner, self._connect) as fleet,
        ):
            self._wire(scope, fleet)
            for informer in self._informers:
                scope.create_task(keep("hub watch", informer.run))
            for informer in self._informers:
                await informer.wait_synced()
            await self._federation_v1.begin(scope)
            if self._kubefed is not None:
                await self._kubefed.begin(scope)
            self._moment = self._now()
            await self._tombstones.load()
            self._snapshots.hub = (await self._client.get(NAMESPACES, "kube-system")).uid
            self._work(scope)
            self._deliverer.claims_complete(self._fronts.alive)
            self.pulled.starting = False
            self.unready = ""
            log.info("hub ready", id=self._identity.id, applications=len(list(self._applications.values())))
            try:
                await asyncio.Event().wait()
            finally:
                self._gates.close()
                if self._kubefed is not None:
                    self._kubefed.close()

    @property
    def _informers(self) -> tuple[Informer[Object], ...]:
        return self._applications, self._clusters, self._namespaces, self._secrets, self._found_defaults

    def _wire(self, scope: asyncio.TaskGroup, fleet: Fleet) -> None:
        self._fleet = fleet
        self._reporter = Reporter(
            self._client, self._dossiers, fleet, self._collector, self._recorder,
            self._application_queue.soon, self._applications.saw,
        )  # fmt: skip
        profiles = Profiles(self._client)
        intents = Intents(
            self._client,
            self._scopes,
            SelectedObjects(self._client, scope, self._waking.selected_changed),
            self._namespace,
            self._snapshots.names,
            lambda: (m.client for n in fleet.names() if (m := fleet.member(n)) is not None),
            self._defaults.applied,
            self._defaults.versions,
        )
        ending = Ending(
            client=self._client,
            fleet=fleet,
            deliverer=self._deliverer,
            collector=self._collector,
            tombstones=self._tombstones,
            clusters=lambda: tuple(c.name for c in self._clusters.values()),
            cluster_uid=self._cluster_uid,
            wake=self._application_queue.add,
        )
        history = History(self._client)
        self._rollouts = Rollouts(
            self._client, fleet, self._collector, history, self._gates, self._recorder,
            lambda: ending.bustling, intents.admits,
        )  # fmt: skip
        self._ending = ending
        self._application_controller = ApplicationController(
            client=self._client,
            identity=self._identity,
            fronts=self._fronts,
            dossiers=self._dossiers,
            snapshots=self._snapshots,
            fleet=fleet,
            deliverer=self._deliverer,
            collector=self._collector,
            ending=ending,
            surroundings=self._surroundings,
            rollouts=self._rollouts,
            wake=self._application_queue.add,
        )
        self._departure = Departure(
            client=self._client,
            fleet=fleet,
            deliverer=self._deliverer,
            dossiers=self._dossiers,
            tombstones=self._tombstones,
            profiles=profiles,
            recorder=self._recorder,
            collector=self._collector,
        )
        self._cluster_controller = ClusterController(
            client=self._client,
            clusters=self._clusters,
            secrets=self._secrets,
            fleet=fleet,
            snapshots=self._snapshots,
            deliverer=self._deliverer,
            tombstones=self._tombstones,
            departure=self._departure,
            profiles=profiles,
            tunnels=self._tunnels,
            hub_id=self._identity.id,
            capacities=self._capacities,
            kinds=self._kinds,
            replan=self._replan,
            gone=self._waking.cluster_gone,
            agents=self.pulled,
            settle_debts=self._settle_debts,
        )
        self._waking.wire(self._deliverer, self._collector, self._departure, self._wrote, lambda: ending.bustling)
        self._native = ApplicationFront(
            self._applications,
            self._dossiers,
            self._fronts.uids,
            self._application_queue.add,
            intents,
            self._reporter,
        )
        self._fronts.add(self._native)
        self._federation_v1 = FederationV1(
            client=self._client,
            fleet=fleet,
            dossiers=self._dossiers,
            fronts=self._fronts,
            recorder=self._recorder,
            namespaces=self._namespaces,
            wake=self._application_queue.add,
            clusters=self._snapshots.facts,
        )
        if self._kubefed_namespace:
            self._kubefed = KubeFed(
                self._kubefed_namespace,
                Lent(
                    client=self._client,
                    fleet=fleet,
                    deliverer=self._deliverer,
                    collector=self._collector,
                    dossiers=self._dossiers,
                    fronts=self._fronts,
                    surroundings=self._surroundings,
                    recorder=self._recorder,
                    clusters=self._clusters,
                    secrets=self._secrets,
                    wake=self._application_queue.add,
                    at_home=self._at_home,
                ),
            )

    def _work(self, scope: asyncio.TaskGroup) -> None:
        self._know_clusters()
        self._applications.subscribe(self._native.changed)
        self._applications.subscribe(self._relabelled)
        self._clusters.subscribe(self._cluster_changed)
        self._secrets.subscribe(self._secret_changed)
        self._namespaces.subscribe(self._namespace_changed)
        self._found_defaults.subscribe(self._defaults.changed)
        controllers: tuple[Controller[Key] | Controller[str], ...] = (
            Controller("cluster", self._cluster_queue, self._cluster_controller.reconcile, workers=8, meter=metrics),
            Controller(
                "application",
                self._application_queue,
                self._application_controller.reconcile,
                workers=16,
                meter=metrics,
            ),
            Controller("status", self._reporter.queue, self._reporter.reconcile, workers=8, meter=metrics),
        )
        metrics.expect_controllers(controller.name for controller in controllers)
        for controller in controllers:
            scope.create_task(controller.run())
        scope.create_task(keep("events", self._recorder.run))
        scope.create_task(keep("revisions", self._rollouts.run))
        self._federation_v1.work()
        if self._kubefed is not None:
            self._kubefed.work(scope)

    def _know_clusters(self) -> None:
        """Plan with what was known of the clusters before, until they are heard of: not as if there were none."""
        for live in self._clusters.values():
            if not live.deleting:
                with contextlib.suppress(msgspec.ValidationError):
                    self._snapshots.set(cluster_facts(live.read(Cluster), Reach(), None))

    async def judge(self, body: Json) -> tuple[Issue, ...]:
        """What the webhook says of an Application: the same `validate()` as the controller's.

        A namespace and defaults that came with the Application may not be known here yet: before anything is refused,
        they are read.
        """
        name = str((body.get("metadata") or {}).get("namespace") or "")
        issues = self._judge(self._defaults.applied(body, name), self._namespace(name))
        if any(issue.severity == "error" for issue in issues):
            with contextlib.suppress(KubeError):
                body = await self._defaults.asked(self._client, body, name)
                issues = self._judge(body, await self._client.get(NAMESPACES, name))
        return issues

    def _judge(self, body: Json, namespace: Object | None) -> tuple[Issue, ...]:
        reach = namespace is not None and namespace.labels.get(LABEL_REACH) == "cluster"
        clusters = self._snapshots.facts()
        issues = validate(body, known_clusters=clusters.keys(), scopes=self._scopes, reach=reach, defaults=True)
        if any(issue.severity == "error" for issue in issues):
            return issues
        return (*issues, *misfits(msgspec.convert(body, Application).spec, clusters))

    def _now(self) -> int:
        """How far the hub's API server has come, as far as is known here."""
        versions = (informer.version for informer in (self._applications, self._clusters, self._namespaces))
        return max(int(version) if version.isdigit() else 0 for version in versions)

    def _settle_debts(self, cluster: str, uid: str) -> None:
        """What is still to be removed from `cluster`, if its identity is `uid`."""
        for removal in self._tombstones.removals(cluster, uid):
            self._deliverer.remove(removal)

    def _arrived(self, session: LinkSession) -> None:
        """An agent has come; in which mode its cluster is, decides who listens to it."""
        self._tunnels.serve(session)
        self.pulled.serve(session)

    def trust(self, authority: Authority) -> Trust:
        """Who of the agents may come in, as far as this hub knows."""
        return Trust(
            self._client,
            self._identity.id,
            authority,
            lambda name: self._clusters.get(cluster_id(name)),
            lambda name: self._secrets.get(ObjectId("", "Secret", SYSTEM_NAMESPACE, bearer_name(name))),
            lambda: self.unready,
        )

    def proxy(self) -> Proxy:
        """Members' APIs through this hub."""

        def config(name: str) -> Config | None:
            member = self._fleet.member(name)
            return member.client.config if member is not None else None

        async def grant(name: str) -> Object | None:
            with contextlib.suppress(NotFound):
                return await self._client.get(SECRETS, name, SYSTEM_NAMESPACE)
            return None

        return Proxy(config, grant)

    def _owner(self, name: str, uid: str) -> str:
        """The cluster with this identity: the oldest of those that had it before, else `name`."""
        names = self._roster.known_as(uid) | (self._fleet.found_as(uid) - {name})
        holders = [c for n in names if (c := self._clusters.get(ObjectId("atoll.dev", "Cluster", "", n))) is not None]
        return min(holders, key=lambda c: (c.created, c.name)).name if holders else name

    def _cluster_uid(self, name: str) -> str:
        """The identity of cluster `name`, now or when it was last reached; "" when it never was."""
        return self._fleet.reach(name).uid or self._roster.uid(name)

    def _at_home(self, name: str) -> bool:
        """Whether cluster `name` is the hub's own."""
        uid = self._cluster_uid(name)
        return bool(uid) and uid == self._snapshots.hub

    # What its own watches, and its parts, tell

    def _wrote(self, uid: str) -> None:
        self._reporter.wrote(uid)
        self._ending.wrote(uid)
        if self._kubefed is not None:
            self._kubefed.wrote(uid)

    def _replan(self, cluster: str, news: News) -> None:
        self._waking.replan(cluster, news)
        if self._kubefed is not None and news in {"worse", "other"}:
            self._kubefed.replanned()

    def _cluster_changed(self, change: Change[Object]) -> None:
        self._cluster_queue.add(change.id.name)
        self.ends.review(change.id.name)

    def _relabelled(self, change: Change[Object]) -> None:
        """Its neighbours know an Application by its labels; to itself they say nothing."""
        old, new = change.old, change.new
        if old is None or new is None or old.labels == new.labels:
            return
        if (dossier := self._dossiers.get(self._native.key(change.id), new.uid)) is not None:
            for key in self._surroundings.near(dossier, old.labels, new.labels):
                self._application_queue.add(key)

    def _secret_changed(self, change: Change[Object]) -> None:
        self.ends.review(change.id.name.removeprefix(bearer_name("")))
        for cluster in self._roster.reached_with(change.id.name):
            self._cluster_queue.add(cluster)

    def _namespace_changed(self, change: Change[Object]) -> None:
        before = change.old.labels.get(LABEL_REACH) if change.old else None
        after = change.new.labels.get(LABEL_REACH) if change.new else None
        if before != after:
            for application in self._applications.values():
                if application.namespace == change.id.name:
                    self._application_queue.add(Key(application.namespace, application.name))

    def _namespace(self, name: str) -> Object | None:
        return self._namespaces.get(ObjectId("", "Namespace", "", name))
