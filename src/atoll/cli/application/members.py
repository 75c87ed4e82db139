"""Looking into the members: what an Application has there, and what belongs to that in turn."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from atoll.api.names import (
    APPLYSET_GROUP_KINDS,
    LABEL_APP,
    SYSTEM_NAMESPACE,
    applyset_parent,
)
from atoll.api.objects import GroupKind, ObjectId
from atoll.cli.application.view import View
from atoll.cli.exits import CommandError
from atoll.cli.session import Session
from atoll.fleet.identity import hub_identity
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, KubeError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, JOBS, PODS, REPLICASETS

T = TypeVar("T")

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
AT_ONCE = 8


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


async def each_cluster(
    session: Session,
    hub: Client,
    names: Sequence[str],
    work: Callable[[str, Client], Awaitable[T]],
    *,
    at_once: int | None = AT_ONCE,
) -> tuple[dict[str, T], dict[str, str]]:
    """`work` on each of the members: results, and why there is none, by cluster."""
    results: dict[str, T] = {}
    failures: dict[str, str] = {}
    turn = asyncio.Semaphore(at_once or len(names))

    async def one(name: str) -> None:
        try:
            async with turn, session.member(hub, name) as member:
                results[name] = await work(name, member)
        except (KubeError, CommandError) as error:
            failures[name] = str(error)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))
    order = {name: i for i, name in enumerate(names)}
    return dict(sorted(results.items(), key=lambda item: order[item[0]])), failures


def clusters_of(view: View, wanted: Sequence[str] | None) -> Sequence[str]:
    """Where to look: the clusters that the Application is on, or those `wanted`. Raises CommandError for none."""
    names = wanted or view.placed
    if not names:
        raise CommandError(f"application {view.name} is on no cluster" + (f": {view.message}" if view.message else ""))
    return names


async def look(member: Client, cluster: str, hub_id: str, uid: str) -> There:
    """What `member` has of the Application with `uid`, and what that made."""
    roots = await delivered(member, hub_id, uid)
    return There(cluster, roots, await made_by(member, roots))


async def delivered(member: Client, hub_id: str, uid: str) -> tuple[Object, ...]:
    """The objects delivered for the Application, of every kind that the hub's ApplySet on the member names."""
    try:
        parent = await member.get(CONFIGMAPS, applyset_parent(hub_id), SYSTEM_NAMESPACE)
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


async def hub_id(hub: Client) -> str:
    return (await hub_identity(hub, create=False)).id
