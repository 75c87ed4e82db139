"""What a delivery would change on a member: server-side dry runs against what is there, judged as delivery judges."""

import secrets
from collections.abc import Collection

import msgspec

from atoll.api.delivery import Delivery
from atoll.api.names import FIELD_MANAGER, LABEL_APP, LABEL_HUB, LABEL_PART_OF
from atoll.api.objects import Json, Manifest, ObjectId, identify
from atoll.deliver.autoscalers import Autoscalers
from atoll.deliver.gate import Gate
from atoll.deliver.marks import Whose, judge
from atoll.deliver.ownership import entries, managers
from atoll.deliver.refusals import KEEPS_DATA, Refusal, immutable
from atoll.deliver.retain import REPLICAS, lookup, omit, pointers_for, put, split
from atoll.deliver.stamp import MARKS, NOTES, Item, Stamper
from atoll.inquire.looking import delivered
from atoll.inquire.masking import masked
from atoll.intake.allocated import BY_KIND
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Forbidden, Invalid, KindNotServed, NotFound
from atoll.kube.objects import Object, Resource
from atoll.pull.protocol import Change, Compare

SALT = secrets.token_bytes(16)
_SERVERS = frozenset({"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"})
TAKEN = "it would be taken over; fields that its former owner set and this leaves out may go"
RECREATED = "can't be changed in place: it would be deleted and made anew"


async def compare(member: Client, cluster: str, hub_id: str, question: Compare) -> list[Change]:
    """The answer to `question`, as it may be shown: without what servers write, Secrets masked. Raises KubeError."""
    comparison = Comparison(member, cluster, question.delivery, hub_id, question.alive)
    found = await (comparison.removed(orphan=question.orphan) if question.removal else comparison.changes())
    return [msgspec.structs.replace(one, before=_shown(one.before), after=_shown(one.after)) for one in found]


def _shown(body: Json | None) -> Json | None:
    return plain(body) if body is not None else None


