"""What delivery knows of one application on one member: the items, what became of each, and what is to be looked at."""

import time
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from atoll.api.delivery import Delivery, Doing, ObjectOutcome, Outcome, Removal
from atoll.api.objects import Json, ObjectId
from atoll.deliver.compiled import Compiled
from atoll.deliver.stamp import Item
from atoll.kube.objects import Object
from atoll.runtime.informer import Change
from atoll.runtime.ondemand import OnDemand
from atoll.runtime.watchset import WatchSet

NOTHING = Compiled((), (), frozenset(), {}, frozenset(), {})
NO_FIELDS: frozenset[str] = frozenset()
"""One for all objects: each that Python makes takes 216 bytes."""
PATIENCE = 5.0
"""Seconds in which the watch brings what we wrote."""


FEW = 128
"""Of so many objects at most, what is known is condensed when nothing is to be done: each time, all are looked at."""


class Sent(NamedTuple):
    """What a write of a whole object made of it. `version` is `gen:N`, or `rv:N` where there is no generation."""

    version: str
    beyond: str
    """What it had then beyond what was sent: see `beyond.fingerprint`."""
    removed: str = ""
    """What it had before, of which something was somebody else's and went by this write."""


def version_of(live: Object) -> str:
    """As version records have it."""
    return f"gen:{live.generation}" if live.generation else f"rv:{live.resource_version}"


class Record:
    """One object. `version` is the resourceVersion at which it was last found, or made, as it should be."""

    __slots__ = (
        "accepted",
        "autoscaled_until",
        "digest",
        "due",
        "failures",
        "fight",
        "outcome",
        "released",
        "retained",
        "uid",
        "version",
        "whole",
    )

    def __init__(self) -> None:
        self.outcome: ObjectOutcome | None = None
        """None: Applied."""
        self.digest = ""
        self.retained = NO_FIELDS
        self.version = ""
        self.uid = ""
        self.accepted: dict[str, Any] | None = None
        """Where the member keeps another value than what we sent: path → its value. Not drift while it stays."""
        self.released = NO_FIELDS
        """Retained fields that are known not to be ours."""
        self.autoscaled_until = 0.0
        self.due = 0.0
        """When it is to be looked at again, on the loop's clock; 0: when something happens."""
        self.failures = 0
        self.fight: Fight | None = None
        self.whole: Sent | None = None

    def settled(self, item: Item) -> bool:
        """Whether nothing is to be told but `version` and `uid`."""
        return bool(
            self.version
            and self.outcome is None
            and self.digest == item.digest
            and self.retained == item.retained
            and self.accepted is None
            and not self.released
            and not (self.autoscaled_until or self.due or self.failures)
            and self.fight is None
            and self.whole is None
        )


class Fight:
    """Somebody else keeps changing what we put right. Repairs come at once at first, then ever later."""

    QUICK = 5
    """Repairs that are made at once."""
    QUIET = 120.0
    """After so many seconds without a change it is over."""
    LONGEST = 60.0

    __slots__ = ("last", "rounds", "what")

    def __init__(self) -> None:
        self.rounds = 0
        self.last = -self.QUIET
        self.what = ""
        """Who keeps doing what."""

    @property
    def on(self) -> bool:
        return self.rounds >= self.QUICK

    @property
    def due(self) -> float:
        """When the next repair may be made, on the monotonic clock."""
        return self.last + (min(self.LONGEST, 2.0 ** (self.rounds - self.QUICK)) if self.on else 0.0)

    def over(self, now: float) -> bool:
        return now - self.last >= self.QUIET

    def repaired(self, now: float, what: str) -> None:
        self.rounds = 1 if self.over(now) else self.rounds + 1
        self.last, self.what = now, what


class PutOff(NamedTuple):
    """Something that failed `failures` times in a row, is `outcome`, and is tried again when it is `due`."""

    outcome: ObjectOutcome
    due: float
    failures: int


