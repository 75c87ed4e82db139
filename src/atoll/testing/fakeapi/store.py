"""What etcd and the watch cache are to an API server: revisions, history, compaction.

Bodies are never changed in place, so lists, watches and history share them.
"""

import asyncio
import bisect
from collections.abc import Iterator
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


class Store:
    """All objects of one cluster, by kind."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        """Nothing can be watched or listed from a revision before this one."""
        self._objects: dict[GroupKind, dict[Name, Json]] = {}
        self._history: list[Write] = []
        self._news = asyncio.Event()

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
        self._tell()

    async def wait_news(self, revision: int) -> None:
        """Until there is something after `revision`."""
        while self.revision <= revision:
            await self._news.wait()

    def _remember(self, write: Write) -> None:
        self._history.append(write)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def too_large(wanted: int, current: int) -> Refusal:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Too large resource version: {wanted}, current: {current}"
    return Refusal(504, "Timeout", message, causes=[cause], retry_after=1)
