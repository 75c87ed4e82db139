"""What an agent holds of its hub's intent, and which of the hub's words it takes. Pure: no clock, no network.

A hub may have been restored from a backup, and then says less, or older things, than it said before. So nothing that is
held gives way to an older revision, nor to a new UID under the same name, and what the hub doesn't mention any more
stays while the hub is older than it was. An administrator's word (`atoll cluster resume`), or a new epoch, changes
that. What is given up is never deleted for that: only a Removal deletes.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from atoll.api.delivery import Delivery, Removal
from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.pull.protocol import Welcome

Target = Delivery | Removal
CONFIRM = "`atoll cluster resume NAME` on the hub makes what it says now count"


class Mark(msgspec.Struct, frozen=True):
    """What is remembered of the hub itself. `floor` is the least epoch that its words count as, since it was confirmed
    by the word `resumed`, None before it ever was met; `doubted`: it is older than it was, and not confirmed yet.
    """

    hub: str = ""
    cluster: str = ""
    epoch: int = 0
    moment: int = 0
    process: str = ""
    floor: int = 0
    resumed: str | None = None
    doubted: bool = False
    life: int = 0


class Held(msgspec.Struct, frozen=True):
    """One application's target, by the hub's digest of it; its revision counts as the mark's floor says."""

    target: Target
    digest: str


class Refusal(msgspec.Struct, frozen=True):
    """Why an offer isn't taken."""

    target: Target
    reason: str
    message: str


class Settlement(msgspec.Struct, frozen=True):
    """What is to be done: `take` goes to disk and is carried out, `drop` is held no longer, `same` is as before."""

    take: tuple[Held, ...] = ()
    drop: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


class StrangerError(Exception):
    """Another hub, or this one for another cluster, than the one whose intent is held."""


