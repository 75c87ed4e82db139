"""KubeFedClusters: each has a Cluster of its name, made and told here, and let go when it is deleted."""

import base64
import binascii
import time
from collections.abc import Callable

import msgspec
import structlog

from atoll.api.cluster import Cluster, ClusterStatus
from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.api.kubefed.names import SECRET_TOKEN
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json, ObjectId
from atoll.fleet.fleet import Fleet
from atoll.fleet.leave import ANNOTATION_LEAVE
from atoll.hub.events import Recorder
from atoll.hub.kubefed.federation import Federation, is_ready
from atoll.hub.kubefed.members import LABEL, TAKEN, connection, mirror, secret, secret_name, told
from atoll.hub.kubefed.settings import Settings
from atoll.kube.asseen import replace_status
from atoll.kube.client import Client
from atoll.kube.errors import ConfigError, Conflict, Invalid, NotFound
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS, SECRETS
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.informer import Change, Informer
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

MANAGER = "atoll-kubefed"
PATIENCE = 5.0
"""Seconds after which a member that can't be reached is let go as one that is gone."""
LOOK_AGAIN = 1.0


class Clusters:
    """Reconciles KubeFedClusters by name. `changed()` when there is another, or other labels or another state."""

    def __init__(
        self,
        *,
        client: Client,
        fleet: Fleet,
        federation: Federation,
        recorder: Recorder,
        members: Informer[Object],
        tokens: Informer[Object],
        clusters: Informer[Object],
        secrets: Informer[Object],
        changed: Callable[[], None],
        readiness: Callable[[], None],
    ) -> None:
        self.queue: FairQueue[str] = FairQueue("kubefed cluster", meter=metrics)
        self._client = client
        self._fleet = fleet
        self._federation = federation
        self._recorder = recorder
        self._members = members
        self._tokens = tokens
        self._clusters = clusters
        self._secrets = secrets
        self._changed = changed
        self._readiness = readiness
        self._away: dict[str, float] = {}
        """Of those that leave and can't be reached: since when, on the monotonic clock."""

    def start(self) -> None:
        self._members.subscribe(self._member_changed)
        self._clusters.subscribe(self._cluster_changed)
        self._tokens.subscribe(self._token_changed)

    async def reconcile(self, name: str) -> Decision:
        live, cluster = self._member(name), self._cluster(name)
        ours = cluster is not None and cluster.labels.get(LABEL) == self._settings.namespace
        try:
            if live is None or live.deleting:
                return await self._leave(name, cluster if ours else None)
            if cluster is not None and not ours:
                return await self._taken(live)
            if cluster is not None and cluster.deleting:
                return Wait(LOOK_AGAIN)  # it left under this name, and comes back when that has ended
            return await self._join(live, cluster)
        except (Conflict, NotFound) as error:
            return Retry(error)

    @property
    def _settings(self) -> Settings:
        return self._federation.settings

    async def _join(self, live: Object, cluster: Object | None) -> Decision:
        try:
            member = live.read(KubeFedCluster)
            config = connection(member, self._token(member))
        except (ConfigError, msgspec.ValidationError) as error:
            self._recorder.tell(live, "Warning", "MalformedClusterConfig", str(error))
            return await self._tell(live, cluster, str(error))
        wanted = secret(member, config, self._settings)
        known = self._secret(live.name)
        if known is not None and known.labels.get(LABEL) != self._settings.namespace:
            words = f"there is a Secret {SYSTEM_NAMESPACE}/{known.name} already, which was not made for it"
            self._recorder.tell(live, "Warning", TAKEN, words)
            return await self._tell(live, cluster, words)
        try:
            if known is None or not _says(known, wanted):
                await self._client.apply(
                    SECRETS,
                    wanted,
                    name=secret_name(live.name),
                    namespace=SYSTEM_NAMESPACE,
                    manager=MANAGER,
                    force=True,
                )
            if cluster is None or not self._mirrored(member, cluster):
                await self._client.apply(
                    CLUSTERS, mirror(member, self._settings), name=live.name, manager=MANAGER, force=True
                )
        except Invalid as error:  # its name, say: Clusters have no dots in theirs
            words = f"it can't be a Cluster: {error}"
            self._recorder.tell(live, "Warning", "MalformedClusterConfig", words)
            return await self._tell(live, cluster, words)
        return await self._tell(live, cluster)

    def _mirrored(self, member: KubeFedCluster, cluster: Object) -> bool:
        return (
            cluster.labels == {**member.metadata.labels, LABEL: self._settings.namespace}
            and f'"{secret_name(cluster.name)}"'.encode() in cluster.raw
        )

    async def _tell(self, live: Object, cluster: Object | None, malformed: str = "") -> Decision:
        """What is known of it, as KubeFed tells it."""
        try:
            before = live.read(KubeFedCluster).status
        except msgspec.ValidationError:
            before = None
        known = cluster.read(Cluster).status if cluster is not None else ClusterStatus()
        reach = self._fleet.reach(live.name if cluster is not None else "")
        status, wait = told(before, reach, known, self._settings, time.time(), malformed)
        if status is not None and status is not before:
            await replace_status(self._client, KUBEFEDCLUSTERS, live, msgspec.to_builtins(status))
        return Wait(wait) if wait else Done()

    async def _taken(self, live: Object) -> Decision:
        words = f"there is a Cluster {live.name} already, which was not made for it: rename one of both"
        self._recorder.tell(live, "Warning", TAKEN, words)
        return await self._tell(live, None, words)

    async def _leave(self, name: str, cluster: Object | None) -> Decision:
        """What was propagated stays there. One that can't be reached, and may be gone, holds nobody up."""
        if cluster is None:
            self._away.pop(name, None)
            kept = self._secret(name)
            if kept is not None and kept.labels.get(LABEL) == self._settings.namespace:
                await self._client.delete(SECRETS, secret_name(name), SYSTEM_NAMESPACE)
            return Done()
        if not cluster.deleting:
            await self._client.delete(CLUSTERS, name, uid=cluster.uid)
            return Wait(LOOK_AGAIN)
        if self._fleet.reach(name).reachable is not False:  # not tried yet: no reason to give it up
            self._away.pop(name, None)
        elif time.monotonic() - self._away.setdefault(name, time.monotonic()) >= PATIENCE:
            note = {"annotations": {ANNOTATION_LEAVE: "force"}, "resourceVersion": cluster.resource_version}
            if cluster.annotations.get(ANNOTATION_LEAVE) != "force":
                log.warning("left without being cleaned", cluster=name, why=self._fleet.reach(name).message)
                await self._client.patch(CLUSTERS, name, "", {"metadata": note})
        return Wait(LOOK_AGAIN)

    # What is known

    def _member(self, name: str) -> Object | None:
        group, kind = KUBEFEDCLUSTERS.group_kind
        return self._members.get(ObjectId(group, kind, self._settings.namespace, name))

    def _cluster(self, name: str) -> Object | None:
        return self._clusters.get(ObjectId(*CLUSTERS.group_kind, "", name))

    def _secret(self, name: str) -> Object | None:
        return self._secrets.get(ObjectId("", "Secret", SYSTEM_NAMESPACE, secret_name(name)))

    def _token(self, member: KubeFedCluster) -> str:
        """Raises ConfigError."""
        name = member.spec.secret_ref.name
        found = self._tokens.get(ObjectId("", "Secret", self._settings.namespace, name))
        if found is None:
            raise ConfigError(f"Secret {self._settings.namespace}/{name} does not exist")
        text = str((found.body().get("data") or {}).get(SECRET_TOKEN) or "")
        try:
            return base64.b64decode(text, validate=True).decode("ascii").strip()
        except (binascii.Error, ValueError) as error:
            raise ConfigError(f"Secret {self._settings.namespace}/{name}: its token cannot be read") from error

    # What wakes whom

    def _member_changed(self, change: Change[Object]) -> None:
        old, new = change.old, change.new
        self.queue.add(change.id.name)
        if old is None or new is None or (old.labels, old.deleting, old.uid) != (new.labels, new.deleting, new.uid):
            self._federation.clusters_changed()
            self._changed()
        elif is_ready(old) != is_ready(new):
            self._readiness()

    def _cluster_changed(self, change: Change[Object]) -> None:
        self.queue.add(change.id.name)

    def _token_changed(self, change: Change[Object]) -> None:
        for live in self._members.values():
            if f'"{change.id.name}"'.encode() in live.raw:
                self.queue.add(live.name)


def _says(live: Object, wanted: Json) -> bool:
    """Whether the Secret leads where it is to lead, with the same rights."""
    notes: Json = wanted["metadata"]["annotations"]
    return bool(live.body().get("data") == wanted["data"] and live.annotations.items() >= notes.items())
