"""One object onto one member: created, updated, put right, taken over or refused. One request where nothing is odd."""

import time
from collections.abc import Callable
from typing import NoReturn

import msgspec

from atoll.api.delivery import Delivery
from atoll.api.names import ANNOTATION_DIGEST, ANNOTATION_PRUNE, FIELD_MANAGER, HANDOVER_MANAGER
from atoll.api.objects import Json
from atoll.deliver.autoscalers import Autoscalers
from atoll.deliver.compare import Difference, differences
from atoll.deliver.gate import Gate
from atoll.deliver.ledger import NO_FIELDS, Fight, Ledger, Record, older
from atoll.deliver.marks import Whose, judge, kept_on_purpose
from atoll.deliver.namespaces import Namespaces
from atoll.deliver.ownership import adopted, entries, last_writer, managers
from atoll.deliver.refusals import KEEPS_DATA, LATER, SOON, Refusal, RefusedError, immutable, plain
from atoll.deliver.retain import REPLICAS, handover, holding, lookup, omit, split
from atoll.deliver.stamp import Item
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, Invalid, KindNotServed, NotFound
from atoll.kube.objects import Object, Resource
from atoll.runtime import failpoints

ATTEMPTS = 5
"""Races with other writers that one visit sits out; after them the object waits its turn again."""


Look = Callable[[], Object | None]


