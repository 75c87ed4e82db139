"""One pass over one application on one member: what is wanted goes there in order, what is left out goes away."""

import asyncio
import time
from collections.abc import Callable, Iterable

from atoll.api.delivery import Delivery, Doing, ObjectOutcome, ObjectState
from atoll.api.objects import GroupKind, ObjectId
from atoll.deliver.applyset import ApplySet
from atoll.deliver.compiled import Compiler
from atoll.deliver.kinds import Kinds, established
from atoll.deliver.ledger import Ledger
from atoll.deliver.order import NAMESPACE
from atoll.deliver.refusals import LATER, Refusal, RefusedError, refusal, wait_after
from atoll.deliver.replacing import Replacer
from atoll.deliver.stamp import Item
from atoll.deliver.together import together
from atoll.deliver.writer import Writer, fighting
from atoll.kube.errors import InternalError, KindNotServed, KubeError, ServerTimeout, Unavailable, Unreachable
from atoll.kube.objects import Resource
from atoll.runtime.watchset import WatchSet

_RESULTS = {"Conflict": "conflict", "Pending": "failed"}
IN_DOUBT = (Unreachable, InternalError, Unavailable, ServerTimeout, asyncio.CancelledError)
"""After these nobody knows whether a request was carried out."""


class Carrying:
    """Brings deliveries onto one member."""

    def __init__(
        self,
        compiler: Compiler,
        kinds: Kinds,
        applyset: ApplySet,
        watches: WatchSet,
        writer: Writer,
        replacer: Replacer,
        count: Callable[[str, str, float], None],
    ) -> None:
        self._count = count
        self._compiler = compiler
        self._kinds = kinds
        self._applyset = applyset
        self._watches = watches
        self._writer, self._replacer = writer, replacer

    async def carry(self, ledger: Ledger, delivery: Delivery) -> None:
        """One pass. What became of each object stands in the ledger. Raises KubeError when nothing can be done now."""
        if ledger.compiled is not delivery:  # 1 what is wanted, with our marks
            await self._compile(ledger, delivery)
        todo = sorted((ledger.items[key] for key in ledger.take()), key=lambda item: item.stage)
        try:
            if self._watches.namespaces:
                todo = [item for item in todo if await self._admitted(item, ledger)]
            await self._applyset.cover(  # 2 on record before it is used
                {item.id.group_kind for item in todo}, {item.id.namespace for item in todo}
            )
            for items in _by_step(todo):  # 3 step by step: namespaces, CRDs, waves
                if not ledger.serves(delivery):
                    return
                await self._step(items, ledger, delivery)
        except BaseException:
            ledger.dirty.update(item.id for item in todo)  # nothing is forgotten
            raise

    async def _admitted(self, item: Item, ledger: Ledger) -> bool:
        """Whether it may be delivered at all. Of what may not, nothing goes on record: none of it can be here."""
        try:
            await self._kinds.admit(item.id, item.version)
        except KubeError as error:
            ledger.held.discard(item.id)
            self._troubled(item, ledger, error)
            return False
        return True

    async def _compile(self, ledger: Ledger, delivery: Delivery) -> None:
        wanted = await self._compiler.compile(delivery)
        for gone in ledger.records.keys() - wanted.items.keys():
            del ledger.records[gone]
            ledger.troubled.pop(gone, None)
        ledger.wanted, ledger.compiled = wanted, delivery
        ledger.held &= wanted.items.keys()

    async def _step(self, items: list[Item], ledger: Ledger, delivery: Delivery) -> None:
        items = [item for item in items if not self._settled(item, ledger)]
        if (before := _holding(ledger, items)) is not None:
            items = [item for item in items if not self._hold(item, ledger, before)]
        resources = await self._resources(items, ledger)

        async def bring(item: Item) -> None:
            resource = resources.get((item.id.group_kind, item.version))
            if resource is not None and ledger.serves(delivery):
                await self._bring(item, resource, ledger, delivery)

        await together(items, bring)

    def _settled(self, item: Item, ledger: Ledger) -> bool:
        """Whether it is known to be as it should be: nothing to compare."""
        record = ledger.records.get(item.id)
        if record is None or not record.version or item.id in ledger.troubled:
            return False
        if record.digest != item.digest or record.retained != item.retained:
            return False
        live = ledger.current(item.id, self._watches.get(item.id))
        return live is not None and live.resource_version == record.version

    def _hold(self, item: Item, ledger: Ledger, before: ObjectId) -> bool:
        """Let `item` wait for an earlier step, unless it is there already and only to be put right."""
        record = ledger.records.get(item.id)
        if record is not None and record.version and record.digest == item.digest:
            return False
        ledger.held.add(item.id)
        ledger.note(item.id, ObjectOutcome(item.id, "Waiting", "WaveHeld", f"waits for {before}"))
        return True

    async def _resources(self, items: list[Item], ledger: Ledger) -> dict[tuple[GroupKind, str], Resource]:
        """Where each kind is served, watched from now on. Kinds that aren't: their objects wait, the rest goes."""
        wanted = {(item.id.group_kind, item.version) for item in items}
        found = {key: resource for key in wanted if (resource := self._kinds.followed(*key)) is not None}
        if len(found) == len(wanted):
            return found

        async def resolve(key: tuple[GroupKind, str]) -> None:
            try:
                found[key] = await self._served(*key, ledger)
                await self._kinds.watch(found[key])
            except (KubeError, RefusedError) as error:
                found.pop(key, None)
                if isinstance(error, KindNotServed):
                    self._kinds.forget(key[0])
                for item in items:
                    if (item.id.group_kind, item.version) == key:
                        self._troubled(item, ledger, error)

        await together(sorted(wanted - found.keys()), resolve)
        return found

    async def _served(self, kind: GroupKind, version: str, ledger: Ledger) -> Resource:
        crd = ledger.wanted.defines.get(kind)
        if crd is not None and self._kinds.known(kind, version) is None:
            live = ledger.current(crd, self._watches.get(crd))
            if live is None or not established(live):
                text = f"its definition {crd} is not established yet"
                raise RefusedError(Refusal("Waiting", "DefinitionNotEstablished", text, (0.5, 10.0)))
            self._kinds.defined(live)
        return await self._kinds.resource(kind, version)

    async def _bring(self, item: Item, resource: Resource, ledger: Ledger, delivery: Delivery) -> None:
        ledger.held.discard(item.id)
        ledger.working.add(item.id)
        began = time.perf_counter()
        try:
            if bool(item.id.namespace) != resource.namespaced:
                self._kinds.forget(item.id.group_kind)  # its definition may be made anew, in the other scope
                raise RefusedError(_misplaced(item, resource))
            if (error := self._kinds.refused(item.id)) is not None:
                raise error
            written = await self._write(item, resource, ledger, delivery)
        except (KubeError, RefusedError) as error:
            if isinstance(error, KindNotServed):
                self._kinds.forget(item.id.group_kind)
            self._troubled(item, ledger, error)
            result = _RESULTS.get(ledger.troubled[item.id].state, "refused")
            self._count(delivery.uid, result, time.perf_counter() - began)
        else:
            if delivery.manner.whole:
                ledger.doing.pop(item.id, None)
            self._done(item, ledger)
            self._count(delivery.uid, "applied" if written else "unchanged", time.perf_counter() - began)
        finally:
            ledger.worked(item.id, self._watches.get(item.id))

    async def _write(self, item: Item, resource: Resource, ledger: Ledger, delivery: Delivery) -> bool:
        try:
            writer = self._replacer if delivery.manner.whole else self._writer
            return await writer.bring(item, resource, lambda: self._watches.get(item.id), ledger, delivery)
        except IN_DOUBT:
            ledger.unsure.add(item.id)
            raise

    def _done(self, item: Item, ledger: Ledger) -> None:
        """Applied; while somebody fights over it, that is said until it has been quiet for a while."""
        record = ledger.record(item.id)
        now = time.monotonic()
        if record.fight is None or not record.fight.on or record.fight.over(now):
            ledger.note(item.id, None)
            return
        quiet = record.fight.last + record.fight.QUIET
        told = fighting(record.fight, quiet - now)
        ledger.note(item.id, ObjectOutcome(item.id, told.state, told.reason, told.message))
        record.due = quiet

    def _troubled(self, item: Item, ledger: Ledger, error: KubeError | RefusedError) -> None:
        found = error.refusal if isinstance(error, RefusedError) else refusal(error, item.id.group_kind)
        doing: Doing = ledger.doing.pop(item.id, "read") if ledger.wanted.manner.whole else ""
        record = ledger.record(item.id)
        record.due = time.monotonic() + wait_after(record.failures, found.wait)
        record.failures += 1
        ledger.note(item.id, ObjectOutcome(item.id, found.state, found.reason, found.message, doing))


