"""One watch as the server sends it: events as lines, without sockets.

The state of a watch is the revision up to which everything was told. An object that begins or ceases to be selected is
told as ADDED or DELETED.
"""

from collections.abc import Iterator

import msgspec

from atoll.api.objects import Json
from atoll.testing.fakeapi.kinds import Kind, Kinds
from atoll.testing.fakeapi.refusals import Refusal
from atoll.testing.fakeapi.selecting import Match
from atoll.testing.fakeapi.store import Store, Write

_encode = msgspec.json.Encoder().encode


def line(kind: str, body: Json) -> bytes:
    return _encode({"type": kind, "object": body}) + b"\n"


class Watch:
    """The events of `kind` in `namespace` ("" is all) that `match` selects, after `revision`."""

    def __init__(self, store: Store, kind: Kind, namespace: str, match: Match, revision: int) -> None:
        self.revision = revision
        self._store = store
        self._kind = kind
        self._namespace = namespace
        self._match = match

    def initial(self) -> Iterator[bytes]:
        """What is there now, as ADDED; the watch goes on from here."""
        self.revision = self._store.revision
        for body in list(self._store.all(self._kind.group_kind).values()):
            if self._selected(body):
                yield line("ADDED", self._shown(body))

    def news(self) -> Iterator[bytes]:
        """What happened since. Raises Refusal (410) when that was compacted."""
        writes, self.revision = list(self._store.since(self.revision)), max(self.revision, self._store.revision)
        for write in writes:
            if (event := self._event(write)) is not None:
                yield event

    async def wait_news(self) -> None:
        """Until `news` may have something to tell, or an error."""
        store, kind = self._store, self._kind.group_kind
        if not any(write.kind == kind for write in store.since(self.revision)):
            self.revision = max(self.revision, store.revision)
            await store.wait_news(kind)

    def older(self, events: int) -> list[bytes]:
        """The last few events up to our revision, as far as they are remembered."""
        writes = [w for w in self._store.since(self._store.compacted) if w.revision <= self.revision]
        told = [event for write in writes if (event := self._event(write)) is not None]
        return told[len(told) - min(events, len(told)) :]

    def bookmark(self, *, initial_end: bool = False) -> bytes:
        told = min(self.revision, self._store.revision)  # a client may come from a future that a restore took back
        metadata: Json = {"resourceVersion": str(told), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        resource = self._kind.resource
        return line("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})

    def is_served(self, kinds: Kinds) -> bool:
        """Whether the kind is still there: a CRD may have gone."""
        resource = self._kind.resource
        return kinds.find(resource.group, resource.version, resource.plural) is not None

    def error(self, refusal: Refusal) -> bytes:
        return line("ERROR", refusal.status())

    def _event(self, write: Write) -> bytes | None:
        if write.kind != self._kind.group_kind:
            return None
        before = write.old is not None and self._selected(write.old)
        after = write.new is not None and self._selected(write.new)
        if after and write.new is not None:
            return line("MODIFIED" if before else "ADDED", self._shown(write.new))
        if before and write.old is not None:  # the last state that was selected, at the revision of the change
            version = write.last["metadata"]["resourceVersion"]
            last = {**write.old, "metadata": {**write.old["metadata"], "resourceVersion": version}}
            return line("DELETED", self._shown(last))
        return None

    def _selected(self, body: Json) -> bool:
        return (not self._namespace or body["metadata"].get("namespace") == self._namespace) and self._match(body)

    def _shown(self, body: Json) -> Json:
        return shown(self._kind, body)


def shown(kind: Kind, body: Json) -> Json:
    """`body` in the version of `kind`."""
    version = kind.resource.api_version
    return body if body["apiVersion"] == version else {**body, "apiVersion": version}
