"""One Cluster: reached by its Secret's credentials, counted, told about, and let go when it is deleted."""

import time
from collections.abc import Callable

import msgspec
import structlog

from atoll.api.cluster import Cluster, ClusterStatus
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import GroupKind, ObjectId
from atoll.deliver.deliverer import Deliverer
from atoll.fleet import credentials
from atoll.fleet.capacity import Capacity
from atoll.fleet.connect import read_secret, secret_name
from atoll.fleet.credentials import Credential
from atoll.fleet.fleet import Fleet
from atoll.fleet.leave import CLUSTER_FINALIZER
from atoll.fleet.link import CREDENTIALS_UNUSABLE, Target
from atoll.fleet.resume import ANNOTATION_RESUME
from atoll.hub.agents.tunnels import Tunnels, away
from atoll.hub.cluster_status import build_cluster_status
from atoll.hub.departure import Departure
from atoll.hub.profiles import Profiles
from atoll.hub.pulled.agents import Agents
from atoll.hub.snapshots import News, Snapshots, cluster_facts
from atoll.hub.tombstones import Tombstones
from atoll.kube.asseen import add_finalizer, replace_status
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import ConfigError, Conflict, KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS
from atoll.link.session import Lost
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.informer import Informer
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

LOAD_EVERY = 30.0
"""Seconds between status writes that only follow the load (requested resources)."""
ROTATION_RETRY = 60.0
SECRET_GRACE = 5.0


