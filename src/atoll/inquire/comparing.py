"""What a delivery would change on a member: server-side dry runs against what is there."""

import secrets

from atoll.api.delivery import Delivery
from atoll.api.names import FIELD_MANAGER, LABEL_APP, LABEL_HUB, LABEL_PART_OF
from atoll.api.objects import Json, ObjectId
from atoll.deliver.stamp import MARKS, NOTES, Stamper
from atoll.inquire.looking import delivered
from atoll.inquire.masking import masked
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, FieldConflict, KindNotServed, NotFound
from atoll.kube.objects import Object
from atoll.pull.protocol import Change

SALT = secrets.token_bytes(16)
_SERVERS = frozenset({"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"})


async def compare(member: Client, cluster: str, delivery: Delivery, hub_id: str) -> list[Change]:
    """All that `delivery` would change on `member`, objects that it leaves out included."""
    stamper = Stamper(hub_id)
    changes = []
    for manifest in delivery.objects:
        if manifest.id in delivery.protected:
            continue
        body = stamper.stamp(manifest, delivery.key, delivery.uid).sent(delivery.revision)
        change = await _one(member, cluster, manifest.id, manifest.version, body, delivery)
        if change is not None:
            changes.append(change)
    wanted = {manifest.id for manifest in delivery.objects}
    live = await delivered(member, hub_id, delivery.uid) if delivery.uid else ()
    return changes + [
        Change(cluster, o.id, before=plain(o.body())) for o in live if o.id not in wanted and not _kept(o)
    ]


async def _one(
    member: Client, cluster: str, about: ObjectId, version: str, body: Json, delivery: Delivery
) -> Change | None:
    try:
        resource = await member.discovery.resource(about.group, about.kind, version)
        try:
            live = await member.get(resource, about.name, about.namespace)
        except NotFound:
            live = None
        ours = live is not None and live.labels.get(LABEL_APP) == delivery.uid
        force = ours or delivery.adopt
        answer = await member.apply(
            resource,
            body,
            name=about.name,
            namespace=about.namespace,
            manager=FIELD_MANAGER,
            force=force,
            dry_run=True,
        )
    except FieldConflict as error:
        return Change(cluster, about, trouble=f"belongs to {', '.join(error.managers)}; `adopt: true` takes it")
    except NotFound as error:
        if not about.namespace:
            return Change(cluster, about, trouble=str(error))
        return Change(cluster, about, after=plain(body))  # its namespace is yet to be made
    except KindNotServed as error:
        return Change(cluster, about, trouble=str(error))
    except ApiError as error:
        return Change(cluster, about, trouble=f"the member would refuse it: {error}")
    if live is not None and not force:
        return Change(cluster, about, trouble="exists already and is not this application's; `adopt: true` takes it")
    before, after = plain(live.body()) if live else None, plain(answer.body())
    return None if before == after else Change(cluster, about, before, after)


def plain(body: Json) -> Json:
    """Without what servers write, and Atoll's own marks: what a user could have written. Secrets are masked."""
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in _SERVERS}
    for part, own in (("labels", (*MARKS, LABEL_HUB, LABEL_PART_OF)), ("annotations", NOTES)):
        kept = {k: v for k, v in (metadata.get(part) or {}).items() if k not in own}
        metadata.pop(part, None)
        if kept:
            metadata[part] = kept
    return masked({k: v for k, v in body.items() if k not in {"metadata", "status"}} | {"metadata": metadata}, SALT)


def _kept(obj: Object) -> bool:
    """It would not be pruned."""
    return obj.annotations.get("atoll.dev/prune") == "false" or obj.deleting
