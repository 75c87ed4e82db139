"""The ApplySet parent (KEP-3659): the member's own record of which kinds and namespaces hold objects of this hub.

It is written before a kind or namespace is first used, so whoever reads it finds everything, whatever was lost.
No kind is taken out of it: one too many costs one watch. Namespaces are for other tools, and for rights in some only.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable

from atoll.api.names import (
    APPLYSET_GROUP_KINDS,
    APPLYSET_LABEL_ID,
    APPLYSET_NAMESPACES,
    APPLYSET_TOOLING,
    FIELD_MANAGER,
    TOOLING,
    applyset_parent,
)
from atoll.api.objects import GroupKind
from atoll.deliver.gate import Gate
from atoll.deliver.namespaces import Namespaces
from atoll.deliver.stamp import applyset_id
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, NotFound
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime import failpoints

ATTEMPTS = 5
MOST = 192 << 10
"""Characters of namespaces on record: an object has 256 KiB of annotations at most."""


class ApplySet:
    """One hub's parent on one member. `used()` are the namespaces in which something of the hub's is known to be."""

    def __init__(
        self,
        client: Client,
        hub: str,
        gate: Gate,
        namespaces: Namespaces,
        used: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._used = used
        self._client = client
        self._hub = hub
        self._home = client.config.home
        self._gate = gate
        self._namespaces = namespaces
        self._writing = asyncio.Lock()
        self._wanted_kinds: set[GroupKind] = set()
        self._wanted_namespaces: set[str] = set()
        self.missing = False
        """There was no record: see `unrecorded`."""
        self.kinds: frozenset[GroupKind] = frozenset()
        self._written_namespaces: frozenset[str] = frozenset()
        self._version = ""
        """The record's resourceVersion, as it was read or written last."""
        self._doubted = False

    async def read(self) -> None:
        """Learn what the member records."""
        try:
            name = applyset_parent(self._hub)
            parent = await self._gate.send(lambda: self._client.get(CONFIGMAPS, name, self._home))
        except NotFound:
            self.missing, self.kinds, self._written_namespaces, self._version = True, frozenset(), frozenset(), ""
            return
        self._version = parent.resource_version
        self._namespaces.seen(self._home)
        kinds = parent.annotations.get(APPLYSET_GROUP_KINDS, "")
        self.kinds = frozenset(_parse_kind(text) for text in kinds.split(",") if text)
        namespaces = parent.annotations.get(APPLYSET_NAMESPACES, "")
        self._written_namespaces = frozenset(text for text in namespaces.split(",") if text)

    @property
    def namespaces(self) -> frozenset[str]:
        return self._written_namespaces

    def covers(self, kinds: Iterable[GroupKind], namespaces: Iterable[str]) -> bool:
        known = self.kinds.issuperset(kinds) and self._written_namespaces.issuperset(namespaces)
        return known and not self._doubted

    def doubt(self) -> None:
        """The member was restored from a backup, and the record with it: what it lacks now is put back before more is
        delivered.
        """
        self._doubted = True

    async def cover(self, kinds: Iterable[GroupKind], namespaces: Iterable[str]) -> None:
        """Return when the member records all of `kinds` and `namespaces`. Those who ask at once share one write."""
        kinds = frozenset(kinds)
        named = frozenset(namespaces) - {"", self._home}
        if self.covers(kinds, named):
            return
        self._wanted_kinds |= kinds
        self._wanted_namespaces |= named
        async with self._writing:
            if self._doubted:
                await self._read_anew()
                self._doubted = False
                kinds, named = frozenset(self._wanted_kinds), frozenset(self._wanted_namespaces)
            for attempt in range(ATTEMPTS):
                if self.covers(kinds, named):
                    return
                try:
                    await self._write(
                        self.kinds | self._wanted_kinds, self._written_namespaces | self._wanted_namespaces
                    )
                except (AlreadyExists, Conflict):  # another process of the hub was here: what it wrote counts, too
                    if attempt == ATTEMPTS - 1:
                        raise
                    await self._read_anew()

    async def _read_anew(self) -> None:
        self._wanted_kinds |= self.kinds
        self._wanted_namespaces |= self._written_namespaces
        missing = self.missing
        await self.read()
        self.missing = self.missing or missing

    @failpoints.around("deliver.applyset")
    async def _write(self, kinds: frozenset[GroupKind], namespaces: frozenset[str]) -> None:
        await self._namespaces.ensure(self._home)
        name = applyset_parent(self._hub)
        annotations = {
            APPLYSET_TOOLING: TOOLING,
            APPLYSET_GROUP_KINDS: ",".join(sorted(str(kind) for kind in kinds)),
            APPLYSET_NAMESPACES: ",".join(self._fitting(namespaces)),
        }
        labels = {APPLYSET_LABEL_ID: applyset_id(self._hub, self._home)}
        metadata = {"name": name, "namespace": self._home, "labels": labels, "annotations": annotations}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        try:
            written = await self._gate.send(
                lambda: self._client.apply(
                    CONFIGMAPS,
                    body,
                    name=name,
                    namespace=self._home,
                    manager=FIELD_MANAGER,
                    force=True,
                    only_create=not self._version,
                    resource_version=self._version,
                )
            )
        except NotFound:  # the namespace went meanwhile
            self._namespaces.lost(self._home)
            raise
        self.kinds, self._written_namespaces, self._version = kinds, namespaces, written.resource_version

    def _fitting(self, namespaces: frozenset[str]) -> list[str]:
        """As many as there is room for. Previews come and go, ten thousand in time: those of old are left out first."""
        if sum(len(name) + 1 for name in namespaces) <= MOST:
            return sorted(namespaces)
        used, wanted, room, fitting = self._used(), self._wanted_namespaces, MOST, list[str]()
        for name in sorted(namespaces, key=lambda name: (name not in used, name not in wanted, name)):
            room -= len(name) + 1
            if room < 0:
                break
            fitting.append(name)
        return sorted(fitting)


def _parse_kind(text: str) -> GroupKind:
    kind, _, group = text.partition(".")
    return GroupKind(group, kind)
