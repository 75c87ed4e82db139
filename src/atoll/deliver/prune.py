"""Prune and removal: what goes, when, and what keeps it. Deleting itself is in `departures`."""

import time
from collections.abc import Mapping

import structlog

from atoll.api.delivery import Delivery, Doing, ObjectOutcome, ObjectState, Removal
from atoll.api.manner import Manner
from atoll.api.names import ANNOTATION_APPLICATION, LABEL_APP
from atoll.api.objects import GroupKind, ObjectId
from atoll.deliver.applyset import ApplySet
from atoll.deliver.departures import Departures, holder, in_reverse
from atoll.deliver.kinds import Kinds
from atoll.deliver.ledger import Ledger, PutOff
from atoll.deliver.marks import hands_off, kept_on_purpose, ours, revision_of
from atoll.deliver.order import CRD
from atoll.deliver.refusals import refusal, wait_after
from atoll.deliver.together import together
from atoll.deliver.unrecorded import Unrecorded
from atoll.kube.errors import KindNotServed, KubeError
from atoll.kube.objects import Object
from atoll.runtime.watchset import WatchSet

log = structlog.get_logger(__name__)

Place = tuple[GroupKind, str]
"""A kind in a namespace."""
PATIENCE = 60.0
"""Seconds that one step of a removal waits for the objects of the step before to be gone."""


