"""The hub, put together: watches of its own API server, the fleet, and the loops between them, in one scope."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec
import structlog

from atoll.api.cluster import Cluster
from atoll.api.delivery import Outcome
from atoll.api.names import LABEL_REACH, SYSTEM_NAMESPACE
from atoll.api.objects import GroupKind, Json, Key, ObjectId
from atoll.api.observation import Observation
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
from atoll.hub.cluster import ClusterController, cluster_id
from atoll.hub.cluster_status import Identity
from atoll.hub.defaults import Defaults
from atoll.hub.departure import Departure
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.ending import Ending
from atoll.hub.events import Recorder
from atoll.hub.gates import Gates, Network
from atoll.hub.history import History
from atoll.hub.intents import Intents
from atoll.hub.inventory import Inventory
from atoll.hub.profiles import Profiles
from atoll.hub.pulled.agents import Agents
from atoll.hub.pulled.terms import Terms
from atoll.hub.reporting import Reporter
from atoll.hub.rollouts import Rollouts, said
from atoll.hub.scopes import Scopes
from atoll.hub.selected import SelectedObjects
from atoll.hub.snapshots import News, Snapshots, cluster_facts
from atoll.hub.surroundings import Surroundings
from atoll.hub.tombstones import Tombstones
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONDEFAULTS, APPLICATIONS, CLUSTERS, NAMESPACES, SECRETS
from atoll.link.certificates import Authority
from atoll.link.listening import Listener
from atoll.link.sessions import LinkSession
from atoll.observe.collector import Collector
from atoll.runtime.controller import Controller
from atoll.runtime.informer import Change, Informer
from atoll.runtime.queue import FairQueue
from atoll.runtime.supervise import keep
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

TOGETHER = 0.05
"""Seconds in which what several clusters tell of a change is heard together."""
RECOUNT = 1.0
"""Seconds after which objects of no application are counted anew."""


class Hub:
    """One hub process at work. `run()` until cancelled; `unready` says why it isn't ready yet.

    `leads()` is asked before each write to a member: a process that was stopped and goes on finds out there first.
    `connect(config)` makes the client of a member.
    """

    def __init__(
        self,
        client: Client,
        identity: HubIdentity,
        leads: Callable[[], bool] = lambda: True,
        connect: Callable[[Config], Client] = Client,
        gate_addresses: Sequence[Network] = (),
    ) -> None:
        self._client = client
        self._identity = identity
        self._connect = connect
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
        self._uids: set[str] = set()
        self._moment = 0
        self._dossiers = Dossiers()
        self._snapshots = Snapshots()
        self._capacities: dict[str, Capacity] = {}
        self._surroundings = Surroundings(self._dossiers, self._snapshots, self._capacities)
        self._scopes = Scopes()
        self._tombstones = Tombstones(client)
        self._recorder = Recorder(client)
        self._deliverer = Deliverer(self._delivered, count=self._worked, leads=leads)
        self._collector = Collector(self._observed)
        self._gates = Gates(self._application_queue.add, gate_addresses)
        self.pulled = Agents(
            Terms(
                identity=identity,
                deliverer=self._deliverer,
                collector=self._collector,
                delivered=self._delivered,
                counted=self._counted,
                found=self._found,
                changed=self._cluster_queue.add,
                owner=self._owner,
                debts=self._settle_debts,
                alive=self._alive,
                moment=lambda: self._moment,
            )
        )
        """Those in pull mode."""
        listener = Listener(identity.id, lambda session, _: self._arrived(session))
        self.ends = Ends(listener, Asked(client, self.pulled.ask, listener.sight))
        """Where agents come in; whoever serves the endpoint uses it."""
        self._tunnels = Tunnels(self.ends.listener, self._cluster_queue.add)

    async def run(self) -> None:
        """Read everything first, then work: nothing is removed before it is known what belongs to whom."""
        counting = CapacityCount(self._counted)
        serving = ServedKinds(self._serves)
        awares = (self._deliverer, self._collector, counting, serving, Inventory(self._found))
        async with (
            asyncio.TaskGroup() as scope,
            Fleet(self._identity, awares, self._cluster_queue.add, self._owner, self._connect) as fleet,
        ):
            self._wire(scope, fleet)
            for informer in self._informers:
                scope.create_task(keep("hub watch", informer.run))
            for informer in self._informers:
                await informer.wait_synced()
            self._moment = self._now()
            await self._tombstones.load()
            self._snapshots.hub = (await self._client.get(NAMESPACES, "kube-system")).uid
            self._work(scope)
            self._deliverer.claims_complete(self._alive)
            self.pulled.starting = False
            self.unready = ""
            log.info("hub ready", id=self._identity.id, applications=len(list(self._applications.values())))
            try:
                await asyncio.Event().wait()
            finally:
                self._gates.close()

    @property
    def _informers(self) -> tuple[Informer[Object], ...]:
        return self._applications, self._clusters, self._namespaces, self._secrets, self._found_defaults

    def _wire(self, scope: asyncio.TaskGroup, fleet: Fleet) -> None:
        self._fleet = fleet
        self._reporter = Reporter(self._client, self._dossiers, fleet, self._collector, self._recorder)
        profiles = Profiles(self._client)
        intents = Intents(
            self._client,
            self._scopes,
            SelectedObjects(self._client, scope, self._selected_changed),
            self._namespace,
            self._snapshots.names,
            lambda: (m.client for n in fleet.names() if (m := fleet.member(n)) is not None),
            self._defaults.applied,
        )
        ending = Ending(
            client=self._client,
            fleet=fleet,
            deliverer=self._deliverer,
            collector=self._collector,
            tombstones=self._tombstones,
            clusters=lambda: tuple(c.name for c in self._clusters.values()),
            cluster_uid=lambda name: fleet.reach(name).uid or fleet_uid(self._clusters, name),
            touch=self._reporter.touch,
        )
        history = History(self._client)
        self._rollouts = Rollouts(self._client, fleet, self._collector, history, self._gates, self._recorder)
        self._application_controller = ApplicationController(
            client=self._client,
            identity=self._identity,
            applications=self._applications,
            dossiers=self._dossiers,
            intents=intents,
            snapshots=self._snapshots,
            fleet=fleet,
            deliverer=self._deliverer,
            collector=self._collector,
            ending=ending,
            surroundings=self._surroundings,
            rollouts=self._rollouts,
            touch=self._reporter.touch,
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
            replan=self._replan,
            gone=self._cluster_gone,
            agents=self.pulled,
            settle_debts=self._settle_debts,
        )

    def _work(self, scope: asyncio.TaskGroup) -> None:
        self._know_clusters()
        self._applications.subscribe(self._application_changed)
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
        return validate(body, known_clusters=self._snapshots.names(), scopes=self._scopes, reach=reach, defaults=True)

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

    def _alive(self, uid: str) -> bool:
        """Whether there is an Application of this UID."""
        return uid in self._uids

    def _owner(self, name: str, uid: str) -> str:
        """The cluster with this identity: the oldest of those that had it before, else `name`."""
        holders = [
            c
            for c in self._clusters.values()
            if c.read(Identity).status.uid == uid or (c.name != name and self._fleet.reach(c.name).uid == uid)
        ]
        return min(holders, key=lambda c: (c.created, c.name)).name if holders else name

    # What wakes whom.

    def _application_changed(self, change: Change[Object]) -> None:
        """The status is ours: a change of nothing else wakes nobody, nor does the echo of what we wrote ourselves."""
        key, old, new = Key(change.id.namespace, change.id.name), change.old, change.new
        if new is None or (old is not None and old.uid != new.uid):
            self._uids.discard(old.uid if old is not None else "")
        if new is not None:
            self._uids.add(new.uid)
        if old is not None and new is not None:
            if (dossier := self._dossiers.get(key, new.uid)) is not None:
                if dossier.live.resource_version == new.resource_version:
                    dossier.live = new  # the informer's own: it is not held twice
                    return
                dossier.saw(new)
            if (old.uid, old.generation, old.deleting, old.finalizers) == (
                new.uid,
                new.generation,
                new.deleting,
                new.finalizers,
            ) and said(old.annotations) == said(new.annotations):
                return
        self._application_queue.add(key)

    def _worked(self, cluster: str, result: str, seconds: float) -> None:
        metrics.applied(cluster, result, seconds)
        if result in {"applied", "deleted"}:
            self._reporter.wrote()

    def _delivered(self, outcome: Outcome) -> None:
        if outcome.gone:
            self._fleet_gone(outcome)
        dossier = self._dossiers.get(outcome.key, outcome.uid)
        if dossier is None:
            return
        if outcome.gone:
            dossier.outcomes.pop(outcome.cluster, None)
            dossier.leaving.pop(outcome.cluster, None)
            dossier.gone.add(outcome.cluster)
            self._application_queue.add(outcome.key)
        else:
            dossier.gone.discard(outcome.cluster)
            dossier.outcomes[outcome.cluster] = outcome
        self._goes_on(dossier)
        self._reporter.touch(outcome.key)

    def _goes_on(self, dossier: Dossier) -> None:
        """A cluster has something to tell: a change that waits for it may go on."""
        if dossier.rolling:
            self._application_queue.add_after(dossier.key, TOGETHER)

    def _fleet_gone(self, outcome: Outcome) -> None:
        self._departure.gone(outcome.cluster, outcome.uid)
        self._deliverer.forget(outcome.cluster, outcome.uid)
        cluster = self._clusters.get(cluster_id(outcome.cluster))
        leaving = cluster is not None and cluster.deleting
        waited_for = self._tombstones.paid(outcome.cluster, outcome.uid) or leaving
        self._cluster_queue.add_after(outcome.cluster, 0.0 if waited_for else RECOUNT)

    def _cluster_gone(self, name: str) -> None:
        """What was wanted, done and seen there is of the past: the cluster may come back as another."""
        for dossier in self._dossiers:
            dossier.drop(name)
            dossier.outcomes.pop(name, None)
        self._collector.forget_cluster(name)
        self._deliverer.forget_cluster(name)

    def _observed(self, observation: Observation) -> None:
        dossier = self._dossiers.get(observation.key, observation.uid)
        if dossier is not None and observation.cluster not in dossier.leaving:
            dossier.observations[observation.cluster] = observation
            self._goes_on(dossier)
            self._reporter.touch(observation.key)
            if self._surroundings.observed(dossier, observation.cluster):
                self._application_queue.add(observation.key)

    def _found(self, cluster: str, uid: str) -> None:
        """An application that is there unplanned has to leave; what belongs to none is counted."""
        dossier = self._dossiers.of(uid)
        if dossier is None:
            if not self._alive(uid):
                self._cluster_queue.add_after(cluster, RECOUNT)
        elif cluster not in dossier.submitted and cluster not in dossier.leaving:
            self._application_queue.add(dossier.key)

    def _counted(self, cluster: str, capacity: Capacity) -> None:
        for key in self._surroundings.counted(cluster, capacity):
            self._application_queue.add(key)
        self._cluster_queue.add(cluster)

    def _serves(self, cluster: str, kinds: frozenset[GroupKind]) -> None:
        self._cluster_controller.kinds[cluster] = kinds
        self._cluster_queue.add(cluster)

    def _replan(self, cluster: str, news: News) -> None:
        """A cluster changed: wake those that may be planned otherwise for it, and nobody else."""
        match news:
            case "none":
                return
            case "load":
                for key in self._surroundings.short:
                    self._application_queue.add_after(key, RECOUNT)
            case "worse":
                for key in self._surroundings.concerned(cluster):
                    self._application_queue.add(key)
            case "other":
                for application in self._applications.values():
                    self._application_queue.add(Key(application.namespace, application.name))

    def _selected_changed(self, namespace: str) -> None:
        for dossier in self._dossiers:
            if dossier.key.namespace == namespace and dossier.app is not None and dossier.app.spec.select:
                self._application_queue.add(dossier.key)

    def _cluster_changed(self, change: Change[Object]) -> None:
        self._cluster_queue.add(change.id.name)
        self.ends.review(change.id.name)

    def _secret_changed(self, change: Change[Object]) -> None:
        self.ends.review(change.id.name.removeprefix(bearer_name("")))
        for cluster in self._clusters.values():
            if f'"{change.id.name}"'.encode() in cluster.raw:
                self._cluster_queue.add(cluster.name)

    def _namespace_changed(self, change: Change[Object]) -> None:
        before = change.old.labels.get(LABEL_REACH) if change.old else None
        after = change.new.labels.get(LABEL_REACH) if change.new else None
        if before != after:
            for application in self._applications.values():
                if application.namespace == change.id.name:
                    self._application_queue.add(Key(application.namespace, application.name))

    def _namespace(self, name: str) -> Object | None:
        return self._namespaces.get(ObjectId("", "Namespace", "", name))


def fleet_uid(clusters: Informer[Object], name: str) -> str:
    """The identity that Cluster `name` was last known by; "" when it never was reached."""
    cluster = clusters.get(ObjectId("atoll.dev", "Cluster", "", name))
    return cluster.read(Identity).status.uid if cluster is not None else ""
