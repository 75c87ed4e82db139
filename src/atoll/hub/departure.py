"""How a cluster departs: its applications are withdrawn, what the hub placed for itself goes, then the Cluster does."""

import time

from atoll.api.cluster import Cluster
from atoll.api.delivery import Delivery, Removal
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.fleet import Connection, Fleet
from atoll.fleet.leave import CLUSTER_FINALIZER, clean_hub, manner
from atoll.fleet.link import CREDENTIALS_UNUSABLE
from atoll.hub.dossier import Dossiers
from atoll.hub.events import Recorder
from atoll.hub.profiles import Profiles
from atoll.hub.tombstones import Tombstones
from atoll.kube.asseen import remove_finalizer
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS
from atoll.observe.collector import Collector
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Wait

LOOK_AGAIN = 0.5
AWAY = 5.0
ANNOTATION_CLEANING = "atoll.dev/cleaning"
"""On a Cluster: its Applications are gone, and the hub has begun to remove its own account from the member, or did."""
BEGUN, DONE = "true", "done"


class Departure:
    """Carries out `atoll cluster leave`."""

    def __init__(
        self,
        *,
        client: Client,
        fleet: Fleet,
        deliverer: Deliverer,
        dossiers: Dossiers,
        tombstones: Tombstones,
        profiles: Profiles,
        recorder: Recorder,
        collector: Collector,
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._deliverer = deliverer
        self._dossiers = dossiers
        self._tombstones = tombstones
        self._profiles = profiles
        self._recorder = recorder
        self._collector = collector
        self._asked: dict[str, set[str]] = {}
        self._gone: dict[tuple[str, str], float] = {}
        """By cluster and application UID: when nothing was left, on the monotonic clock."""

    async def step(self, live: Object) -> Decision:
        """One step; Wait while the member still holds something, or can't be reached and isn't forced."""
        if CLUSTER_FINALIZER not in live.finalizers:
            return Done()
        how = manner(live)
        never_reached = not live.read(Cluster).status.uid
        if how != "force" and not never_reached:
            link, here = self._fleet.link(live.name), self._fleet.reach(live.name).reachable
            if live.annotations.get(ANNOTATION_CLEANING) == DONE or (not here and self._cleaned(live)):
                return await self._release(live)
            if not here or link is None:
                self._recorder.tell(
                    live,
                    "Warning",
                    "LeaveWaits",
                    f"cannot be reached: {self._fleet.reach(live.name).message}; "
                    f"`atoll cluster leave {live.name} --force` gives up what is there",
                )
                return Wait(AWAY)
            if not self._deliverer.knows(live.name):  # what nobody has seen yet would stay behind, with our marks
                return Wait(LOOK_AGAIN)
            if self._withdraw(live.name, orphan=how == "orphan"):
                return Wait(LOOK_AGAIN)
            live = await self._note(live, BEGUN)
            try:
                await self._clean(link)
            except KubeError as error:
                self._recorder.tell(live, "Warning", "LeaveWaits", str(error))
                return Wait(AWAY)
            self._fleet.leave(live.name)  # before anybody writes there again
            live = await self._note(live, DONE)
        return await self._release(live)

    def _cleaned(self, live: Object) -> bool:
        """Whether the member was cleaned before: our account there is gone, or the credentials for it are."""
        lost = self._fleet.reach(live.name).reason in {"Unauthorized", "Forbidden", CREDENTIALS_UNUSABLE}
        return lost and ANNOTATION_CLEANING in live.annotations

    @failpoints.around("hub.clean")
    async def _clean(self, link: Connection) -> None:
        await link.clean()

    async def _note(self, live: Object, how_far: str) -> Object:
        """For whoever goes on with this: what the member was reached by may be gone."""
        if live.annotations.get(ANNOTATION_CLEANING) == how_far:
            return live
        note = {"annotations": {ANNOTATION_CLEANING: how_far}, "resourceVersion": live.resource_version}
        return await self._client.patch(CLUSTERS, live.name, "", {"metadata": note}, type="merge")

    def _withdraw(self, cluster: str, *, orphan: bool) -> bool:
        """Withdraw every application from the member; whether any is still there."""
        now, watch_is_behind = time.monotonic(), False
        there, targets = frozenset(self._fleet.holdings(cluster)), self._deliverer.targets(cluster)
        asked = self._asked.setdefault(cluster, set())
        asked.intersection_update([dossier.uid for dossier in self._dossiers])
        uid = self._fleet.reach(cluster).uid
        debts = self._tombstones.removals(cluster, uid)  # of those that ended while it was away, since then too
        for removal in debts:
            self._deliverer.remove(removal)
        for dossier in self._dossiers:
            placed = cluster in dossier.placed and cluster not in dossier.gone  # a status may tell of the past
            placed |= isinstance(targets.get(dossier.uid), Delivery)  # planned elsewhere since, and on its way still
            if dossier.uid in asked or not (dossier.uid in there or placed):
                continue
            if now - self._gone.get((cluster, dossier.uid), -LOOK_AGAIN) < LOOK_AGAIN:
                watch_is_behind = True
                continue
            asked.add(dossier.uid)
            dossier.drop(cluster)
            self._collector.forget(cluster, dossier.uid)
            stays = orphan or dossier.front.stays(dossier, cluster)
            manner = dossier.front.parting(dossier, cluster, ending=False).manner
            self._deliverer.remove(Removal(dossier.key, dossier.uid, cluster, stays, manner=manner))
        return bool(asked or debts) or watch_is_behind

    def gone(self, cluster: str, uid: str) -> None:
        """Nothing of application `uid` is left on `cluster`."""
        asked = self._asked.get(cluster)
        if asked is not None and uid in asked:
            asked.discard(uid)
            self._gone[cluster, uid] = time.monotonic()

    async def _release(self, live: Object) -> Decision:
        self._fleet.leave(live.name)
        self._asked.pop(live.name, None)
        self._gone = {key: when for key, when in self._gone.items() if key[0] != live.name}
        await self._profiles.drop(live.name)
        await self._tombstones.drop(live.name)
        await clean_hub(self._client, live.name)
        await self._let_go(live)
        return Done()

    @failpoints.around("hub.leave")
    async def _let_go(self, live: Object) -> None:
        await remove_finalizer(self._client, CLUSTERS, live, CLUSTER_FINALIZER)
