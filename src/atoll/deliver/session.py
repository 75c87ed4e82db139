"""Delivery to one member, for as long as it can be reached."""

import asyncio
import time
from collections.abc import Callable, Mapping
from logging import DEBUG, INFO

import structlog

from atoll.api.delivery import Delivery, ObjectOutcome, Outcome, Removal
from atoll.api.intent import Revision
from atoll.api.objects import GroupKind, Key, ObjectId
from atoll.api.status import ClusterState
from atoll.deliver.applyset import ApplySet
from atoll.deliver.carrying import Carrying
from atoll.deliver.compiled import Compiler
from atoll.deliver.departures import Departures
from atoll.deliver.gate import Gate
from atoll.deliver.heirs import Estate, Heirs
from atoll.deliver.kinds import Kinds, established
from atoll.deliver.ledger import PATIENCE, Ledger, version_of, went_back
from atoll.deliver.marks import newer_text, revision_of
from atoll.deliver.namespaces import Namespaces
from atoll.deliver.order import CRD, NAMESPACE
from atoll.deliver.prune import Pruning
from atoll.deliver.refusals import refusal
from atoll.deliver.replacing import Replacer
from atoll.deliver.together import together
from atoll.deliver.unrecorded import Unrecorded
from atoll.deliver.writer import Writer
from atoll.fleet.member import Member
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object
from atoll.runtime.controller import Controller
from atoll.runtime.decisions import Decision, Done, Wait
from atoll.runtime.informer import Change
from atoll.runtime.queue import FairQueue
from atoll.runtime.ratelimit import Backoff

log = structlog.get_logger(__name__)

Targets = Mapping[str, Delivery | Removal]
"""By application UID: what is wanted on one member, latest word only."""
WORKERS = 8
ACCOUNT_AGAIN = 0.5, 60.0
"""First and longest pause, in seconds, before kinds that could not be listed are listed again."""
REST_AGAIN = 30.0
"""Seconds after which a ledger that was stirred by what is no reason to work is put to rest again."""
SLOW = 0.25
"""Seconds after which it is told that something is being applied. Statuses tell so a little later."""
EXPECTED = frozenset({"Applying", "Applied"})
LOOK_AGAIN = 2.0
"""Seconds after which a removal, or a prune that could not be finished, is looked at again without an event."""
APPLICATION = GroupKind("atoll.dev", "Application")