class Writer:
    """Writes one member's objects. `claimed(uid)`: an Application with this UID is alive, or may be.

    `saw(answer)` is called with what a write made of the object, as soon as the ledger knows it: whoever watches the
    member is not to believe in the state before when the outcome is told.
    """

    def __init__(
        self,
        client: Client,
        gate: Gate,
        namespaces: Namespaces,
        hub: str,
        claimed: Callable[[str], bool],
        saw: Callable[[Object], None],
    ) -> None:
        self._saw = saw
        self._client = client
        self._gate = gate
        self._namespaces = namespaces
        self._hub = hub
        self._claimed = claimed
        self._autoscalers = Autoscalers(client, gate)

    async def bring(self, item: Item, resource: Resource, look: Look, ledger: Ledger, delivery: Delivery) -> bool:
        """Make the object on the member as `item` says. Whether it was written. Raises RefusedError or KubeError.

        `look()` is what the watch knows of it now.
        """
        record = ledger.record(item.id)
        live, managed = ledger.current(item.id, look()), False
        for _ in range(ATTEMPTS):
            if live is None:
                self._deleted_by_others(item, record)
                try:
                    live = await self._create(item, resource, record, ledger, delivery)
                except AlreadyExists:
                    live, managed = await self._read(item, resource, ledger), True
                    continue
                return self._settle(item, live, ledger, written=True, answered=True)
            tried = live.resource_version
            try:
                whose, live = await self._judge(item, resource, live, record, delivery, managed=managed)
                live, written = await self._update(item, resource, live, whose, record, ledger, delivery)
            except (Conflict, NotFound):
                live, managed = look(), False
                if live is None or not older(tried, live.resource_version):  # the watch is behind: ask
                    live, managed = await self._read(item, resource, ledger), True
                continue
            if live is None:
                continue  # deleted, to be made anew
            return self._settle(item, live, ledger, written=written, answered=written or managed)
        raise RefusedError(Refusal("Pending", "Conflict", "others write it all the time", SOON))

    def _settle(self, item: Item, live: Object, ledger: Ledger, *, written: bool, answered: bool) -> bool:
        ledger.settle(item, live, answered=answered)
        if written:
            self._saw(live)
        return written

    # Creating

    async def _create(
        self, item: Item, resource: Resource, record: Record, ledger: Ledger, delivery: Delivery
    ) -> Object:
        namespace = item.id.namespace
        if delivery.manner.make_namespaces:
            await self._namespaces.ensure(namespace)
        try:
            return await self._make(item, resource, record, ledger, delivery)
        except NotFound as error:
            if not namespace or not error.message.startswith("namespaces "):
                raise KindNotServed(item.id.group_kind, item.version) from error
            self._namespaces.lost(namespace)
            if not delivery.manner.make_namespaces:
                text = f"there is no namespace {namespace}, and it is somebody else's to make"
                raise RefusedError(Refusal("Waiting", "NamespaceMissing", text, (0.5, 30.0))) from error
            await self._namespaces.ensure(namespace)
            return await self._make(item, resource, record, ledger, delivery)

    async def _make(
        self,
        item: Item,
        resource: Resource,
        record: Record,
        ledger: Ledger,  # noqa: ARG002  a Replacer says there what it does
        delivery: Delivery,
    ) -> Object:
        body = item.body
        created = await self._apply(item, resource, item.sent(delivery.revision, body), only_create=True)
        record.accepted, record.released = accepted(body, created), NO_FIELDS
        return created

    def _deleted_by_others(self, item: Item, record: Record) -> None:
        """It was there as it should be, and is gone."""
        if record.version and record.digest == item.digest:
            self._pause_in_fight(record).repaired(time.monotonic(), "somebody keeps deleting it")
            record.version = ""

    # Updating

    async def _update(
        self,
        item: Item,
        resource: Resource,
        live: Object,
        whose: Whose,
        record: Record,
        ledger: Ledger,
        delivery: Delivery,
    ) -> tuple[Object | None, bool]:
        """Returns the object as it should be and whether it was written; None when it was deleted to be recreated."""
        if whose is Whose.FREE:
            live = await self._take_over(item, resource, live)
        pointers = await self._retained(item, live, record, ledger)
        body = item.body
        for pointer in pointers:
            body = omit(body, split(pointer))
        repair: Callable[[], None] | None = None
        if whose is Whose.OURS and live.annotations.get(ANNOTATION_DIGEST) == item.digest:
            found = self._drift(body, item, live, record)
            if not found:
                return live, False
            repair = await self._oppose(item, resource, live, record, found)
        if pointers and not record.released >= pointers:
            live = await self._let_go(item, resource, live, pointers)
        try:
            written = await self._apply(item, resource, item.sent(delivery.revision, body), live=live)
        except Invalid as error:
            await self._recreate(item, resource, live, whose, error, delivery)
            return None, True
        record.accepted, record.released = accepted(body, written), pointers
        if repair is not None:
            repair()
        return written, True

    async def _judge(
        self, item: Item, resource: Resource, live: Object, record: Record, delivery: Delivery, *, managed: bool
    ) -> tuple[Whose, Object]:
        """Whose the object is; `managed`: it was read with its managedFields. Raises RefusedError."""

        def verdict(named: tuple[str, ...]) -> Whose | Refusal:
            known = bool(record.version) and record.uid == live.uid
            return judge(live, self._hub, delivery, known=known, claimed=self._claimed, managers=named)

        whose = verdict(managers(entries(live)) if managed else ())
        if whose is not Whose.OURS and not live.deleting and not managed:  # the managers matter: read them
            live = await self._read_managed(item, resource)
            whose = verdict(managers(entries(live)))
        if isinstance(whose, Refusal):
            raise RefusedError(whose)
        return whose, live

    def _drift(self, body: Json, item: Item, live: Object, record: Record) -> list[Difference]:
        """What differs from what we sent and the member accepted. Another version of the kind can't be compared."""
        if live.version != item.version:
            seen = record.digest == item.digest and record.version == live.resource_version
            return [] if seen else [Difference("/", live.resource_version)]
        known = record.accepted or {}
        found = [d for d in differences(body, live.body()) if known.get(d.path, Ellipsis) != d.live]
        if any(map(_of_status, known)):  # a subresource, which isn't sent with the object
            found = [d for d in found if not _of_status(d.path)]
        return found

    async def _oppose(
        self, item: Item, resource: Resource, live: Object, record: Record, found: list[Difference]
    ) -> Callable[[], None] | None:
        """What counts a repair, once it was made; from the sixth in a row on, it names the other writer. Raises
        RefusedError while the next repair is not due.
        """
        if not record.version or live.version != item.version:
            return None
        fight = self._pause_in_fight(record)
        writer = ""
        if fight.rounds + 1 >= Fight.QUICK:
            writer = last_writer(entries(await self._read_managed(item, resource)))
        paths = ", ".join(d.path for d in found[:3]) + (" …" if len(found) > 3 else "")
        what = f"{writer or 'somebody'} keeps changing {paths}"
        return lambda: fight.repaired(time.monotonic(), what)

    def _pause_in_fight(self, record: Record) -> Fight:
        """The fight over this object; raises RefusedError while its next repair is not due."""
        now = time.monotonic()
        fight = record.fight = record.fight or Fight()
        if not fight.over(now) and fight.due > now:
            raise RefusedError(fighting(fight, fight.due - now))
        return fight

    # Taking over, letting go

    async def _take_over(self, item: Item, resource: Resource, live: Object) -> Object:
        """Make the fields of its former owner ours, so that those we don't want go with our apply."""
        fields = adopted(entries(live), item.body, item.api_version)
        if fields is None:
            return live
        patch: list[Json] = [
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
        ]
        return await self._gate.send(
            lambda: self._client.patch(
                resource, item.id.name, item.id.namespace, patch, type="json", manager=FIELD_MANAGER
            )
        )

    async def _retained(self, item: Item, live: Object, record: Record, ledger: Ledger) -> frozenset[str]:
        """The fields that we leave alone: what users name, and replicas while an autoscaler sets them."""
        pointers = item.retained
        if REPLICAS in pointers or live.version != item.version:
            return pointers
        wanted = lookup(item.body, ("spec", "replicas"))
        if wanted is None and item.id.group == "apps":
            wanted = 1  # the server's default
        if not isinstance(wanted, int) or lookup(live.body(), ("spec", "replicas")) in {wanted, None}:
            return pointers
        return pointers | {REPLICAS} if await self._autoscaled(item, record, ledger) else pointers

    async def _autoscaled(self, item: Item, record: Record, ledger: Ledger) -> bool:
        workload = item.id.namespace, item.id.kind, item.id.name
        if workload in ledger.wanted.autoscaled:
            return True
        now = time.monotonic()
        if now >= record.autoscaled_until:
            scaled = await self._autoscalers.scales(workload)
            record.autoscaled_until = now + 60.0 if scaled else 0.0
            return scaled
        return True

    async def _let_go(self, item: Item, resource: Resource, live: Object, pointers: frozenset[str]) -> Object:
        fresh = await self._read_managed(item, resource)
        if fresh.uid != live.uid:
            raise Conflict(409, "Conflict", "it was made anew meanwhile")
        body = fresh.body()
        hold = handover(pointers, entries(fresh), body, item.body)
        if hold is None:
            return fresh
        return await self._apply(item, resource, holding(item, hold, body), live=fresh, manager=HANDOVER_MANAGER)

    async def _recreate(
        self, item: Item, resource: Resource, live: Object, whose: Whose, error: Invalid, delivery: Delivery
    ) -> None:
        """Delete what can't be changed in place, when that is wished and loses nothing; else raise."""
        if not immutable(error):
            raise error
        kind = item.id.group_kind
        if kind in KEEPS_DATA:
            _refuse_immutable(error, item, f"a {kind.kind} is never recreated: it holds data")
        if kept_on_purpose(live):
            _refuse_immutable(error, item, f"it is never recreated: {ANNOTATION_PRUNE} is false")
        if whose is not Whose.OURS:
            _refuse_immutable(error, item, "an object that is taken over is never recreated: it is somebody else's")
        if not delivery.recreate:
            _refuse_immutable(error, item, "`onImmutable: recreate` deletes it and makes it anew")
        await self._gate.send(
            lambda: self._client.delete(
                resource, item.id.name, item.id.namespace, uid=live.uid, resource_version=live.resource_version
            )
        )

    # Requests

    @failpoints.around("deliver.apply")
    async def _apply(
        self,
        item: Item,
        resource: Resource,
        body: Json,
        *,
        live: Object | None = None,
        only_create: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> Object:
        return await self._gate.send(
            lambda: self._client.apply(
                resource,
                body,
                name=item.id.name,
                namespace=item.id.namespace,
                manager=manager,
                force=True,
                only_create=only_create,
                uid=live.uid if live else "",
                resource_version=live.resource_version if live else "",
            )
        )

    async def _read_managed(self, item: Item, resource: Resource) -> Object:
        return await self._gate.send(
            lambda: self._client.get(resource, item.id.name, item.id.namespace, managed_fields=True)
        )

    async def _read(self, item: Item, resource: Resource, ledger: Ledger) -> Object | None:  # noqa: ARG002  Replacer
        try:
            return await self._read_managed(item, resource)
        except NotFound:
            return None


def _of_status(path: str) -> bool:
    return path == "/status" or path.startswith("/status/")


def fighting(fight: Fight, wait: float) -> Refusal:
    """What is said of a fight; it is looked at again after `wait` seconds."""
    text = f"{fight.what}; put right {fight.rounds} times, ever more slowly"
    return Refusal("Conflict", "Fighting", text, (wait, wait))


def accepted(body: Json, written: Object) -> dict[str, object] | None:
    """Where the member made something else of what we sent: no drift, then."""
    if written.api_version != body["apiVersion"] or _as_sent(body, written):
        return None
    found = differences(body, written.body())
    return {d.path: d.live for d in found} or None


def _as_sent(body: Json, written: Object) -> bool:
    """Whether the member plainly took over what it was sent, as it does with most: the content is the same text, the
    labels and annotations are there. What can't be told at a glance is compared field by field.
    """
    metadata = body["metadata"]
    if written.head or not metadata.keys() <= _AT_A_GLANCE:
        return False
    if not (_within(metadata.get("labels"), written.labels) and _within(metadata["annotations"], written.annotations)):
        return False
    content = {key: value for key, value in body.items() if key not in _NO_CONTENT}
    return (b"," + _encode_in_order(content)[1:] if content else b"}") == written.rest


_AT_A_GLANCE = frozenset({"name", "namespace", "labels", "annotations"})
_NO_CONTENT = frozenset({"apiVersion", "kind", "metadata"})
_encode_in_order = msgspec.json.Encoder(order="deterministic").encode


def _within(wanted: dict[str, str] | None, there: dict[str, str]) -> bool:
    return not wanted or wanted.items() <= there.items()


def _refuse_immutable(error: Invalid, item: Item, hint: str) -> NoReturn:
    message = f"{plain(error, item.id.group_kind)}; {hint}"
    raise RefusedError(Refusal("Failed", "Immutable", message, LATER)) from error
