"""What etcd and the watch cache are to an API server: revisions, history, compaction.

Bodies are never changed in place, so lists, watches and history share them.
"""

import asyncio
import bisect
from collections.abc import Callable, Iterator
from typing import NamedTuple

from atoll.api.objects import GroupKind, Json
from atoll.testing.fakeapi.refusals import Refusal, expired

Name = tuple[str, str]
"""Namespace and name."""


class Write(NamedTuple):
    """One revision: `old` None is a creation, `new` None a deletion (`last` is then what watches are told)."""

    revision: int
    kind: GroupKind
    name: Name
    old: Json | None
    new: Json | None
    last: Json


class Snapshot(NamedTuple):
    """All objects of one cluster at one revision."""

    revision: int
    objects: dict[GroupKind, dict[Name, Json]]


class Store:
    """All objects of one cluster, by kind."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        """Nothing can be watched or listed from a revision before this one."""
        self._objects: dict[GroupKind, dict[Name, Json]] = {}
        self._history: list[Write] = []
        self._news: dict[GroupKind, asyncio.Event] = {}
        self.on_write: Callable[[Write], None] = lambda _: None
        """Called with each write, after it."""

    def get(self, kind: GroupKind, name: Name) -> Json | None:
        return self._objects.get(kind, {}).get(name)

    def all(self, kind: GroupKind) -> dict[Name, Json]:
        return self._objects.setdefault(kind, {})

    def kinds(self) -> list[GroupKind]:
        return [kind for kind, objects in self._objects.items() if objects]

    def put(self, kind: GroupKind, name: Name, body: Json) -> Json:
        """Write `body` at a new revision; answers with what is stored."""
        self.revision += 1
        new = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.revision)}}
        objects = self.all(kind)
        old = objects.get(name)
        objects[name] = new
        self._remember(Write(self.revision, kind, name, old, new, new))
        return new

    def drop(self, kind: GroupKind, name: Name) -> Json:
        """Delete; the last state bears the revision of the deletion."""
        self.revision += 1
        old = self.all(kind).pop(name)
        last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.revision)}}
        self._remember(Write(self.revision, kind, name, old, None, last))
        return last

    def at(self, kind: GroupKind, revision: int) -> dict[Name, Json]:
        """The objects as they were at `revision`. Raises Refusal: 410 when that is compacted, 504 when yet to come."""
        if revision > self.revision:
            raise too_large(revision, self.revision)
        if revision < self.compacted:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        if revision == self.revision:
            return self.all(kind)
        objects = dict(self.all(kind))
        for write in reversed(list(self.since(revision))):
            if write.kind == kind:
                if write.old is None:
                    objects.pop(write.name, None)
                else:
                    objects[write.name] = write.old
        return objects

    def since(self, revision: int) -> Iterator[Write]:
        """The writes after `revision`, oldest first. Raises Refusal when they are compacted."""
        if revision < self.compacted:
            raise expired()
        start = bisect.bisect_right(self._history, revision, key=lambda write: write.revision)
        yield from self._history[start:]

    def compact(self, revision: int | None = None) -> None:
        """Forget what was before `revision`, or before now."""
        self.compacted = min(self.revision, self.revision if revision is None else revision)
        start = bisect.bisect_right(self._history, self.compacted, key=lambda write: write.revision)
        del self._history[:start]
        for kind in tuple(self._news):
            self.tell(kind)

    def snapshot(self) -> Snapshot:
        """Everything as it is now."""
        return Snapshot(self.revision, {kind: dict(objects) for kind, objects in self._objects.items()})

    def restore(self, snapshot: Snapshot) -> None:
        """Everything as it was then, revisions too; the history since is lost, and what was before is compacted."""
        self.revision = self.compacted = snapshot.revision
        self._objects = {kind: dict(objects) for kind, objects in snapshot.objects.items()}
        self._history.clear()

    async def wait_news(self, kind: GroupKind) -> None:
        """Until something of `kind` is written, or what was written is forgotten."""
        await self._news.setdefault(kind, asyncio.Event()).wait()

    def _remember(self, write: Write) -> None:
        self._history.append(write)
        self.tell(write.kind)
        self.on_write(write)

    def tell(self, kind: GroupKind) -> None:
        """Wake those who wait for news of `kind`."""
        if event := self._news.pop(kind, None):
            event.set()


def too_large(wanted: int, current: int) -> Refusal:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Too large resource version: {wanted}, current: {current}"
    return Refusal(504, "Timeout", message, causes=[cause], retry_after=1)
