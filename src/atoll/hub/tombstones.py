"""What is still to be removed from clusters that were away when an application ended.

A ConfigMap a cluster, in `atoll-system`, and more where one can't hold it; a key is the application's UID. It is
written before the application's finalizer goes, and an entry leaves it when nothing of that application is left on the
cluster.
"""

import asyncio
import contextlib
import re
import time
from collections import defaultdict
from itertools import count

import msgspec
import structlog

from atoll.api.delivery import Removal
from atoll.api.manner import OWN_MANNER, Manner
from atoll.api.names import SYSTEM_NAMESPACE, tombstones
from atoll.api.objects import Key
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, NotFound
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime import failpoints

log = structlog.get_logger(__name__)

LABEL = "atoll.dev/tombstones"
NAME = re.compile(r"tombstones(?:\.(?P<page>\d+))?-(?P<cluster>.+)")
FULL = 700_000
"""Bytes of a page, of the 1,048,576 that a ConfigMap may have: a former leader may not have heard of the latest."""


class Tombstone(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One application on one cluster. `cluster_uid`: a cluster rebuilt under the name owes nothing."""

    application: str
    cluster_uid: str
    orphan: bool = False
    since: float = 0.0
    manner: Manner = OWN_MANNER


class _Pages:
    """Which page of a cluster's holds which entry."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, int]] = {}
        """Page and bytes, by UID."""
        self._filled: defaultdict[int, int] = defaultdict(int)

    def page(self, uid: str, size: int) -> int:
        """Where entry `uid` is, or else where there is room for it."""
        page, _ = self._entries.get(uid, (0, 0))
        return page or next(page for page in count(1) if self._filled[page] + size <= FULL or not self._filled[page])

    def put(self, uid: str, page: int, size: int) -> None:
        self.drop(uid)
        self._entries[uid] = page, size
        self._filled[page] += size

    def drop(self, uid: str) -> None:
        page, size = self._entries.pop(uid, (0, 0))
        self._filled[page] -= size

    @property
    def last(self) -> int:
        return max(self._filled, default=1)


class Tombstones:
    """All of them, read once at start; this hub is their only writer."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_cluster: dict[str, dict[str, Tombstone]] = {}
        self._pages: defaultdict[str, _Pages] = defaultdict(_Pages)
        self._paid: defaultdict[str, set[str]] = defaultdict(set)
        """By cluster: UIDs of which nothing is left there, and whose entries are still to be taken away."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def load(self) -> None:
        listing = await self._client.list(CONFIGMAPS, SYSTEM_NAMESPACE, labels=LABEL)
        for configmap in listing.items:
            if (name := NAME.fullmatch(configmap.name)) is None:
                continue
            cluster, page = name["cluster"], int(name["page"] or 1)
            known = self._by_cluster.setdefault(cluster, {})
            for uid, text in (configmap.body().get("data") or {}).items():
                self._pages[cluster].put(uid, page, len(uid) + len(text))
                try:
                    known[uid] = msgspec.json.decode(text, type=Tombstone)
                except msgspec.MsgspecError as error:  # the others count all the same, and so does the hub's start
                    log.warning(
                        "a tombstone can't be read: what it is for stays", cluster=cluster, uid=uid, why=str(error)
                    )

    def removals(self, cluster: str, cluster_uid: str) -> tuple[Removal, ...]:
        """What is to be removed from `cluster`, when it is still the one that the tombstones are about."""
        return tuple(
            Removal(Key.parse(stone.application), uid, cluster, stone.orphan, manner=stone.manner)
            for uid, stone in self._by_cluster.get(cluster, {}).items()
            if stone.cluster_uid in {"", cluster_uid} and uid not in self._paid[cluster]
        )

    def owed(self, cluster: str, uid: str) -> bool:
        """Whether something of application `uid` is still to be removed from `cluster`."""
        return uid in self._by_cluster.get(cluster, ()) and uid not in self._paid[cluster]

    async def lay(self, removal: Removal, cluster_uid: str) -> bool:
        """Remember `removal`; the latest word counts. Returns when it is on the hub's disk, whether that is new."""
        stone = Tombstone(str(removal.key), cluster_uid, removal.orphan, round(time.time(), 3), removal.manner)
        async with self._locks[removal.cluster]:
            known = self._by_cluster.setdefault(removal.cluster, {})
            self._paid[removal.cluster].discard(removal.uid)
            before = known.get(removal.uid)
            if before is not None and msgspec.structs.replace(stone, since=before.since) == before:
                return False
            text, pages = msgspec.json.encode(stone).decode(), self._pages[removal.cluster]
            size = len(removal.uid) + len(text)
            page = pages.page(removal.uid, size)
            await self._write(tombstones(removal.cluster, page), removal.uid, text)
            pages.put(removal.uid, page, size)
            known[removal.uid] = stone
            return True

    def paid(self, cluster: str, uid: str) -> bool:
        """Nothing of application `uid` is left on `cluster`: if there is a tombstone (the answer), `clear` lifts it."""
        there = uid in self._by_cluster.get(cluster, {})
        if there:
            self._paid[cluster].add(uid)
        return there

    async def clear(self, cluster: str) -> None:
        """Lift the tombstones of what was paid. Raises KubeError; what is left then is tried again next time."""
        for uid in sorted(self._paid[cluster]):
            await self.lift(cluster, uid)
            self._paid[cluster].discard(uid)

    async def lift(self, cluster: str, uid: str) -> None:
        """Nothing of application `uid` is left on `cluster`."""
        async with self._locks[cluster]:
            known = self._by_cluster.get(cluster, {})
            if uid in known:
                pages = self._pages[cluster]
                await self._write(tombstones(cluster, pages.page(uid, 0)), uid, None)
                pages.drop(uid)
                del known[uid]

    async def drop(self, cluster: str) -> None:
        """The cluster left the fleet: what it owed is no longer ours."""
        async with self._locks[cluster]:  # after what is being laid
            self._by_cluster.pop(cluster, None)
            self._paid.pop(cluster, None)
            for page in range(1, self._pages.pop(cluster, _Pages()).last + 1):
                with contextlib.suppress(NotFound):
                    await self._client.delete(CONFIGMAPS, tombstones(cluster, page), SYSTEM_NAMESPACE)

    async def gone(self, cluster: str) -> None:
        """There is no such cluster any more: what was laid for it while it left is dropped, too."""
        if self._by_cluster.get(cluster) or self._locks[cluster].locked():
            await self.drop(cluster)

    @failpoints.around("hub.tombstone")
    async def _write(self, name: str, uid: str, stone: str | None) -> None:
        """One entry alone: a hub that leads no more and doesn't know it yet leaves the others as they are."""
        data = {"data": {uid: stone}}
        while True:
            try:
                await self._client.patch(CONFIGMAPS, name, SYSTEM_NAMESPACE, data)
            except NotFound:
                if stone is None:
                    return
            else:
                return
            metadata = {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {LABEL: "true"}}
            try:
                await self._client.create(
                    CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **data}
                )
            except AlreadyExists:
                continue
            return
