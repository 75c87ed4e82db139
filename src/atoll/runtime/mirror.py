"""The copy that an informer keeps, without the network: lists and events in, changes out.

Changes come from generators that have applied each one when they yield it, so whoever is told of a change finds the
copy in the state that it describes.
"""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

import msgspec
import structlog

from atoll.api.objects import ObjectId
from atoll.kube.client import Listing
from atoll.kube.objects import Object
from atoll.kube.pool import Pool
from atoll.kube.watching import WatchEvent
from atoll.runtime.changes import Change

log = structlog.get_logger(__name__)

T = TypeVar("T")


class WentBackError(Exception):
    """The server's versions are older than what we saw: it was restored from a backup. List again."""


class _Seen(msgspec.Struct, Generic[T], frozen=True):
    """What was made of an object. An object that is kept as it is needs none."""

    uid: str
    resource_version: str
    value: T


_IDS: Pool[ObjectId] = Pool()
"""Clusters have objects of the same names."""


class Mirror(Generic[T]):
    """What `transform` makes of each object, and the version up to which it is known ("" before a first list).

    Without a `transform`, T is Object.
    """

    def __init__(self, transform: Callable[[Object], T] | None = None) -> None:
        self.version = ""
        self._transform = transform
        self._seen: dict[ObjectId, _Seen[T] | Object] = {}
        self._reached = ""
        """The last version, kept while a new list is awaited: what own writes made up to it has been seen."""
        self._ahead: dict[ObjectId, str] = {}
        """Own writes that neither a list nor the watch has brought yet: the versions that they made."""
        self._echoes: dict[str, ObjectId] = {}
        """The same, by version."""

    def get(self, identity: ObjectId) -> T | None:
        seen = self._seen.get(identity)
        return None if seen is None else self._value(seen)

    def items(self) -> list[tuple[ObjectId, T]]:
        return [(identity, self._value(seen)) for identity, seen in self._seen.items()]

    def values(self) -> list[T]:
        return [self._value(seen) for seen in self._seen.values()]

    def __len__(self) -> int:
        return len(self._seen)

    def _value(self, seen: _Seen[T] | Object) -> T:
        return cast("T", seen) if isinstance(seen, Object) else seen.value

    def listed(self, listing: Listing) -> Iterator[Change[T]]:
        """Become what `listing` says; tells what differs, deletions last. The version is known when it is exhausted.

        Own writes made while the server wrote the listing are newer than it: they stay.
        """
        version = listing.resource_version
        restored = _compare(version, self._reached) < 0
        if restored:
            self._ahead.clear()  # the server was restored from a backup: they are lost
            self._echoes.clear()
        gone = dict.fromkeys(self._seen)
        for found in listing.items:
            gone.pop(found.id, None)
            if not self._overtaken(found.id, version):
                yield from self._put(found, again=restored)
        for identity in gone:
            if not self._overtaken(identity, version):
                yield from self._drop(identity)
        self.version = self._reached = version

    def saw(self, event: WatchEvent) -> Iterator[Change[T]]:
        """Take one event of the watch. What was seen already is passed over; raises WentBackError."""
        found = event.object
        age = _compare(found.resource_version, self.version)
        if event.type == "BOOKMARK":
            if age < 0:
                raise WentBackError(f"bookmark {found.resource_version} after version {self.version}")
            if lost := [i for i in tuple(self._ahead) if not self._overtaken(i, found.resource_version)]:
                raise WentBackError(f"{lost[0]} was written, and never came")
            self.version = self._reached = found.resource_version
        elif age > 0:
            # The version moves last: if a consumer stops in the middle, the event is asked for again.
            if not self._overtaken(found.id, found.resource_version):
                yield from self._drop(found.id) if event.type == "DELETED" else self._put(found)
            self.version = self._reached = found.resource_version

    def wrote(self, found: Object) -> Iterator[Change[T]]:
        """Take the answer to an own write, unless it, or something later, was seen already.

        Versions that aren't numbers can't tell: the watch will.
        """
        version, seen = found.resource_version, self._seen.get(found.id)
        known = (self._reached, seen.resource_version if seen is not None else "")
        if version.isdecimal() and all(not old or _compare(version, old) > 0 for old in known):
            self._echoes.pop(self._ahead.get(found.id, ""), None)
            self._ahead[found.id] = version
            self._echoes[version] = found.id
            yield from self._put(found)

    def echo(self, version: str) -> bool:
        """Whether the watch brings, with `version`, what an own write made and nobody changed since: that is taken.

        If not, the event has to be looked at.
        """
        identity = self._echoes.get(version)
        if identity is None or self._ahead.get(identity) != version or _compare(version, self.version) <= 0:
            return False
        seen = self._seen.get(identity)
        if seen is None or seen.resource_version != version:
            return False
        del self._ahead[identity], self._echoes[version]
        self.version = self._reached = version
        return True

    def _overtaken(self, identity: ObjectId, version: str) -> bool:
        """Whether an own write of this object is newer than what is told as of `version`; if not, it has arrived."""
        ahead = self._ahead.get(identity)
        if ahead is None:
            return False
        if _compare(version, ahead) < 0:
            return True
        del self._ahead[identity]
        self._echoes.pop(ahead, None)
        return False

    def _put(self, found: Object, *, again: bool = False) -> Iterator[Change[T]]:
        """`again`: what is known by the same version may be something else, as versions are given out anew."""
        identity = found.id
        identity = _IDS.one(identity, hash(identity))
        seen = self._seen.get(identity)
        if seen is not None and seen.uid != found.uid:  # another object of the same name: the first one went unseen
            yield from self._drop(identity)
            seen = None
        if seen is not None and seen.resource_version == found.resource_version and not again:
            return
        now: _Seen[T] | Object = found
        if self._transform is not None:
            try:
                now = _Seen(found.uid, found.resource_version, self._transform(found))
            except Exception:
                log.exception("an object could not be read, and is passed over", object=str(identity))
                return
        self._seen[identity] = now
        yield Change(identity, None if seen is None else self._value(seen), self._value(now))

    def _drop(self, identity: ObjectId) -> Iterator[Change[T]]:
        seen = self._seen.pop(identity, None)
        if seen is not None:
            yield Change(identity, self._value(seen), None)


def _compare(one: str, other: str) -> int:
    """-1, 0 or 1 as `one` is older, the same or newer (KEP-5504); versions that aren't numbers count as newer."""
    if not (one.isdecimal() and other.isdecimal()):
        return 1
    return (int(one) > int(other)) - (int(one) < int(other))