class Pruning:
    """Takes away what an application has on one member and should not have."""

    def __init__(
        self,
        kinds: Kinds,
        applyset: ApplySet,
        unrecorded: Unrecorded,
        watches: WatchSet,
        departures: Departures,
        hub: str,
    ) -> None:
        self._kinds = kinds
        self._unrecorded = unrecorded
        self._applyset = applyset
        self._watches = watches
        self._departures = departures
        self._hub = hub

    async def prune(self, ledger: Ledger, delivery: Delivery) -> None:
        """Delete what `delivery` leaves out. What stays stands in `ledger.kept`, with the reason."""
        ledger.strays = False
        if self._all_wanted(ledger):
            return
        left_out = [
            live
            for live in ledger.everything(self._watches)
            if live.id not in ledger.items and live.id not in delivery.protected and ours(live, self._hub, delivery.uid)
        ]
        ledger.kept = {}
        if unlisted := [live for live in left_out if not self._watches.listed(live.group_kind, live.namespace)]:
            ledger.strays = True  # what is known of it may be old: wait until it is followed again
            for live in unlisted:
                why = self._watches.error(live.group_kind, live.namespace) or "its watch has just broken"
                text = f"left out; stays while {live.group_kind} can't be listed: {why}"
                ledger.kept[live.id] = ObjectOutcome(live.id, "Waiting", "NotListed", text)
            return

        async def go(live: Object) -> None:
            if ledger.serves(delivery):  # else it may be wanted again
                await self._let_go(live, ledger, delivery.uid, delivery.manner)

        missing = self._missing(ledger)
        leaving = [live for live in left_out if not self._stays(live, ledger, delivery, missing)]
        holders = [live for live in leaving if self._keeps_inside(live, ledger)]
        await together(holders, go)
        if any(live.id in ledger.kept for live in holders):
            return  # nothing that says why they are not deleted goes before they are let go
        for group in in_reverse(leaving):
            await together(group, go)

    def _all_wanted(self, ledger: Ledger) -> bool:
        """Whether at a glance nothing is here, nor on its way, that is left out: so it is nearly always."""
        wanted = ledger.items
        if ledger.kept or any(key not in wanted for key in ledger.behind):
            return False
        return all(live.id in wanted for live in self._watches.of(ledger.target.uid))

    def _stays(self, live: Object, ledger: Ledger, delivery: Delivery, missing: Mapping[Place, ObjectId]) -> bool:
        reason = message = ""
        state: ObjectState = "Waiting"
        revision = revision_of(live)
        if kept_on_purpose(live):
            state, reason, message = "Applied", "Kept", "left out, and kept: atoll.dev/prune is false"
        elif revision is not None and revision.newer_than(delivery.revision):
            state, reason, message = "Conflict", "NewerRevision", f"a newer revision is there: {revision}"
        elif replacement := missing.get((live.group_kind, live.namespace)):
            reason, message = "PruneHeld", f"left out; stays until {replacement} is there"
        if reason:
            ledger.kept[live.id] = ObjectOutcome(live.id, state, reason, message)
        return bool(reason)

    def _missing(self, ledger: Ledger) -> dict[Place, ObjectId]:
        """New objects that could not be made yet, one of each kind and place: perhaps what others were renamed to."""
        found: dict[Place, ObjectId] = {}
        for key in ledger.troubled:
            if self._watches.get(key) is None:
                found.setdefault((key.group_kind, key.namespace), key)
        return found

    async def remove(self, ledger: Ledger, removal: Removal) -> bool:
        """One pass of a removal. True when nothing of the application is left here, and that is known."""
        ledger.kept = {}
        unknown = ledger.compiled is None or self._unrecorded.suspected.is_set()  # what was delivered is on record
        if self._applyset.missing and unknown and (why := await self._unrecorded.found()):
            key = ObjectId("", "Namespace", "", "*")
            text = f"Atoll's record on this cluster is gone, and what is here can't be listed: {why}"
            ledger.kept[key] = ObjectOutcome(key, "Removing", "NotListed", text)
        for kind in sorted(self._applyset.kinds):  # of others nothing was ever delivered
            if why := await self._kinds.accounted(kind):
                key = ObjectId(kind.group, kind.kind, "", "*")
                ledger.kept[key] = ObjectOutcome(key, "Removing", "NotListed", f"can't be listed: {why}")
        for namespace in filter(self._watches.excludes, self._applyset.namespaces):
            key = ObjectId("", "Namespace", "", namespace)
            text = "objects may be in it, and it is outside of Atoll's rights now"
            ledger.kept[key] = ObjectOutcome(key, "Removing", "NotListed", text)
        for about in sorted(ledger.unsure):
            await self._make_sure(about, ledger)
        mine = [live for live in ledger.everything(self._watches) if ours(live, self._hub, removal.uid)]
        began = ledger.began = ledger.began or time.monotonic()
        holders = [live for live in mine if not removal.orphan and self._keeps_inside(live, ledger)]
        if not await self._remove_group(holders, ledger, removal):  # before nothing tells any more what stays in them
            for group in in_reverse(mine):
                remaining = await self._remove_group(group, ledger, removal)
                if remaining and time.monotonic() - began < PATIENCE:
                    break
        left = {live.id for live in mine if ledger.sent_away.get(live.id) != f"gone {live.uid}"}
        for key in left - ledger.kept.keys():
            ledger.kept[key] = ObjectOutcome(key, "Removing", "", "waits for those that go first")
        return not left and not ledger.kept

    async def _make_sure(self, about: ObjectId, ledger: Ledger) -> None:
        """Ask for what may be there. Should the watch tell of it later, nobody would care for it any more."""
        if self._not_yet(about, ledger):
            return
        try:
            live = await self._departures.read(about)
        except KindNotServed:
            live = None
        except KubeError as error:
            text = f"it may be there, and can't be read: {error}"
            outcome = ObjectOutcome(about, "Removing", "NotListed", text)
            self._put_off(outcome, ledger, refusal(error, about.group_kind).wait)
            return
        ledger.put_off.pop(about, None)
        ledger.unsure.discard(about)
        if live is not None:
            ledger.behind[about] = live, time.monotonic()

    async def _remove_group(self, group: list[Object], ledger: Ledger, removal: Removal) -> bool:
        async def go(live: Object) -> None:
            if not ledger.serves(removal):
                return  # it is wanted again, or to stay as it is
            if removal.orphan or kept_on_purpose(live):
                await self._leave(live, ledger, removal.uid, removal.manner)
            else:
                await self._let_go(live, ledger, removal.uid, removal.manner)

        await together(group, go)
        return any(live.id in ledger.kept for live in group)

    async def _let_go(self, live: Object, ledger: Ledger, uid: str, manner: Manner) -> None:
        """Delete one object, or unmark what isn't to be touched."""
        take = self._leave if hands_off(live, manner) else self._take
        await take(live, ledger, uid, manner)

    async def _take(self, live: Object, ledger: Ledger, uid: str, manner: Manner) -> None:
        """Delete one object, or unmark what would take something with it that stays."""
        if ledger.sent_away.get(live.id) in {f"{live.uid} {live.resource_version}", f"gone {live.uid}"}:
            if ledger.sent_away[live.id].startswith("gone"):
                return  # the watch will say so
            self._going(live, ledger)
            return
        if stays := self._keeps_inside(live, ledger) or self._others_inside(live, uid):
            log.info("kept: something in it stays", object=str(live.id), stays=stays)
            await self._leave(live, ledger, uid, manner)
            return
        if why := await self._unseen_inside(live):
            ledger.kept[live.id] = ObjectOutcome(live.id, "Waiting", "NotListed", f"something in it may stay: {why}")
            return
        if self._not_yet(live.id, ledger):
            return
        try:
            gone = await self._departures.delete(live, uid, manner.deletion)
        except KubeError as error:
            self._failed(live, ledger, error, "delete")
            return
        ledger.put_off.pop(live.id, None)
        ledger.behind.pop(live.id, None)
        ledger.sent_away[live.id] = f"gone {live.uid}" if gone else f"{live.uid} {live.resource_version}"
        if not gone:
            self._going(live, ledger)

    def _keeps_inside(self, live: Object, ledger: Ledger) -> str:
        """An object of the application's own that would go with `live`, a Namespace or a CRD, and is to stay: kept on
        purpose, or wanted still. "" when there is none.
        """
        if (within := holder(live)) is None:
            return ""
        target = ledger.target
        for own in filter(lambda own: within(own.id), ledger.everything(self._watches)):
            newer = own.id in ledger.kept and ledger.kept[own.id].reason == "NewerRevision"
            if newer or kept_on_purpose(own) or hands_off(own, target.manner):
                return str(own.id)
        wanted = () if isinstance(target, Removal) else (*ledger.items, *target.protected)
        return next((str(about) for about in wanted if within(about)), "")

    def _others_inside(self, live: Object, uid: str) -> str:
        """Another Application whose objects would go with `live`; "" when there is none."""
        if (within := holder(live)) is None:
            return ""
        there = (other for other in self._watches.all() if other.labels.get(LABEL_APP, uid) != uid)
        other = next((other for other in there if within(other.id)), None)
        return "" if other is None else other.annotations.get(ANNOTATION_APPLICATION, "") or other.labels[LABEL_APP]

    async def _unseen_inside(self, live: Object) -> str:
        """Why something that stays may be in `live` without being known; "" when all is known."""
        if (within := holder(live)) is None:
            return ""
        for kind in sorted(self._applyset.kinds):
            could_be = live.group_kind != CRD or within(ObjectId(kind.group, kind.kind, "", ""))
            if could_be and (why := await self._kinds.accounted(kind)):
                return f"{kind} can't be listed: {why}"
        return ""

    async def _leave(self, live: Object, ledger: Ledger, uid: str, manner: Manner) -> None:
        if ledger.sent_away.get(live.id) == f"gone {live.uid}" or self._not_yet(live.id, ledger):
            return
        try:
            await self._departures.unmark(live, uid, manner.labels)
        except KubeError as error:
            self._failed(live, ledger, error, "unmark")
        else:
            ledger.put_off.pop(live.id, None)
            ledger.behind.pop(live.id, None)
            ledger.sent_away[live.id] = f"gone {live.uid}"

    def _going(self, live: Object, ledger: Ledger) -> None:
        held = f"held by {', '.join(live.finalizers)}" if live.finalizers else "being deleted"
        ledger.kept[live.id] = ObjectOutcome(live.id, "Removing", "Terminating", held)

    def _failed(self, live: Object, ledger: Ledger, error: KubeError, doing: Doing) -> None:
        found = refusal(error, live.group_kind)
        outcome = ObjectOutcome(live.id, "Failed", found.reason, found.message, doing)
        self._put_off(outcome, ledger, found.wait)
        ledger.strays = True

    def _put_off(self, outcome: ObjectOutcome, ledger: Ledger, bounds: tuple[float, float]) -> None:
        """Who refuses a thousand deletes isn't asked again for all of them at each look."""
        before = ledger.put_off.get(outcome.id)
        failures = before.failures if before is not None else 0
        wait = wait_after(failures, bounds)
        ledger.put_off[outcome.id] = PutOff(outcome, time.monotonic() + wait, failures + 1)
        ledger.kept[outcome.id] = outcome

    def _not_yet(self, about: ObjectId, ledger: Ledger) -> bool:
        """Whether it failed a moment ago, which is told again."""
        before = ledger.put_off.get(about)
        if before is None or before.due <= time.monotonic():
            return False
        ledger.kept[about] = before.outcome
        return True