def _by_step(items: Iterable[Item]) -> list[list[Item]]:
    steps: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        steps.setdefault(item.stage.step, []).append(item)
    return list(steps.values())


def _holding(ledger: Ledger, items: list[Item]) -> ObjectId | None:
    """An object of an earlier step for which these wait.

    A kind that isn't served waits alone. A namespace that is somebody else's, or that we may not make, is there all the
    same, or the objects will tell. A fight is about what has been applied.
    """
    if not items or not ledger.troubled:
        return None
    step = items[0].stage.step
    for key, outcome in ledger.troubled.items():
        item = ledger.items.get(key)
        if item is None or item.stage.step >= step or outcome.reason in {"KindNotServed", "Fighting"}:
            continue
        if key.group_kind == NAMESPACE and (outcome.state == "Conflict" or outcome.reason == "Forbidden"):
            continue
        return key
    return None


def _misplaced(item: Item, resource: Resource) -> Refusal:
    state: ObjectState = "Failed"
    if resource.namespaced:
        return Refusal(
            state, "NamespaceMissing", f"{item.id.kind} is namespaced here, and the manifest names none", LATER
        )
    text = f"{item.id.kind} is cluster-scoped here, and the manifest names namespace {item.id.namespace}"
    return Refusal(state, "ClusterScoped", text, LATER)