class Session:
    """One engagement of one member. Its memory goes with it: the next one lists and compares."""

    def __init__(
        self,
        member: Member,
        targets: Targets,
        compiler: Compiler,
        report: Callable[[Outcome], None],
        claimed: Callable[[str], bool],
        count: Callable[[str, str, str, float], None],
        leads: Callable[[], bool],
        estate: Estate,
    ) -> None:
        self.member = member
        self._targets = targets
        self._report = report
        self._ledgers: dict[str, Ledger] = {}
        self._queue: FairQueue[str] = FairQueue(f"deliver {member.name}")
        self._open = False
        self._ailing: set[str] = set()
        """Those that are worked on, or have objects in trouble."""
        self._unknown: set[GroupKind] = set()
        """Kinds of which objects may be here that are not known."""
        self._lost = asyncio.Event()
        self._logger = log.bind()
        client, watches, hub = member.client, member.watches, member.hub.id
        gate = self._gate = Gate(allowed=leads)
        namespaces = self._namespaces = Namespaces(client, gate)
        self._kinds = Kinds(client, watches)
        self._applyset = ApplySet(client, hub, gate, namespaces, lambda: {live.namespace for live in watches.all()})

        def counted(uid: str, result: str, seconds: float) -> None:
            count(member.name, uid, result, seconds)

        writer = Writer(client, gate, namespaces, hub, claimed, watches.saw)
        replacer = Replacer(client, gate, namespaces, hub, claimed, watches.saw)
        self._carrying = Carrying(compiler, self._kinds, self._applyset, watches, writer, replacer, counted)
        self._heirs = Heirs(member, gate, self._kinds, estate)
        departures = Departures(client, gate, self._kinds, watches, hub, counted)
        unrecorded = self._unrecorded = Unrecorded(client, gate, self._applyset, watches.namespaces, hub)
        self._pruning = Pruning(self._kinds, self._applyset, unrecorded, watches, departures, hub)

    async def run(self) -> None:
        """Until cancelled. First everything of ours on the member is known; then work begins."""
        await self._applyset.read()

        async def account(kind: GroupKind) -> None:
            if await self._kinds.accounted(kind):
                self._unaccounted(kind)

        await together(sorted(self._applyset.kinds), account)
        for live in self.member.watches.all():
            self._namespaces.seen(live.namespace)
        unsubscribe = self.member.watches.subscribe(self._changed)
        try:
            self._open = True
            for uid in list(self._targets):
                self.retarget(uid)
            async with asyncio.TaskGroup() as scope:
                scope.create_task(self._account())
                scope.create_task(self._recall())
                scope.create_task(self._heirs.run())
                await Controller(self._queue.name, self._queue, self._work, workers=WORKERS).run()
        finally:
            self._open = False
            unsubscribe()
            self._queue.shutdown()
            self._gate.close()

    def _unaccounted(self, kind: GroupKind) -> None:
        self._unknown.add(kind)
        self._lost.set()

    async def _account(self) -> None:
        """Watch the kinds on record that couldn't be listed at first, or aren't served any more in the version that was
        watched: what is left out may be of one that nobody asks for any more.
        """
        while True:
            await self._lost.wait()
            backoff = Backoff(*ACCOUNT_AGAIN)
            while self._unknown:
                await asyncio.sleep(backoff.next())
                for kind in sorted(self._unknown):
                    if not await self._kinds.accounted(kind):
                        self._unknown.discard(kind)
            self._lost.clear()

    async def _recall(self) -> None:
        """Watch what the member's lost record had: of that, too, something may be left out."""
        await self._unrecorded.suspected.wait()
        backoff = Backoff(*ACCOUNT_AGAIN)
        while why := await self._unrecorded.found():
            log.info("what the lost record had can't be listed", cluster=self.member.name, why=why)
            await asyncio.sleep(backoff.next())
        for kind in self._applyset.kinds:
            if not self.member.watches.listed(kind):
                self._unaccounted(kind)

    def retarget(self, uid: str) -> None:
        """Something else is wanted of application `uid`, or nothing."""
        if not self._open:
            return
        target = self._targets.get(uid)
        if target is None:
            if (given_up := self._ledgers.pop(uid, None)) is not None:
                given_up.over = True
                self._ailing.discard(uid)
            return
        ledger = self._ledgers.get(uid)
        if ledger is None:
            self._ledgers[uid] = Ledger(target)
        elif not (isinstance(target, Removal) and ledger.target == target):  # asked for once more, it goes on
            ledger.retarget(target)
        self._queue.add(uid)

    def stock(self) -> Mapping[str, int]:
        """How many objects of ours each application has on the member, by the UID in their label."""
        return self.member.watches.counts()

    def knows(self) -> bool:
        """Whether that is all that there is: right after contact it isn't."""
        return self._open

    def clear_of(self, uid: str) -> bool:
        """Whether it is certain that nothing of application `uid` is here, or on its way.

        Not while a kind on record isn't followed: one that wasn't served when it was asked for may be now.
        """
        watches = self.member.watches
        if not self._open or uid in self._ledgers or uid in watches.indexed() or self._queue.soon(uid, 0.0):
            return False
        if not all(map(watches.listed, self._applyset.kinds)):
            return False
        return not watches.namespaces or not any(map(watches.excludes, self._applyset.namespaces))

    def inherit(self, estate: Estate) -> None:
        """See to `estate` from now on, and decide about all of it anew."""
        self._heirs.settle(estate)

    # Events

    def _changed(self, change: Change[Object]) -> None:
        if change.id.group_kind == CRD:
            self._definition(change)
        if change.id.group_kind == NAMESPACE and change.old is None:
            self._namespace(change.id.name)
        if went_back(change):
            self._applyset.doubt()
        if self._applyset.missing and change.old is None and self._was_there(change.new):
            self._unrecorded.suspected.set()
        for uid in dict.fromkeys((self._application(change.old), self._application(change.new))):
            ledger = self._ledgers.get(uid)
            if ledger is None:
                continue
            rested = ledger.still is not None
            if ledger.seen(change):
                self._queue.add(uid)
            elif rested and ledger.still is None:
                self._queue.add_after(uid, REST_AGAIN)
        if change.new is None:
            self._free(change.id)
            if change.id.group_kind not in self.member.watches.kinds():
                self._unaccounted(change.id.group_kind)

    def _was_there(self, live: Object | None) -> bool:
        """Whether `live` was made before contact was, as far as can be told."""
        if live is None or (ledger := self._ledgers.get(self._application(live))) is None:
            return live is not None
        if live.id in ledger.working or live.id in ledger.unsure:
            return False
        record = ledger.records.get(live.id)
        return record is None or record.version != live.resource_version

    def _free(self, key: ObjectId) -> None:
        """An object is gone, or no longer ours: whoever was told that it was another's may have it."""
        for uid in self._ailing:
            ledger = self._ledgers[uid]
            if key in ledger.troubled:
                ledger.dirty.add(key)
                self._queue.add(uid)

    def _application(self, live: Object | None) -> str:
        return live.labels.get("atoll.dev/app", "") if live is not None else ""

    def _definition(self, change: Change[Object]) -> None:
        """A kind came: whoever waits for it goes on at once."""
        if change.new is None or not established(change.new):
            return
        if change.old is not None and established(change.old):
            return
        self._kinds.defined(change.new)
        self._try_again(lambda o: o.reason in {"KindNotServed", "DefinitionNotEstablished"})

    def _namespace(self, name: str) -> None:
        """A namespace came that somebody else had to make."""
        self._try_again(lambda o: o.reason == "NamespaceMissing" and o.id.namespace == name)

    def _try_again(self, waits: Callable[[ObjectOutcome], bool]) -> None:
        for uid in self._ailing:
            ledger = self._ledgers[uid]
            waiting = {key for key, outcome in ledger.troubled.items() if waits(outcome)}
            if waiting:
                ledger.dirty |= waiting
                self._queue.add(uid)

    # Work

    async def _work(self, uid: str) -> Decision:
        ledger = self._ledgers.get(uid)
        if ledger is None:
            return Done()
        self._ailing.add(uid)
        try:
            return await self._serve(ledger)
        finally:
            if (now := self._ledgers.get(uid)) is None or not now.troubled:
                self._ailing.discard(uid)

    async def _serve(self, ledger: Ledger) -> Decision:
        match ledger.target:
            case Removal() as removal:
                return await self._remove(ledger, removal)
            case Delivery() as delivery if delivery.suspend:
                self._tell(ledger, delivery, "Suspended")
                return Done()
            case Delivery() as delivery:
                return await self._deliver(ledger, delivery)

    async def _deliver(self, ledger: Ledger, delivery: Delivery) -> Decision:
        slow = asyncio.get_running_loop().call_later(SLOW, self._under_way, ledger, delivery)
        try:
            return await self._pass(ledger, delivery)
        finally:
            slow.cancel()

    def _under_way(self, ledger: Ledger, delivery: Delivery) -> None:
        """What is done at once is told of when it is done."""
        if ledger.serves(delivery) and (ledger.reported is None or ledger.reported.revision != delivery.revision):
            self._tell(ledger, delivery, "Applying")

    async def _pass(self, ledger: Ledger, delivery: Delivery) -> Decision:
        if ledger.all_dirty and (newer := self._newer(ledger, delivery.revision)):
            self._tell(ledger, delivery, "Conflict", (_superseded(delivery.key, newer, delivery.revision),), newer)
            return Done()
        if not delivery.objects and not delivery.allow_empty:
            return self._empty(ledger, delivery)
        ledger.overdue()
        try:
            await self._carrying.carry(ledger, delivery)
        except KubeError as error:
            found = refusal(error, APPLICATION)
            outcome = ObjectOutcome(_application_id(delivery.key), found.state, found.reason, found.message)
            self._tell(ledger, delivery, "Failed" if found.state == "Failed" else "Applying", (outcome,))
            raise
        if not ledger.serves(delivery):
            return Done()  # it is in the queue again
        if ledger.dirty:
            self._queue.add(delivery.uid)
        if ledger.strays or ledger.leaving:
            await self._pruning.prune(ledger, delivery)
        if ledger.serves(delivery):
            self._tell(ledger, delivery, _state(ledger))
        decision = _next(ledger)
        if isinstance(decision, Done):
            ledger.rest()
        return decision

    def _newer(self, ledger: Ledger, revision: Revision) -> Revision | None:
        """The newest revision on the member, when that is newer than `revision`: then nothing is touched here."""
        found = (revision_of(live) for live in ledger.everything(self.member.watches))
        newer = [there for there in found if there is not None and there.newer_than(revision)]
        return max(newer) if newer else None

    def _empty(self, ledger: Ledger, delivery: Delivery) -> Decision:
        """No objects, and nobody says that this is meant: nothing is written, and nothing pruned."""
        if ledger.everything(self.member.watches):
            text = "this would remove every object; `allowEmpty: true` says that it is meant"
            refused = ObjectOutcome(_application_id(delivery.key), "Failed", "EmptyRefused", text)
            self._tell(ledger, delivery, "Failed", (refused,))
        else:
            self._tell(ledger, delivery, "Applied")
        return Done()

    async def _remove(self, ledger: Ledger, removal: Removal) -> Decision:
        if removal.revision and (newer := self._newer(ledger, removal.revision)):
            refused = _superseded(removal.key, newer, removal.revision)
            self._send(ledger, Outcome(removal.key, removal.uid, removal.cluster, None, "Removing", objects=(refused,)))
            return Done()
        gone = await self._pruning.remove(ledger, removal)
        if not ledger.serves(removal):
            return Done()
        objects = tuple(ledger.kept.values())
        which = removal.revision if gone else None
        outcome = Outcome(removal.key, removal.uid, removal.cluster, which, "Removing", objects=objects, gone=gone)
        if gone:
            self._ledgers.pop(removal.uid, None)
            self._ailing.discard(removal.uid)
        self._send(ledger, outcome)
        return Done() if gone else Wait(LOOK_AGAIN)

    # Telling

    def _tell(
        self,
        ledger: Ledger,
        delivery: Delivery,
        state: ClusterState,
        extra: tuple[ObjectOutcome, ...] = (),
        newer: Revision | None = None,
    ) -> None:
        total = len(delivery.objects)
        if delivery.protected:
            total -= sum(manifest.id in delivery.protected for manifest in delivery.objects)
        fresh = ledger.compiled is delivery and not ledger.all_dirty
        applied = len(ledger.items) - len(ledger.troubled) if fresh else 0
        objects = (*extra, *ledger.troubled.values(), *ledger.kept.values())
        outcome = Outcome(
            key=delivery.key,
            uid=delivery.uid,
            cluster=delivery.cluster,
            revision=delivery.revision,
            state=state,
            total=total,
            applied=max(0, applied),
            objects=objects,
            newer=newer,
            versions=self._versions(ledger) if fresh and delivery.manner.tell_versions else (),
        )
        self._send(ledger, outcome)

    def _versions(self, ledger: Ledger) -> tuple[tuple[ObjectId, str], ...]:
        """Of each object that is as it should be, the version as it was written, or else as it was found."""
        found: list[tuple[ObjectId, str]] = []
        for key in ledger.items.keys() - ledger.troubled.keys():
            live, sent = ledger.current(key, self.member.watches.get(key)), ledger.record(key).whole
            if live is not None:
                found.append((key, sent.version if sent is not None else version_of(live)))
        return tuple(sorted(found))

    def _send(self, ledger: Ledger, outcome: Outcome) -> None:
        if outcome != ledger.reported and not ledger.over:
            before = ledger.reported
            if before is None or before.state != outcome.state or outcome.gone:
                self._log(outcome, expected=not outcome.objects and (before is None or not before.objects))
            ledger.reported = outcome
            self._report(outcome)

    def _log(self, outcome: Outcome, *, expected: bool) -> None:
        """That an application is where it should be, or gone, the hub logs once for all clusters."""
        level = DEBUG if expected and (outcome.gone or outcome.state in EXPECTED) else INFO
        if not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            "delivery",
            cluster=outcome.cluster,
            application=str(outcome.key),
            state="Gone" if outcome.gone else outcome.state,
            revision=str(outcome.revision or ""),
            applied=outcome.applied,
            total=outcome.total,
            trouble=[f"{o.id} {o.reason}" for o in outcome.objects[:3]],
        )


def _state(ledger: Ledger) -> ClusterState:
    """The worst of the objects' states."""
    states = {outcome.state for outcome in ledger.troubled.values()}
    for state in ("Failed", "Conflict", "Waiting"):
        if state in states:
            return state
    kept = {outcome.state for outcome in ledger.kept.values()}
    if "Failed" in kept or "Conflict" in kept:
        return "Failed" if "Failed" in kept else "Conflict"
    return "Applying" if states or ledger.leaving or ledger.strays or ledger.dirty else "Applied"


def _next(ledger: Ledger) -> Decision:
    """When to look again without an event."""
    now = time.monotonic()
    waits = [record.due - now for _, record in ledger.waiting()]
    if ledger.strays or ledger.leaving:
        waits.append(LOOK_AGAIN)
    if ledger.behind:
        waits.append(PATIENCE)
    return Wait(max(0.001, min(waits))) if waits else Done()


def _application_id(key: Key) -> ObjectId:
    return ObjectId(APPLICATION.group, APPLICATION.kind, key.namespace, key.name)


def _superseded(key: Key, there: Revision, ours: Revision) -> ObjectOutcome:
    return ObjectOutcome(_application_id(key), "Conflict", "NewerRevision", newer_text(there, ours))