class Comparison:
    """Of one Application on one member. `alive` are UIDs of Applications; None when they aren't known."""

    def __init__(
        self, member: Client, cluster: str, delivery: Delivery, hub_id: str, alive: Collection[str] | None = None
    ) -> None:
        self._member = member
        self._cluster = cluster
        self._delivery = delivery
        self._hub = hub_id
        self._alive = alive
        self._stamper = Stamper(hub_id, member.config.home)
        self._autoscalers = Autoscalers(member, Gate())

    async def changes(self) -> list[Change]:
        """All that would change, objects that the delivery leaves out included. Raises KubeError."""
        ours = [m for m in self._delivery.objects if m.id not in self._delivery.protected]
        found = [await self._one(manifest) for manifest in ours]
        changes = [change for change in found if change is not None]
        wanted = {manifest.id for manifest in ours}
        gone = [change for change in await self.removed() if change.id not in wanted]
        return [*changes, *(self._held(change, changes) for change in gone)]

    def _held(self, gone: Change, changes: Collection[Change]) -> Change:
        """What is left out stays until what may replace it could be made."""
        for change in changes:
            same = change.id.group_kind == gone.id.group_kind and change.id.namespace == gone.id.namespace
            if change.trouble and not change.ours and same:
                return Change(self._cluster, gone.id, trouble=f"stays until {change.id} is there")
        return gone

    async def removed(self, *, orphan: bool = False) -> list[Change]:
        """What would go if nothing of the Application were wanted here."""
        live = await delivered(self._member, self._hub, self._delivery.uid) if self._delivery.uid else ()
        found = []
        for one in live:
            if one.id in self._delivery.protected or one.deleting:
                continue
            if orphan or one.annotations.get("atoll.dev/prune") == "false":
                if orphan:
                    found.append(Change(self._cluster, one.id, trouble="stays, and is no longer Atoll's"))
                continue
            found.append(Change(self._cluster, one.id, before=one.body()))
        return found

    async def _one(self, manifest: Manifest) -> Change | None:
        about, live = manifest.id, None
        try:
            resource = await self._member.discovery.resource(about.group, about.kind, manifest.version)
            retained = pointers_for(manifest, self._delivery.retain)
            item = self._stamper.stamp(manifest, self._delivery.key, self._delivery.uid, retained)
            try:
                live = await self._member.get(resource, about.name, about.namespace, managed_fields=True)
            except NotFound:
                return Change(self._cluster, about, after=await self._made(item, resource))
            return await self._changed(item, resource, live)
        except KindNotServed as error:
            return Change(self._cluster, about, trouble=str(error))
        except ApiError as error:
            ours = live is not None and live.labels.get(LABEL_APP) == self._delivery.uid
            return Change(self._cluster, about, trouble=f"the member would refuse it: {error}", ours=ours)

    async def _changed(self, item: Item, resource: Resource, live: Object) -> Change | None:
        named = managers(entries(live))
        whose = judge(live, self._hub, self._delivery, known=False, claimed=self._claimed, managers=named)
        if isinstance(whose, Refusal):
            return Change(self._cluster, item.id, trouble=whose.message)
        body = await self._as_sent(item, live)
        try:
            answer = await self._apply(resource, body, item.id)
        except Invalid as error:
            if not (immutable(error) and self._delivery.recreate) or item.id.group_kind in KEEPS_DATA:
                raise
            return Change(self._cluster, item.id, live.body(), body, note=RECREATED)
        if bare(live.body()) == bare(answer.body()) and whose is Whose.OURS:
            return None
        note = "" if whose is Whose.OURS else TAKEN
        return Change(self._cluster, item.id, live.body(), answer.body(), note=note)

    async def _as_sent(self, item: Item, live: Object) -> Json:
        """The body with the live value of each field that would be left to others."""
        pointers = set(item.retained)
        current = lookup(live.body(), split(REPLICAS))
        if REPLICAS not in pointers and current not in {None, lookup(item.body, split(REPLICAS))}:
            workload = item.id.namespace, item.id.kind, item.id.name
            if await self._autoscalers.scales(workload):
                pointers.add(REPLICAS)
        body = item.body
        for pointer in sorted(pointers):
            value = lookup(live.body(), split(pointer), item.body)
            body = omit(body, split(pointer))
            if value is not None:
                body = msgspec.json.decode(msgspec.json.encode(body))
                put(body, split(pointer), value, item.body)
        return item.sent(self._delivery.revision, body)

    async def _made(self, item: Item, resource: Resource) -> Json:
        """What the member would make of a new object; where its namespace is yet to be made, as in `default`."""
        body = item.sent(self._delivery.revision)
        try:
            return _unallocated((await self._apply(resource, body, item.id)).body())
        except NotFound:
            if not item.id.namespace:
                raise
        elsewhere = {**body, "metadata": {**body["metadata"], "namespace": "default"}}
        elsewhere["metadata"]["name"] = f"atoll-preview-{secrets.token_hex(8)}"
        try:
            answer = await self._member.create(resource, elsewhere, dry_run=True, manager=FIELD_MANAGER)
        except Forbidden:
            return body
        made = _unallocated(answer.body())
        given = {"name": item.id.name, "namespace": item.id.namespace}
        return {**made, "metadata": {**made["metadata"], **given}}

    async def _apply(self, resource: Resource, body: Json, about: ObjectId) -> Object:
        return await self._member.apply(
            resource,
            body,
            name=about.name,
            namespace=about.namespace,
            manager=FIELD_MANAGER,
            force=True,
            dry_run=True,
        )

    def _claimed(self, uid: str) -> bool:
        return self._alive is None or uid in self._alive


def _unallocated(body: Json) -> Json:
    """Without what a dry run allocated: the real one will allocate something else."""
    for rule in BY_KIND.get(identify(body).group_kind, ()):
        body = rule(body)
    return body


def plain(body: Json) -> Json:
    """What a user could have written, Secrets masked: fit to be shown."""
    return masked(bare(body), SALT)


def bare(body: Json) -> Json:
    """Without what servers write, and Atoll's own marks."""
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in _SERVERS}
    for part, own in (("labels", (*MARKS, LABEL_HUB, LABEL_PART_OF)), ("annotations", NOTES)):
        kept = {k: v for k, v in (metadata.get(part) or {}).items() if k not in own}
        metadata.pop(part, None)
        if kept:
            metadata[part] = kept
    return {k: v for k, v in body.items() if k not in {"metadata", "status"}} | {"metadata": metadata}