class Ledger(OnDemand):
    """One application on one member. Level-triggered: events only say where to look.

    There are as many as applications times clusters, and most stand still: what is empty then is let go, see `rest`.
    """

    on_demand: ClassVar = {
        **dict.fromkeys(("behind", "doing", "kept", "put_off", "sent_away", "troubled", "vanished"), dict),
        **dict.fromkeys(("dirty", "held", "meanwhile", "unsure", "working"), set),
    }
    __slots__ = (
        *("all_dirty", "began", "behind", "compiled", "dirty", "doing", "held", "kept", "meanwhile", "over", "put_off"),
        *(
            "records",
            "reported",
            "sent_away",
            "still",
            "strays",
            "target",
            "troubled",
            "unsure",
            "vanished",
            "wanted",
            "working",
        ),
    )

    records: dict[ObjectId, Record]
    troubled: dict[ObjectId, ObjectOutcome]
    """Those that are not Applied."""
    dirty: set[ObjectId]
    doing: dict[ObjectId, Doing]
    """What is being tried, of objects that are written as a whole."""
    kept: dict[ObjectId, ObjectOutcome]
    """Those that are left out and still here, and why."""
    put_off: dict[ObjectId, PutOff]
    """What could not be taken away, and isn't tried again yet."""
    sent_away: dict[ObjectId, str]
    """Deletes that were sent: the resourceVersion that they were for."""
    held: set[ObjectId]
    """Those that wait for an earlier wave."""
    behind: dict[ObjectId, tuple[Object, float]]
    """Answers to our own requests that the watch has not brought yet, and when they came."""
    meanwhile: set[ObjectId]
    """Those of which the watch told while they were worked on: see `worked`."""
    working: set[ObjectId]
    """Those that are worked on now."""
    vanished: dict[ObjectId, str]
    """Objects that left the watch: the last resourceVersion that it had of each."""
    over: bool
    """Nothing is wanted any more: nothing more is done, and nobody is told anything."""
    unsure: set[ObjectId]
    """What may be there or not: the answer to a write was lost, or the watch has not brought it in time."""

    def __init__(self, target: Delivery | Removal) -> None:
        for name, make in self.on_demand.items():  # a first pass needs nearly all of them: at once they cost less
            setattr(self, name, make())
        self.target = target
        self.over = False
        self.wanted = NOTHING
        """What the target comes to, once it was looked at; see `compiled`."""
        self.still: tuple[str, ...] | None = ()
        """At rest, instead of `records`: version and UID of each item, in their order. None while there are records."""
        self.all_dirty = True
        self.strays = True
        """Objects of ours may be here that the delivery leaves out."""
        self.compiled: Delivery | None = None
        self.reported: Outcome | None = None
        self.began = 0.0
        """When work on the target began, on the monotonic clock."""

    def __getattr__(self, name: str) -> Any:
        return self._stir() if name == "records" else super().__getattr__(name)

    def rest(self) -> None:
        """Nothing is to be done for now: let go of the collections that are empty."""
        self.let_go()
        if self.still is None and len(self.items) <= FEW and self._is_settled():
            records = self.records
            self.still = tuple(text for key in self.items for text in (records[key].version, records[key].uid))
            del self.records

    def _is_settled(self) -> bool:
        records = self.records
        if records.keys() != self.items.keys():
            return False
        return all(records[key].settled(item) for key, item in self.items.items())

    def _stir(self) -> dict[ObjectId, Record]:
        """The records that `rest` has condensed."""
        texts, self.records, self.still = iter(self.still or ()), {}, None
        for item, version, uid in zip(self.items.values(), texts, texts, strict=False):
            record = self.records[item.id] = Record()
            record.digest, record.retained, record.version, record.uid = item.digest, item.retained, version, uid
        return self.records

    @property
    def items(self) -> dict[ObjectId, Item]:
        """What is to be here, by name. Clusters share it: nobody changes it."""
        return self.wanted.items

    def serves(self, target: Delivery | Removal) -> bool:
        """Whether this is what is wanted still: whoever works for it asks before each step."""
        return self.target is target and not self.over

    def retarget(self, target: Delivery | Removal) -> None:
        """Something else is wanted from now on: what failed before may succeed now."""
        self.target = target
        self.all_dirty = self.strays = True
        self.began = 0.0
        self.put_off.clear()
        self.sent_away.clear()  # what was let go may be taken again, and the same object let go again
        for record in self.records.values():
            record.failures, record.due = 0, 0.0

    def record(self, key: ObjectId) -> Record:
        found = self.records.get(key)
        if found is None:
            found = self.records[key] = Record()
        return found

    def note(self, key: ObjectId, outcome: ObjectOutcome | None) -> None:
        """Set what became of an object; None is Applied."""
        self.record(key).outcome = outcome
        if outcome is None:
            self.troubled.pop(key, None)
        else:
            self.troubled[key] = outcome

    def settle(self, item: Item, live: Object, *, answered: bool) -> None:
        """The object is as it should be: `live`, which we wrote or asked for when `answered`; else the watch told."""
        record = self.record(item.id)
        record.outcome, record.digest, record.failures, record.due = None, item.digest, 0, 0.0
        record.retained = item.retained
        record.version, record.uid = live.resource_version, live.uid
        self.behind.pop(item.id, None)
        self.unsure.discard(item.id)
        self.sent_away.pop(item.id, None)
        vanished = self.vanished.pop(item.id, "")
        if answered and (not vanished or older(vanished, live.resource_version)):
            self.behind[item.id] = live, time.monotonic()

    def worked(self, key: ObjectId, cached: Object | None) -> None:
        """Work on an object has ended. An API server often sends a write's event before its answer: what the watch told
        meanwhile is the echo of that write, which is not awaited any more, or gives reason to look again.
        """
        self.working.discard(key)
        self.current(key, cached)
        if key in self.meanwhile:
            self.meanwhile.discard(key)
            if cached is None or cached.resource_version != self.record(key).version:
                self.dirty.add(key)

    def current(self, key: ObjectId, cached: Object | None) -> Object | None:
        """The newest known state: the watch's, or the answer to our write while the watch is behind."""
        if key not in self.behind:
            return cached
        written, _ = self.behind[key]
        if cached is not None and not older(cached.resource_version, written.resource_version):
            del self.behind[key]
            return cached
        return written

    def everything(self, watches: WatchSet) -> list[Object]:
        """All that the application has on the member, also what the watch has not brought yet."""
        found = {live.id: live for live in watches.of(self.target.uid)}
        for key in list(self.behind):
            if (live := self.current(key, watches.get(key))) is not None:
                found[key] = live
        return list(found.values())

    def _vanished(self, key: ObjectId, last: Object | None) -> None:
        """The watch has nothing of the object any more; the answer to our write may come after this, or came before."""
        if last is not None:
            self.vanished[key] = last.resource_version
            written, _ = self.behind.get(key, (None, 0.0))
            if written is not None and written.uid == last.uid:
                del self.behind[key]

    def overdue(self) -> None:
        """Look again at what the watch should have brought by now: somebody may have taken it away meanwhile."""
        now = time.monotonic()
        for key in [key for key, (_, since) in self.behind.items() if now - since >= PATIENCE]:
            del self.behind[key]
            self.dirty.add(key)
            self.unsure.add(key)

    @property
    def leaving(self) -> bool:
        """Whether something that is left out is still to go."""
        return any(outcome.state != "Applied" for outcome in self.kept.values())

    def take(self) -> Iterable[ObjectId]:
        """What is to be looked at now: all of it after a new delivery, else what changed or is due."""
        dirty, self.dirty = self.dirty, set()
        if self.all_dirty:
            self.all_dirty = False
            return list(self.items)
        now = time.monotonic()
        dirty |= {key for key, record in self.waiting() if record.due <= now} | self.held
        return sorted(key for key in dirty if key in self.items)

    def waiting(self) -> Iterable[tuple[ObjectId, Record]]:
        """Those with a time at which they are to be looked at again."""
        troubled = ((key, self.records[key]) for key in self.troubled if key in self.records)
        return [(key, record) for key, record in troubled if record.due]

    def seen(self, change: Change[Object]) -> bool:
        """Take in one event of the watch. Whether it gives reason to work.

        Echoes of our own writes, and changes of nothing but status, cost a few comparisons.
        """
        key, new = change.id, change.new
        if isinstance(self.target, Removal):
            return True
        if key not in self.items:
            self.behind.pop(key, None)
            if new is None:
                self.sent_away.pop(key, None)
            self.strays = self.strays or (new is not None and not new.deleting)
            return self.strays or key in self.kept
        record = self.record(key)
        if went_back(change):
            self.behind.pop(key, None)
        if new is None:
            self._vanished(key, change.old)
        elif new.resource_version == record.version:
            self.behind.pop(key, None)
            return False
        elif older(new.resource_version, record.version) and not went_back(change):
            return False
        elif record.outcome is None and _only_status(change.old, new, record.version, self.items[key].version):
            record.version = new.resource_version
            self.behind.pop(key, None)
            return False
        elif key in self.working:
            self.meanwhile.add(key)
            return False
        self.dirty.add(key)
        return True


def _only_status(old: Object | None, new: Object, good: str, sent: str) -> bool:
    """Whether nothing that may be desired changed since resourceVersion `good`; it is sent in API version `sent`."""
    if (
        old is None
        or old.resource_version != good
        or new.deleting
        or old.uid != new.uid
        or old.labels != new.labels
        or old.annotations != new.annotations
        or old.owners != new.owners
        or old.finalizers != new.finalizers
    ):
        return False
    if old.generation and old.generation == new.generation:
        return True
    return new.version != sent and _spec(old) == _spec(new)


def _spec(live: Object) -> Json:
    """All but metadata and status: for kinds that are watched in another version than they are sent in."""
    return {key: value for key, value in live.body().items() if key not in {"metadata", "status"}}


def went_back(change: Change[Object]) -> bool:
    """Whether an object is older than it was: the member was restored from a backup. No watch tells so otherwise."""
    old, new = change.old, change.new
    return old is not None and new is not None and older(new.resource_version, old.resource_version)


def older(one: str, other: str) -> bool:
    """Whether resourceVersion `one` of an object came before `other` (KEP-5504: they compare as numbers)."""
    return one.isdigit() and other.isdigit() and int(one) < int(other)