class Holdings:
    """Offers come in as they are said; `settle` says what follows from all of them."""

    def __init__(self, mark: Mark, held: dict[str, Held]) -> None:
        self.mark = mark
        self.held = held
        self.refused: dict[str, Refusal] = {}
        self._offered: dict[str, Held] = {}
        self._draft: dict[str, Held] | None = {}
        """What was said since the welcome, until that is all."""
        self._unknown: frozenset[str] = frozenset()
        self._done: dict[str, str] = {}
        """Removals that were carried out: the digest of each, until the hub says something else, or says it again."""
        self._look: set[str] = set()
        self._said: Welcome | None = None
        """Who talks now."""

    def digests(self) -> dict[str, str]:
        """What is held, as the hub names it."""
        return {uid: held.digest for uid, held in self.held.items()}

    # What the hub says

    def welcome(self, said: Welcome) -> None:
        """A new conversation: what comes until `synced` is all that is wanted. Raises StrangerError."""
        mark = self.mark
        if mark.hub not in {"", said.hub} or mark.cluster not in {"", said.cluster}:
            raise StrangerError(
                f"this member is held by hub {mark.hub} as {mark.cluster}, not by {said.hub} as {said.cluster}; "
                "it has to leave that one first"
            )
        self._draft, self._done, self._said = {}, {}, said
        same = said.process == mark.process and said.process != ""
        older = not same and (said.epoch, said.moment) < (mark.epoch, self._moment())
        doubted = older or (mark.doubted and said.epoch <= mark.epoch)
        self.mark = msgspec.structs.replace(
            mark,
            hub=said.hub,
            cluster=said.cluster,
            resumed=said.resume if mark.resumed is None else mark.resumed,
            doubted=doubted,
            epoch=mark.epoch if doubted else said.epoch,
            moment=mark.moment if doubted else said.moment,
            process=mark.process if doubted else said.process,
        )

    def offer(self, target: Target, digest: str = "") -> None:
        """The hub wants `target`; `digest` is its name for it."""
        self._say(target.uid, Held(target, digest or digest_of(target)))

    def keep(self, uid: str, digest: str) -> bool:
        """The hub wants what is held. False when it is something else: then its word is needed in full."""
        held = self.held.get(uid)
        if held is None or held.digest != digest:
            return False
        self._say(uid, held)
        return True

    def withdraw(self, uid: str) -> None:
        """The hub wants nothing of this application."""
        (self._offered if self._draft is None else self._draft).pop(uid, None)
        self._done.pop(uid, None)
        self._unknown -= {uid}
        self._look.add(uid)

    def synced(self, unknown: frozenset[str]) -> None:
        """That was all; of `unknown` the hub can't say yet."""
        self._offered, self._draft = self._draft or {}, None
        self._unknown = unknown
        self._look |= self._offered.keys() | self.held.keys()

    def resume(self, word: str, epoch: int) -> bool:
        """What the hub says now counts. `epoch` is the greatest on the member. False when `word` was heard before."""
        if word == self.mark.resumed:
            return False
        changes: dict[str, Any] = {"resumed": word, "doubted": False}
        if self.mark.doubted and (said := self._said) is not None:  # by that it is measured from now on
            changes |= {"epoch": said.epoch, "moment": said.moment, "process": said.process}
        if self.mark.doubted or self.refused:
            epochs = [held.target.revision.epoch for held in self.held.values() if held.target.revision]
            changes["floor"] = max(epoch, self.mark.epoch, self.mark.floor, *epochs, 0) + 1
            self._look |= self._offered.keys() | self.held.keys()
        self.mark = msgspec.structs.replace(self.mark, **changes)
        return True

    # What follows

    def settle(self) -> Settlement:
        """Take, refuse and drop. Nothing while the hub is still saying what it wants."""
        if self._draft is not None:
            return Settlement()
        look, self._look = self._look | self.refused.keys(), set()
        self.refused = {uid: refusal for uid, refusal in self.refused.items() if uid not in look}
        offers = {uid: offer for uid in look if (offer := self._wanted(uid)) is not None}
        known = self._by_key(self.held)
        take, same = [], []
        for uid, offer in sorted(offers.items(), key=_removals_first):  # what goes makes room for what comes
            held = self.held.get(uid)
            if offer.digest == self._done.get(uid):
                continue
            if held is not None and (held.digest, held.target.revision) == (offer.digest, offer.target.revision):
                same.append(uid)
            elif refusal := self._refusal(offer.target, known.get(offer.target.key, ())):
                self.refused[uid] = refusal
            else:
                self.held[uid] = offer
                take.append(offer)
                look |= known.get(offer.target.key, set())  # who bore the name before
        return Settlement(tuple(take), self._drop(look - self._offered.keys()), tuple(same))

    def _drop(self, look: set[str]) -> tuple[str, ...]:
        """Of these, which the hub doesn't want or doesn't know, those that are held no longer."""
        if self.mark.doubted:
            return ()
        wanted = self._by_key(self._offered)
        drop = []
        for uid in sorted(look & self.held.keys()):
            successors = wanted.get(self.held[uid].target.key, set()) - {uid}
            if uid not in self._unknown and not successors - self.held.keys():
                del self.held[uid]
                drop.append(uid)
        return tuple(drop)

    def ended(self, uid: str, revision: Revision | None) -> bool:
        """A Removal of `revision` was carried out: it is held no longer. False when something else is held by now."""
        held = self.held.get(uid)
        if held is None or not isinstance(held.target, Removal) or held.target.revision != revision:
            return False
        self._done[uid] = held.digest
        del self.held[uid]
        return True

    # Inside

    def _say(self, uid: str, held: Held) -> None:
        if self._draft is not None:
            self._draft[uid] = held
        else:
            self._done.pop(uid, None)  # the hub may ask again, and wants to hear of it again
            self._offered[uid] = held
            self._look.add(uid)

    def _wanted(self, uid: str) -> Held | None:
        """The hub's word, as it counts here."""
        offer = self._offered.get(uid)
        if offer is None or offer.target.revision is None or offer.target.revision.epoch >= self.mark.floor:
            return offer
        raised = Revision(self.mark.floor, uid, offer.target.revision.sequence)
        return Held(msgspec.structs.replace(offer.target, revision=raised), offer.digest)

    def _refusal(self, offer: Target, namesakes: Iterable[str]) -> Refusal | None:
        held = self.held.get(offer.uid)
        there, ours = held.target.revision if held is not None else None, offer.revision
        if there is not None and ours is not None and there.newer_than(ours):
            text = f"the agent holds {there.epoch}/{there.sequence}, this is {ours.epoch}/{ours.sequence}"
            return Refusal(offer, "NewerRevision", f"{text}; was the hub restored from a backup? {CONFIRM}")
        for other in namesakes:
            rival = self.held[other].target
            if not isinstance(offer, Delivery) or not isinstance(rival, Delivery) or other == offer.uid:
                continue
            if rival.revision.epoch >= offer.revision.epoch:
                text = f"the agent knows Application {offer.key} with UID {other}, and that one was not removed"
                return Refusal(offer, "AnotherUid", f"{text}; {CONFIRM}")
        return None

    @staticmethod
    def _by_key(targets: dict[str, Held]) -> dict[Key, set[str]]:
        """The UIDs under which deliveries of one name are there."""
        found: dict[Key, set[str]] = {}
        for uid, held in targets.items():
            if isinstance(held.target, Delivery):
                found.setdefault(held.target.key, set()).add(uid)
        return found

    def _moment(self) -> int:
        """How far the hub had come, by its own words and by what it wanted: sequences are such moments, too."""
        now = max(self.mark.epoch, self.mark.floor)  # what its words count as
        sequences = (
            held.target.revision.sequence
            for held in self.held.values()
            if held.target.revision is not None and held.target.revision.epoch == now
        )
        return max(self.mark.moment, *sequences, 0)


def _removals_first(entry: tuple[str, Held]) -> bool:
    return isinstance(entry[1].target, Delivery)


def digest_of(target: Target) -> str:
    """A name for `target` that equal ones have in common."""
    return hashlib.blake2b(msgspec.json.encode(target, order="deterministic"), digest_size=16).hexdigest()
