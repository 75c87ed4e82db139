"""A whole object onto one member: made by POST, and replaced by PUT with the resourceVersion that it was read with.

What replaces it is what the delivery says, with what is kept of the live object (`keeping`), then the delivery's late
patches, then its labels and our marks. It is written when something of it is missing on the member, or when somebody
else has put something beside it; so an object that is settled is never written, after a restart either.
"""

from typing import Any

from atoll.api.delivery import Delivery, Doing
from atoll.api.names import ANNOTATION_DIGEST, ANNOTATION_REVISION, FIELD_MANAGER
from atoll.api.objects import Json
from atoll.deliver.beyond import beyond, fingerprint
from atoll.deliver.compare import Difference
from atoll.deliver.keeping import kept
from atoll.deliver.latepatches import LatePatchError, patched
from atoll.deliver.ledger import NO_FIELDS, Ledger, Record, Sent, version_of
from atoll.deliver.marks import Whose
from atoll.deliver.ownership import added, entries, replaced
from atoll.deliver.refusals import LATER, Refusal, RefusedError
from atoll.deliver.retain import REPLICAS
from atoll.deliver.stamp import MARKS, NOTES, Item
from atoll.deliver.writer import Writer, accepted
from atoll.kube.errors import Conflict, Invalid
from atoll.kube.objects import Object, Resource
from atoll.runtime import failpoints


class Replacer(Writer):
    """As a Writer, in the manner that is `whole`."""

    async def _make(self, item: Item, resource: Resource, record: Record, ledger: Ledger, delivery: Delivery) -> Object:
        body = self._composed(item, delivery, None, frozenset(), ledger)
        ledger.doing[item.id] = "create"
        created = await self._post(resource, body)
        _sent(record, body, created)
        return created

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
        ledger.doing[item.id] = "retain"
        counted = any(patch.path == REPLICAS for patch in delivery.late)  # then it doesn't matter who scales it
        pointers = item.retained if counted else await self._retained(item, live, record, ledger)
        body = self._composed(item, delivery, live, pointers, ledger)
        ledger.doing[item.id] = "update"
        repair, removed = None, ""
        if whose is Whose.OURS and live.annotations.get(ANNOTATION_DIGEST) == item.digest:
            found = await self._astray(_unrevised(body), item, resource, live, record)
            if not found:
                return live, False
            repair = await self._oppose(item, resource, live, record, found)
            removed = fingerprint(beyond(body, live.body()))
        if whose is Whose.FREE and (fields := replaced(entries(live), item.api_version)) is not None:
            body["metadata"]["managedFields"] = fields
        try:
            written = await self._put(resource, body)
        except Invalid as error:
            await self._recreate(item, resource, live, whose, error, delivery)
            return None, True
        _sent(record, body, written, removed)
        if repair is not None:
            repair()
        return written, True

    async def _read(self, item: Item, resource: Resource, ledger: Ledger) -> Object | None:
        ledger.doing[item.id] = "read"
        return await super()._read(item, resource, ledger)

    def _composed(
        self, item: Item, delivery: Delivery, live: Object | None, retained: frozenset[str], ledger: Ledger
    ) -> Json:
        """What is sent. Raises RefusedError."""
        step: Doing = "retain"
        try:
            body = _bare(item, delivery)
            if live is not None:
                body = kept(body, live.body(), retained)
            step = "patch"
            return _marked(patched(body, delivery.late), item, delivery, live)
        except (LatePatchError, TypeError, KeyError, AttributeError, ValueError) as error:
            ledger.doing[item.id] = step
            reason = "PatchFailed" if step == "patch" else "RetentionFailed"
            text = str(error) if isinstance(error, LatePatchError) else f"{type(error).__name__}: {error}"
            raise RefusedError(Refusal("Failed", reason, text, LATER)) from error

    async def _astray(
        self, body: Json, item: Item, resource: Resource, live: Object, record: Record
    ) -> list[Difference]:
        """What is to be put right. What the member's own controllers put beside it is left, and what somebody else
        does so again and again.
        """
        found = self._drift(body, item, live, record)
        if found or live.version != item.version:
            return found
        have = live.body()
        more = beyond(body, have)
        mark, sent = fingerprint(more), record.whole
        if more and (sent is None or sent.beyond != mark):
            fresh = await self._read_managed(item, resource)
            if fresh.resource_version != live.resource_version:
                raise Conflict(409, "Conflict", "it was changed meanwhile")
            comes_back = sent is not None and sent.removed == mark and record.fight is not None and record.fight.on
            if not comes_back and added(entries(fresh), body, have):
                return more
        record.whole = Sent(sent.version if sent else version_of(live), mark)
        return []

    @failpoints.around("deliver.create")
    async def _post(self, resource: Resource, body: Json) -> Object:
        return await self._gate.send(lambda: self._client.create(resource, body, manager=FIELD_MANAGER))

    @failpoints.around("deliver.replace")
    async def _put(self, resource: Resource, body: Json) -> Object:
        return await self._gate.send(lambda: self._client.replace(resource, body, manager=FIELD_MANAGER))


def _sent(record: Record, body: Json, written: Object, removed: str = "") -> None:
    record.accepted, record.released = accepted(body, written), NO_FIELDS
    record.whole = Sent(version_of(written), fingerprint(beyond(body, written.body())), removed)


def _unrevised(body: Json) -> Json:
    """`body` without its revision, which changes without the content and is not written for that."""
    metadata = body["metadata"]
    annotations = {name: text for name, text in metadata["annotations"].items() if name != ANNOTATION_REVISION}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _bare(item: Item, delivery: Delivery) -> Json:
    """What the delivery says, without marks: late patches don't find them."""
    body = item.body
    metadata: dict[str, Any] = dict(body["metadata"])
    for field, ours in (("labels", (*MARKS, *delivery.manner.labels)), ("annotations", NOTES)):
        metadata[field] = {name: text for name, text in metadata[field].items() if name not in ours}
        if not metadata[field]:
            del metadata[field]
    return {**body, "metadata": metadata}


def _marked(body: Json, item: Item, delivery: Delivery, live: Object | None) -> Json:
    """`body` with all by which it is known: what patches have made of that doesn't count."""
    wanted = item.sent(delivery.revision)
    if body.get("apiVersion", wanted["apiVersion"]) != wanted["apiVersion"]:
        raise ValueError("apiVersion can be changed within its group only")
    metadata: dict[str, Any] = dict(body.get("metadata") or {})
    for field, ours in (("labels", (*MARKS, *delivery.manner.labels)), ("annotations", NOTES)):
        marks = {name: wanted["metadata"][field][name] for name in ours}
        metadata[field] = {**(metadata.get(field) or {}), **marks}
    metadata["name"] = item.id.name
    if item.id.namespace:
        metadata["namespace"] = item.id.namespace
    if live is not None:
        metadata |= {"resourceVersion": live.resource_version, "uid": live.uid}
    return {**body, "apiVersion": wanted["apiVersion"], "kind": wanted["kind"], "metadata": metadata}
