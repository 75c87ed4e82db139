"""What a former manager of the same dialect left on a member: objects with its labels that belong to no Application.

Found by a watch of just those, for each kind that a front end names; where nothing was left, it is empty and silent.
The front end decides about each: a delivery takes it, or it goes, or it loses the labels and is nobody's.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import structlog

from atoll.api.names import FIELD_MANAGER, LABEL_APP
from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.deliver.departures import holder
from atoll.deliver.gate import Gate
from atoll.deliver.kinds import Kinds
from atoll.deliver.marks import inherited
from atoll.deliver.together import together
from atoll.fleet.member import Member
from atoll.kube.errors import Conflict, KindNotServed, KubeError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.runtime import failpoints
from atoll.runtime.changes import Change
from atoll.runtime.ratelimit import Backoff
from atoll.runtime.watchset import WatchSet

log = structlog.get_logger(__name__)

Verdict = Literal["keep", "delete", "unmark"]
TRY_AGAIN = 1.0, 120.0
"""First and longest pause, in seconds, before what failed is tried again."""
LOOK_FOR_KIND = 5.0, 600.0
"""The same, before a kind that isn't served, or may not be read, is looked for again."""


def _keep(_cluster: str, _about: ObjectId) -> Verdict:
    return "keep"


class Estate(msgspec.Struct, frozen=True):
    """What is looked for: objects of `kinds` with all of `labels`. `decide(cluster, object)` says what becomes of one.

    Without kinds nothing is.
    """

    labels: Mapping[str, str] = {}
    kinds: frozenset[GroupKind] = frozenset()
    decide: Callable[[str, ObjectId], Verdict] = _keep

    def verdict(self, cluster: str, about: ObjectId) -> Verdict:
        """What is decided. Where deciding fails, the object is kept, and nobody else suffers."""
        try:
            return self.decide(cluster, about)
        except Exception:
            log.exception("not decided", object=str(about), cluster=cluster)
            return "keep"

    @property
    def selector(self) -> str:
        return ",".join((*(f"{key}={value}" for key, value in sorted(self.labels.items())), f"!{LABEL_APP}"))


class Heirs:
    """Sees to one member's estate. `settle` says that another is wanted, or that decisions may differ from before."""

    def __init__(self, member: Member, gate: Gate, kinds: Kinds, estate: Estate) -> None:
        self._member = member
        self._gate = gate
        self._kinds = kinds
        self._estate = estate
        self._dirty: set[ObjectId] = set()
        self._missing: frozenset[GroupKind] = frozenset()
        """Kinds that could not be watched when they were looked for last."""
        self._stir = asyncio.Event()
        self._again = Backoff(*TRY_AGAIN)
        self._look = Backoff(*LOOK_FOR_KIND)

    def settle(self, estate: Estate) -> None:
        """`estate` is wanted from now on, and everything is decided anew."""
        self._estate = estate
        self._again.reset()
        self._stir.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while not self._estate.kinds:
                await self._stir.wait()
                self._stir.clear()
            await self._keep_to(self._estate.selector)

    async def _keep_to(self, selector: str) -> None:
        """While objects with these labels are looked for."""
        member, estate = self._member, None
        namespaces = member.watches.namespaces
        async with WatchSet(
            member.client, selector, lambda _: None, self._broke, namespaces=namespaces, scope=member.name
        ) as watches:
            unsubscribe = watches.subscribe(self._changed)
            try:
                looked = 0.0
                while self._estate.kinds and self._estate.selector == selector:
                    lost = self._estate.kinds - watches.kinds() - self._missing
                    if estate is not self._estate or lost or time.monotonic() >= looked:
                        await self._follow(watches)
                        looked = time.monotonic() + self._look.next() if self._missing else float("inf")
                    if estate is not self._estate:
                        estate = self._estate
                        self._dirty |= {live.id for live in watches.all()}
                    failed = await self._decide(watches, estate)
                    await self._wait(min(looked, time.monotonic() + self._again.next() if failed else looked))
            finally:
                unsubscribe()
                self._dirty.clear()

    async def _wait(self, until: float) -> None:
        try:
            async with asyncio.timeout(None if until == float("inf") else max(0.0, until - time.monotonic())):
                await self._stir.wait()
        except TimeoutError:
            return
        self._stir.clear()

    def _changed(self, change: Change[Object]) -> None:
        if change.new is not None:
            self._dirty.add(change.id)
            self._stir.set()

    def _broke(self, _resource: Resource, _error: KubeError) -> None:
        self._stir.set()

    async def _follow(self, watches: WatchSet) -> None:
        """Watch the kinds that are wanted and no others."""
        wanted, missing = self._estate.kinds, set[GroupKind]()

        async def follow(kind: GroupKind) -> None:
            try:
                await watches.ensure(await self._kinds.resource(kind))
            except KubeError as error:
                missing.add(kind)
                if isinstance(error, KindNotServed):
                    self._kinds.forget(kind)
                log.debug("not looked for", kind=str(kind), cluster=self._member.name, why=str(error))

        for kind in watches.kinds() - wanted:
            watches.stop(kind)
        await together(sorted(wanted - watches.kinds()), follow)
        self._missing = frozenset(missing)

    async def _decide(self, watches: WatchSet, estate: Estate) -> bool:
        """Do what is decided about each object that came or changed. Whether something failed."""
        dirty, self._dirty = self._dirty, set()
        member = self._member.name

        async def one(about: ObjectId) -> None:
            live = watches.get(about)
            if live is None or live.deleting or not inherited(live, estate.labels):
                return
            verdict = estate.verdict(member, about)
            if verdict == "keep":
                return
            if verdict == "delete" and (within := holder(live)) is not None and self._holds(within):
                log.warning("left as it is: Applications' objects are in it", object=str(about), cluster=member)
                self._dirty.add(about)
                return
            try:
                await (self._delete(live) if verdict == "delete" else self._unmark(live, estate.labels))
            except NotFound:
                return
            except Conflict:  # it changed: the watch brings it, and it is decided anew
                return
            except KubeError as error:
                log.warning("left as it is", object=str(about), cluster=member, error=str(error))
                self._dirty.add(about)
            else:
                log.info("inherited", object=str(about), cluster=member, verdict=verdict)

        await together(sorted(dirty), one)
        return bool(self._dirty & dirty)

    def _holds(self, within: Callable[[ObjectId], bool]) -> bool:
        """Whether an Application has something in what is to be deleted: that would go, too."""
        return any(within(live.id) for live in self._member.watches.all())

    @failpoints.around("deliver.delete")
    async def _delete(self, live: Object) -> None:
        resource = await self._kinds.resource(live.group_kind, live.version)
        await self._gate.send(
            lambda: self._member.client.delete(
                resource, live.name, live.namespace, uid=live.uid, resource_version=live.resource_version
            )
        )

    @failpoints.around("deliver.unmark")
    async def _unmark(self, live: Object, labels: Mapping[str, str]) -> None:
        resource = await self._kinds.resource(live.group_kind, live.version)
        metadata: Json = {"labels": dict.fromkeys(labels), "uid": live.uid, "resourceVersion": live.resource_version}
        patch: Json = {"metadata": metadata}
        await self._gate.send(
            lambda: self._member.client.patch(
                resource, live.name, live.namespace, patch, type="merge", manager=FIELD_MANAGER
            )
        )
