"""What an application has on a member, and what belongs to that in turn."""

from collections.abc import Iterable

import msgspec

from atoll.api.names import APPLYSET_GROUP_KINDS, LABEL_APP, applyset_parent
from atoll.api.objects import GroupKind, ObjectId
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, EVENTS, JOBS, PODS, REPLICASETS

MAKERS: dict[str, tuple[Resource, ...]] = {
    "Deployment": (REPLICASETS, PODS),
    "ReplicaSet": (PODS,),
    "StatefulSet": (PODS,),
    "DaemonSet": (PODS,),
    "ReplicationController": (PODS,),
    "Job": (PODS,),
    "CronJob": (JOBS, PODS),
}
"""What the objects of a kind make, in order down to the Pods. Of any other kind, Pods are looked for."""


class There(msgspec.Struct, frozen=True):
    """What one member has of an Application: `roots` were delivered, `owned` belongs to them by owner references."""

    cluster: str
    roots: tuple[Object, ...] = ()
    owned: tuple[Object, ...] = ()

    def children(self, parent: Object) -> list[Object]:
        mine = (o for o in self.owned if any(owner.uid == parent.uid for owner in o.owners))
        return sorted(mine, key=lambda o: (o.kind, o.name))

    @property
    def pods(self) -> list[Object]:
        return [o for o in (*self.roots, *self.owned) if o.group_kind == GroupKind("", "Pod")]


async def look(member: Client, cluster: str, hub_id: str, uid: str) -> There:
    """What `member` has of the Application with `uid`, and what that made."""
    roots = await delivered(member, hub_id, uid)
    return There(cluster, roots, await made_by(member, roots))


async def delivered(member: Client, hub_id: str, uid: str) -> tuple[Object, ...]:
    """The objects delivered for the Application, of every kind that the hub's ApplySet on the member names."""
    try:
        parent = await member.get(CONFIGMAPS, applyset_parent(hub_id), member.config.home)
    except NotFound:
        return ()
    kinds = [k for k in parent.annotations.get(APPLYSET_GROUP_KINDS, "").split(",") if k]
    found: list[Object] = []
    for text in kinds:
        kind, _, group = text.partition(".")
        try:
            resource = await member.discovery.resource(group, kind)
            found += (await member.list(resource, labels=f"{LABEL_APP}={uid}")).items
        except (KindNotServed, NotFound, Forbidden):
            continue
    return tuple(sorted(found, key=lambda o: (o.namespace, o.kind, o.name)))


async def made_by(member: Client, roots: Iterable[Object]) -> tuple[Object, ...]:
    """ReplicaSets, Jobs and Pods that belong to `roots`, over as many steps as there are."""
    namespaces: dict[str, dict[Resource, None]] = {}
    roots = tuple(roots)
    for root in roots:
        if root.namespace and (root.kind in MAKERS or root.group.count(".")):
            namespaces.setdefault(root.namespace, {}).update(dict.fromkeys(MAKERS.get(root.kind, (PODS,))))
    candidates: list[Object] = []
    for namespace, resources in namespaces.items():
        for resource in resources:
            candidates += (await member.list(resource, namespace)).items
    known = {o.uid for o in roots}
    owned: dict[ObjectId, Object] = {}
    while fresh := [o for o in candidates if o.id not in owned and any(owner.uid in known for owner in o.owners)]:
        owned |= {o.id: o for o in fresh}
        known |= {o.uid for o in fresh}
    return tuple(o for o in owned.values() if o.uid not in {root.uid for root in roots})


async def happened(member: Client, there: There) -> tuple[Object, ...]:
    """The events about what is there: by UID, or by kind and name where an event has no UID."""
    objects = (*there.roots, *there.owned)
    uids, names = {o.uid for o in objects}, {(o.kind, o.name) for o in objects}
    found: list[Object] = []
    for namespace in sorted({o.namespace for o in objects if o.namespace}):
        for event in (await member.list(EVENTS, namespace)).items:
            about = event.body().get("involvedObject") or {}
            if about.get("uid") in uids or (not about.get("uid") and (about.get("kind"), about.get("name")) in names):
                found.append(event)
    return tuple(found)
