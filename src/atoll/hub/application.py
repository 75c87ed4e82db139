"""One application of any front, from what the user wrote to deliveries in every cluster's queue. Level-triggered."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from atoll.api.delivery import Delivery, Removal
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Key, ObjectId
from atoll.api.validate import Issue
from atoll.deliver.deliverer import Deliverer
from atoll.fleet.fleet import Fleet
from atoll.fleet.identity import HubIdentity
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.ending import Ending
from atoll.hub.front import Fronts, Reading
from atoll.hub.rollouts import Rollouts
from atoll.hub.snapshots import Snapshots
from atoll.hub.surroundings import Surroundings
from atoll.kube.asseen import add_finalizer
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, KubeError, NotFound
from atoll.observe.collector import Collector
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Retry, Wait

EMPTIES = "it would remove the application from every cluster it is on; say `allowEmpty: true` if that is meant"


class ApplicationController:
    """Plans and submits, for every front. Status is the front's: it is touched when there is something to tell.

    `wake(key)` asks for another look at a neighbour, to which it may matter where this one went.
    """

    def __init__(
        self,
        *,
        client: Client,
        identity: HubIdentity,
        fronts: Fronts,
        dossiers: Dossiers,
        snapshots: Snapshots,
        fleet: Fleet,
        deliverer: Deliverer,
        collector: Collector,
        ending: Ending,
        surroundings: Surroundings,
        rollouts: Rollouts,
        wake: Callable[[Key], None],
    ) -> None:
        self._client = client
        self._identity = identity
        self._fronts = fronts
        self._dossiers = dossiers
        self._snapshots = snapshots
        self._fleet = fleet
        self._deliverer = deliverer
        self._collector = collector
        self._ending = ending
        self._surroundings = surroundings
        self._rollouts = rollouts
        self._wake = wake

    async def reconcile(self, key: Key) -> Decision:
        front = self._fronts.of(key)
        if front is None or (live := front.live(key)) is None:
            return self._forget(key)
        known = self._dossiers.get(key)
        if known is not None and (known.uid, known.front) != (live.uid, front):
            self._forget(key)  # deleted and made again before anybody looked: what it left behind is nobody's
        dossier = self._dossiers.open(key, live, front)
        if dossier.live.deleting:
            return await self._ending.step(dossier)
        try:
            return await self._carry_out(key, dossier)
        except KubeError:  # it passes
            raise
        except Exception as error:  # a mistake of ours: whoever is waiting for it is told
            words = f"a mistake in Atoll itself keeps it from this: {type(error).__name__}: {error}"
            dossier.issues, dossier.generation = (Issue("spec", words, "error"),), dossier.live.generation
            front.touch(key)
            raise

    async def _carry_out(self, key: Key, dossier: Dossier) -> Decision:
        front = dossier.front
        generation = dossier.live.generation
        reading = await read(dossier)  # 1 what the user wants
        dossier.status, dossier.app, dossier.issues = reading.status, reading.app, reading.issues
        dossier.generation = generation
        if dossier.plan is None:
            self._surroundings.recall(dossier)
        if reading.intent is None:  # what was delivered before stays as it is
            front.touch(key)
            return Done()
        intent = self._revise(dossier, reading.intent)  # 2 which revision that is
        progress = await self._rollouts.progress(dossier, intent)
        fleet = self._surroundings.snapshot(dossier, intent)  # after it: nothing in it may be of a later moment
        if progress is not None:
            fleet = msgspec.structs.replace(fleet, rollouts={key: progress})
        planned = plan(intent, fleet)  # 3 who gets what, now
        if planned.turns_back and planned.rollout is not None:
            await self._rollouts.turn_back(dossier, planned.rollout, front.newest(dossier.live))
            return await self.reconcile(key)
        planned = as_submitted(dossier.submitted, planned)
        dossier.plan, dossier.held = planned, self._held(dossier, intent, planned)
        if not dossier.held:
            for neighbour in self._surroundings.carried_out(dossier, intent, planned):
                self._wake(neighbour)
            try:
                await self._own(dossier, planned)  # 4 nothing is written to a member before this
            except (Conflict, NotFound) as error:  # somebody wrote meanwhile: the watch brings it
                return Retry(error)
            await self._rollouts.keep(dossier, planned)
            self._submit(dossier, intent, planned)  # 5 each cluster's own queue takes its part
        self._rollouts.decided(dossier, intent, planned)
        if not dossier.rolling:
            dossier.reading = None
        front.touch(key)  # 6 status, written once
        again = [seconds for seconds in (self._surroundings.check_again(dossier, planned), planned.again) if seconds]
        return Wait(min(again)) if again else Done()

    def _forget(self, key: Key) -> Decision:
        dossier = self._dossiers.close(key)
        self._surroundings.forget(key)
        if dossier is not None:
            for cluster in self._fleet.names():
                self._deliverer.close(cluster, dossier.uid)
                self._collector.forget(cluster, dossier.uid)
            self._rollouts.forget(dossier.uid)
            dossier.front.forget(dossier)
            for neighbour in self._surroundings.near(dossier):
                self._wake(neighbour)
        return Done()

    def _revise(self, dossier: Dossier, intent: Intent) -> Intent:
        """Give `intent` its sequence: the known one while its content is the same, a greater one when it changed.

        Greater than any that a process of this hub ever gave it, whether or not that one lived to write it down: how
        far the hub's API server has come, which every process reads when it starts.
        """
        revisions, written = dossier.revisions, dossier.status
        if not revisions.sequence and written is not None:
            revisions.restore(written, current=written.observed_generation == dossier.live.generation)
        newest = dossier.front.newest(dossier.live)
        revisions.revise(intent, newest, history=dossier.front.keeps_history)
        if self._rollouts.retries(dossier):
            revisions.again(newest)
        revision = Revision(self._identity.epoch, dossier.uid, dossier.sequence)
        return msgspec.structs.replace(intent, revision=revision)

    async def _own(self, dossier: Dossier, planned: Plan) -> None:
        """The finalizer: from here on the application doesn't go before its objects do."""
        if dossier.front.finalizer not in dossier.live.finalizers and (planned.deliveries or dossier.placed):
            await self._hold_on(dossier)

    @failpoints.around("hub.finalizer")
    async def _hold_on(self, dossier: Dossier) -> None:
        front = dossier.front
        dossier.saw(await add_finalizer(self._client, front.resource, dossier.live, front.finalizer))

    def _submit(self, dossier: Dossier, intent: Intent, planned: Plan) -> None:
        ids: dict[int, frozenset[ObjectId]] = {}  # clusters with the same objects share the set of their names
        known = self._snapshots.names()
        for cluster, delivery in planned.deliveries.items():
            if cluster not in known:  # it began to leave since: what is to go from there, its departure said
                continue
            dossier.leaving.pop(cluster, None)
            dossier.gone.discard(cluster)
            if dossier.submitted.get(cluster) is not delivery:
                dossier.submitted[cluster] = delivery
                names = ids.setdefault(id(delivery.objects), frozenset(m.id for m in delivery.objects))
                if delivery.protected:
                    names -= delivery.protected
                statuses = delivery.manner.tell_status
                self._collector.expect(
                    cluster, dossier.key, dossier.uid, names, delivery.health, delivery.carry, statuses=statuses
                )
                self._deliverer.submit(delivery)
        if intent.suspend:  # nothing is written to any member: who leaves, does so when it goes on
            for cluster in sorted({*dossier.leaving, *(dossier.submitted.keys() - staying(planned))}):
                dossier.drop(cluster)
                dossier.outcomes.pop(cluster, None)
                self._collector.forget(cluster, dossier.uid)
                self._deliverer.forget(cluster, dossier.uid)
            return
        for cluster in self._leavers(dossier, planned):
            if cluster in known:
                orphan, manner = dossier.front.parting(dossier, cluster, ending=False)
                removal = Removal(dossier.key, dossier.uid, cluster, orphan, intent.revision, manner)
                self._withdraw(dossier, removal)
            else:  # it left the fleet, or is leaving: how is `Departure`'s to say
                dossier.drop(cluster)

    def _leavers(self, dossier: Dossier, planned: Plan) -> Iterable[str]:
        """Where it was, or still is by the members' own labels, and is planned no longer."""
        was = (dossier.placed - dossier.gone) | self._holding(dossier.uid) | dossier.leaving.keys()
        return sorted(was - staying(planned))

    def _held(self, dossier: Dossier, intent: Intent, planned: Plan) -> str:
        """Why `planned` must not be carried out; "" when it may.

        What the members hold counts: a hub that was killed may not have written down yet where the application is. A
        cluster that left the fleet doesn't: from there nothing is removed any more.
        """
        if staying(planned) or intent.allow_empty:
            return ""
        return EMPTIES if dossier.placed & self._snapshots.names() or self._holding(dossier.uid) else ""

    def _holding(self, uid: str) -> frozenset[str]:
        """The clusters on which something is labelled as this application's."""
        return frozenset(name for name in self._fleet.names() if uid in self._fleet.holdings(name))

    def _withdraw(self, dossier: Dossier, removal: Removal) -> None:
        """Remove the application from a cluster; the deliverer remembers it while the cluster is away."""
        self._collector.forget(removal.cluster, dossier.uid)
        if dossier.leaving.get(removal.cluster) != removal:
            dossier.drop(removal.cluster)
            dossier.gone.discard(removal.cluster)  # it was, and something of it came back
            dossier.leaving[removal.cluster] = removal
            self._deliverer.remove(removal)


async def read(dossier: Dossier) -> Reading:
    """What the application says; read anew where that may be something else than before."""
    ground = dossier.front.ground(dossier.live)
    if dossier.reading is not None and dossier.reading[0] == ground:
        return dossier.reading[1]
    reading = await dossier.front.read(dossier.live)
    dossier.reading = (ground, reading) if reading.lasting else None
    return reading


def as_submitted(submitted: Mapping[str, Delivery], planned: Plan) -> Plan:
    """`planned`, with the very deliveries that were submitted before where they say the same: nothing is kept twice."""
    deliveries = {
        name: before if (before := submitted.get(name)) == delivery else delivery
        for name, delivery in planned.deliveries.items()
    }
    return msgspec.structs.replace(planned, deliveries=deliveries)


def staying(planned: Plan) -> frozenset[str]:
    """Where the application is meant to be, whether or not it gets something now."""
    return frozenset((*planned.deliveries, *planned.refusals, *planned.kept, *planned.unreached))
