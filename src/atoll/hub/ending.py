"""How an application ends: its objects go from every cluster, or a tombstone remembers those that are away. It always
ends.
"""

import time
from collections.abc import Callable, Iterable

import structlog

from atoll.api.delivery import Removal
from atoll.api.objects import Key
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.fleet import Fleet
from atoll.hub.bustle import Bustle
from atoll.hub.dossier import Dossier
from atoll.hub.tombstones import Tombstones
from atoll.kube.asseen import remove_finalizer
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, NotFound
from atoll.observe.collector import Collector
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Retry, Wait

log = structlog.get_logger(__name__)

LOOK_AGAIN = 5.0
GRACE = 4.0
"""Seconds after the hub's start in which every cluster is tried for the first time."""
PATIENCE = 5.0
"""Seconds for which an application that is gone from its clusters waits, at most, while others are still to go."""


class Ending:
    """Carries out deletions. The clusters' answers come as outcomes; each wakes the application's key."""

    def __init__(
        self,
        *,
        client: Client,
        fleet: Fleet,
        deliverer: Deliverer,
        collector: Collector,
        tombstones: Tombstones,
        clusters: Callable[[], Iterable[str]],
        cluster_uid: Callable[[str], str],
        wake: Callable[[Key], None],
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._deliverer = deliverer
        self._collector = collector
        self._tombstones = tombstones
        self._clusters = clusters
        self._cluster_uid = cluster_uid
        self._began = time.monotonic()
        self._bustle: Bustle[Key] = Bustle(wake, patience=PATIENCE)

    def wrote(self, uid: str) -> None:
        """Something of Application `uid` was written to a member."""
        self._bustle.wrote(uid)

    @property
    def bustling(self) -> bool:
        """Whether many objects are being written to members."""
        return self._bustle.on

    async def step(self, dossier: Dossier) -> Decision:
        """One step towards the end; Wait while clusters that can be reached still hold something."""
        front, live = dossier.front, dossier.live
        if front.finalizer not in live.finalizers or dossier.released == live.resource_version:
            return Done()
        if dossier.status is None:
            front.recall(dossier)
        clusters, placed = set(self._clusters()), dossier.placed
        for cluster in sorted(clusters):
            if cluster in dossier.gone:
                concerned = self._tombstones.owed(cluster, dossier.uid)  # what becomes of it there may be said anew
            else:
                concerned = cluster in placed or not self._spared(dossier, cluster)
            if concerned:
                orphan, manner = front.parting(dossier, cluster, ending=True)
                await self._leave(dossier, Removal(dossier.key, dossier.uid, cluster, orphan, manner=manner))
        if not dossier.gone >= clusters:
            front.touch(dossier.key)
            return Wait(LOOK_AGAIN)
        if self._lingers(dossier):
            return Done()
        return await self._release(dossier)

    def _spared(self, dossier: Dossier, cluster: str) -> bool:
        """Note that nothing is to be done where it never was: of a thousand clusters that may be all but one."""
        app = dossier.app
        if app is None or app.spec.suspend or cluster in dossier.leaving:
            return False
        if not self._deliverer.clear_of(cluster, dossier.uid):
            return False
        dossier.gone.add(cluster)
        return True

    def _lingers(self, dossier: Dossier) -> bool:
        """Members are served first: in a wave of deletions the hub's API server is asked for the last of it later."""
        if dossier.key in self._bustle:
            return True
        if dossier.lingered or not self._bustle.on:
            return False
        dossier.lingered = True
        self._bustle.hold(dossier.key)
        return True

    async def _leave(self, dossier: Dossier, removal: Removal) -> None:
        owed = removal.cluster in dossier.gone
        if owed or self._away(removal.cluster):
            uid = self._cluster_uid(removal.cluster)
            # a cluster that was never reached has nothing of ours
            laid = bool(uid) and await self._tombstones.lay(removal, uid)
            if laid or not owed:
                self._deliverer.remove(removal)
            dossier.gone.add(removal.cluster)
        elif dossier.leaving.get(removal.cluster) != removal:
            dossier.leaving[removal.cluster] = removal
            self._bustle.wrote(dossier.uid)
            dossier.submitted.pop(removal.cluster, None)
            self._collector.forget(removal.cluster, dossier.uid)
            self._deliverer.remove(removal)

    def _away(self, cluster: str) -> bool:
        """Whether it can't be reached. A hub that has just started hasn't tried yet."""
        if self._fleet.link(cluster) is None and time.monotonic() - self._began < GRACE:
            return False
        return self._fleet.link(cluster) is None or self._fleet.reach(cluster).reachable is False

    @failpoints.around("hub.release")
    async def _release(self, dossier: Dossier) -> Decision:
        dossier.released, front = dossier.live.resource_version, dossier.front
        try:
            dossier.saw(await remove_finalizer(self._client, front.resource, dossier.live, front.finalizer))
        except NotFound:
            return Done()
        except BaseException as error:
            dossier.released = ""
            if isinstance(error, Conflict):
                return Retry(error)
            raise
        log.info("removed", application=str(dossier.key), clusters=len(dossier.gone))
        return Done()