class ClusterController:
    """Reconciles Clusters. `replan(cluster, news)` is called with what is new of a cluster, for planning, `gone(name)`
    when a Cluster is no more.
    """

    def __init__(
        self,
        *,
        client: Client,
        clusters: Informer[Object],
        secrets: Informer[Object],
        fleet: Fleet,
        snapshots: Snapshots,
        deliverer: Deliverer,
        tombstones: Tombstones,
        departure: Departure,
        profiles: Profiles,
        tunnels: Tunnels,
        hub_id: str,
        capacities: dict[str, Capacity],
        kinds: dict[str, frozenset[GroupKind]],
        replan: Callable[[str, News], None],
        gone: Callable[[str], None],
        agents: Agents,
        settle_debts: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._clusters = clusters
        self._secrets = secrets
        self._fleet = fleet
        self._snapshots = snapshots
        self._deliverer = deliverer
        self._agents = agents
        self._settle_debts = settle_debts
        self._tombstones = tombstones
        self._departure = departure
        self._profiles = profiles
        self._tunnels = tunnels
        self._hub_id = hub_id
        self._replan = replan
        self._forget = gone
        self._capacities = capacities
        self._kinds = kinds
        self._opened: dict[str, tuple[str, tuple[Config, str, Credential]]] = {}
        """By cluster: its Secret's version, and what that one says."""
        self._load_written: dict[str, float] = {}
        self._bereft: dict[str, float] = {}

    async def reconcile(self, name: str) -> Decision:
        live = self._clusters.get(cluster_id(name))
        if live is None:
            return await self._gone(name)
        try:
            if live.deleting:
                self._planned_no_longer(name)
                if CLUSTER_FINALIZER in live.finalizers and self._fleet.member(name) is None:
                    self._reach(live.read(Cluster))  # a hub that has just started hasn't yet
                return await self._departure.step(live)
            if CLUSTER_FINALIZER not in live.finalizers:
                live = await self._own(live)
            return await self._work(live)
        except (Conflict, NotFound) as error:
            return Retry(error)

    async def _work(self, live: Object) -> Decision:
        cluster = live.read(Cluster)
        metrics.expect_cluster(cluster.metadata.name)
        if grace := self._grace(cluster):
            return Wait(grace)
        credential = self._reach(cluster)  # 1 how it is reached
        await self._clear_debts(cluster.metadata.name)  # 2 what it still owes from before
        status = self._status(cluster, credential)
        facts = cluster_facts(
            cluster,
            self._fleet.reach(cluster.metadata.name),
            self._capacity(cluster),
            status,
            self._kinds.get(cluster.metadata.name),
        )
        self._replan(facts.name, self._snapshots.set(facts))  # 3 what planning may know
        wait = await self._renew(cluster, credential)  # 4 credentials at half their life
        if cluster.spec.connection.tunnel is not None and (patience := self._tunnels.patience(facts.name)):
            wait = min(wait, patience)
        wait = min(wait, await self._tell(live, cluster, status))  # 5 status, on transitions
        await self._profiles.publish(facts, self._fleet.reach(facts.name))  # 6 SIG Multicluster's form of it
        return Wait(wait) if wait < float("inf") else Done()

    def _reach(self, cluster: Cluster) -> Credential | None:
        """Hand the connection to the fleet; with credentials that can't be used it isn't tried."""
        name = cluster.metadata.name
        if cluster.spec.connection.pull is not None:
            word = cluster.metadata.annotations.get(ANNOTATION_RESUME, "")
            self._fleet.host(name, self._agents.connection(name, cluster.status.uid, word))
            return None
        if cluster.spec.connection.tunnel is not None:
            self._reach_by_agent(cluster)
            return None
        try:
            secret = self._secret(cluster)
            if secret is None:
                raise ConfigError(f"Secret {SYSTEM_NAMESPACE}/{secret_name(cluster)} does not exist")
            config, fingerprint, credential = self._open(name, secret)
            namespaces = credential.namespaces
        except ConfigError as error:
            self._fleet.refuse(name, CREDENTIALS_UNUSABLE, str(error))
            return None
        if credential.managed:
            fingerprint = credentials.fingerprint(config)
        self._fleet.join(Target(name, config, fingerprint, cluster.status.uid or credential.cluster_uid, namespaces))
        return credential

    def _reach_by_agent(self, cluster: Cluster) -> None:
        """A lost agent that soon returns changes nothing: heartbeats say when it was too long. One that this process,
        which may have just started, hasn't waited for isn't away.
        """
        name = cluster.metadata.name
        if self._tunnels.connected(name):
            try:
                self._fleet.join(self._tunnels.target(name, cluster.status.uid))
            except ConfigError as error:
                self._fleet.refuse(name, CREDENTIALS_UNUSABLE, str(error))
        elif self._fleet.member(name) is None and not self._tunnels.patience(name):
            told = away(name)
            self._fleet.refuse(name, told.reason, told.message)

    def _open(self, name: str, secret: Object) -> tuple[Config, str, Credential]:
        """What cluster `name`'s Secret says, read once for each version: a kubeconfig takes milliseconds.

        Raises ConfigError.
        """
        version = f"{secret.uid} {secret.resource_version}"
        before, known = self._opened.get(name, ("", None))
        if known is None or before != version:
            config, fingerprint = read_secret(secret)
            known = config, fingerprint, credentials.read(secret, config)
            self._opened[name] = version, known
        return known

    def _secret(self, cluster: Cluster) -> Object | None:
        return self._secrets.get(ObjectId("", "Secret", SYSTEM_NAMESPACE, secret_name(cluster)))

    def _grace(self, cluster: Cluster) -> float:
        """Seconds for which a cluster that has just lost its Secret stays connected: 0 for any other.

        Who deletes both wants it to leave, and to be cleaned up first.
        """
        name, now = cluster.metadata.name, time.monotonic()
        if self._fleet.member(name) is None or cluster.spec.connection.direct is None or self._secret(cluster):
            self._bereft.pop(name, None)
            return 0.0
        return max(0.0, self._bereft.setdefault(name, now) + SECRET_GRACE - now)

    async def _clear_debts(self, name: str) -> None:
        await self._tombstones.clear(name)
        if (reach := self._fleet.reach(name)).reachable:
            self._settle_debts(name, reach.uid)

    def _capacity(self, cluster: Cluster) -> Capacity | None:
        return self._capacities.get(cluster.metadata.name)

    async def _renew(self, cluster: Cluster, credential: Credential | None) -> float:
        """Rotate a managed credential that is past half its life. Returns seconds until it is to be looked at again."""
        name = cluster.metadata.name
        due = credential.rotate_at if credential else None
        if due is None:
            return float("inf")
        member, now = self._fleet.member(name), time.time()
        if now < due:
            return due - now
        secret = self._secret(cluster)
        if member is None or secret is None:
            return ROTATION_RETRY
        try:
            _, renewed = await credentials.rotate(
                self._client, member.client, self._hub_id, secret, read_secret(secret)[0]
            )
        except KubeError as error:
            log.warning("credential not renewed", cluster=name, error=str(error))
            return ROTATION_RETRY
        log.info("credential renewed", cluster=name)
        return max((renewed.rotate_at or now) - now, ROTATION_RETRY)

    def _status(self, cluster: Cluster, credential: Credential | None) -> ClusterStatus:
        name = cluster.metadata.name
        return build_cluster_status(
            cluster,
            self._fleet.reach(name),
            self._capacities.get(name),
            credential,
            sum(self._deliverer.unclaimed(name).values()),
            time.time(),
            self._agents.get(name),
        )

    async def _tell(self, live: Object, cluster: Cluster, status: ClusterStatus) -> float:
        """Write the status if it changed. Returns seconds until a change of mere load may be written."""
        name = cluster.metadata.name
        if status == cluster.status:
            return float("inf")
        if without_load(status) == without_load(cluster.status):
            age = time.monotonic() - self._load_written.get(name, -LOAD_EVERY)
            if age < LOAD_EVERY:
                return LOAD_EVERY - age
        self._load_written[name] = time.monotonic()
        await replace_status(self._client, CLUSTERS, live, msgspec.to_builtins(status))
        return float("inf")

    async def _own(self, live: Object) -> Object:
        return await add_finalizer(self._client, CLUSTERS, live, CLUSTER_FINALIZER)

    def _planned_no_longer(self, name: str) -> None:
        if self._snapshots.drop(name):
            self._replan(name, "other")

    async def _gone(self, name: str) -> Decision:
        self._planned_no_longer(name)
        self._fleet.leave(name)
        self._tunnels.forget(name, Lost("Left", f"Cluster {name} has left this hub"))
        self._forget(name)
        self._capacities.pop(name, None)
        self._kinds.pop(name, None)
        self._opened.pop(name, None)
        metrics.cluster_left(name)
        await self._tombstones.gone(name)
        return Done()


def without_load(status: ClusterStatus) -> ClusterStatus:
    return msgspec.structs.replace(status, requested=None)


def cluster_id(name: str) -> ObjectId:
    return ObjectId("atoll.dev", "Cluster", "", name)
