"""How a cluster leaves: deliveries first, then what the hub placed for itself, then the Cluster object.

The Cluster's finalizer `atoll.dev/cluster` holds it until the hub's cluster controller is done. How it is to leave
stands in its annotation `atoll.dev/leave`, which the controller reads:

- `orphan` (also when there is none): the Applications' objects stay on the member and keep running, unmarked, as if
  they had been applied by hand. Taking a cluster out of a fleet must not take down what runs on it.
- `delete`: they are deleted.
- `force`: the member is gone for good; nothing is sent to it. What stays behind there is said by `leftovers`.

The controller withdraws the deliveries, calls `clean_member` (not with `force`) and `clean_hub`, and then takes its
finalizer away.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Literal

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent, tombstones
from atoll.api.status import ApplicationStatus
from atoll.fleet.credentials import LABEL_MANAGED
from atoll.fleet.rights import LABEL_INSTALLED_BY, account_name, owner_reference
from atoll.fleet.tokens import bearer_name, forget
from atoll.kube.asseen import remove_finalizer
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Forbidden, KindNotServed, KubeError, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import APPLICATIONS, CLUSTERROLES, CLUSTERS, CONFIGMAPS, EVENTS, NAMESPACES, SECRETS

CLUSTER_FINALIZER = "atoll.dev/cluster"
ANNOTATION_LEAVE = "atoll.dev/leave"
LEAVE_WAITS = "LeaveWaits"
"""Reason of the Events by which the hub says what a leave waits for."""
Manner = Literal["orphan", "delete", "force"]

LOOK_EVERY = 0.5
FORCE_GRACE = 10.0
"""Seconds that a running hub has for a forced leave before it is taken to be down."""
_PASSING = frozenset({"Event", "EndpointSlice", "Endpoints", "PodMetrics"})
"""Kinds that say nothing of whether somebody uses a namespace."""


def manner(cluster: Object) -> Manner:
    """How `cluster` is to leave."""
    match cluster.annotations.get(ANNOTATION_LEAVE, ""):
        case "delete":
            return "delete"
        case "force":
            return "force"
    return "orphan"


async def clean_member(client: Client, hub: str) -> tuple[str, ...]:
    """Remove what hub `hub` placed for itself in the member; `client` may be the hub's own account.

    Returns what stays, in words. Raises KubeError when it can't be done now; calling again goes on. The ClusterRole
    goes last and takes the account, its bindings and, when it is ours and empty, the namespace with it: see `rights`.
    Where the record has another home the account isn't ours, and nothing else is.
    """
    home = client.config.home
    await _delete(client, CONFIGMAPS, applyset_parent(hub), home)
    if home != SYSTEM_NAMESPACE:
        return ()
    try:
        role = await client.get(CLUSTERROLES, account_name(hub))
    except NotFound:
        return ()
    stays = await _tie_namespace(client, hub, role.uid)
    await client.delete(CLUSTERROLES, role.name, uid=role.uid)
    return stays


async def clean_hub(hub: Client, name: str) -> None:
    """Remove what the hub keeps of cluster `name`: the Secret, when `cluster join` made it, its agent's access and
    what could bring that back, and the tombstones.
    """
    try:
        secret = await hub.get(SECRETS, name, SYSTEM_NAMESPACE)
    except NotFound:
        pass
    else:
        if secret.labels.get(LABEL_MANAGED) == "true":
            await _delete(hub, SECRETS, name, SYSTEM_NAMESPACE)
    await forget(hub, name)
    await _delete(hub, SECRETS, bearer_name(name), SYSTEM_NAMESPACE)
    with suppress(NotFound):
        for page in count(1):
            await hub.delete(CONFIGMAPS, tombstones(name, page), SYSTEM_NAMESPACE)


async def leftovers(hub: Client, name: str, hub_id: str) -> tuple[str, ...]:
    """What a forced leave leaves behind in the member, in words: nobody could remove it there."""
    account = account_name(hub_id)
    lines = [
        f"ClusterRole and ClusterRoleBinding {account}, ServiceAccount {SYSTEM_NAMESPACE}/{account}",
        f"ConfigMap {SYSTEM_NAMESPACE}/{applyset_parent(hub_id)}",
    ]
    for obj in (await hub.list(APPLICATIONS)).items:
        what = f"the objects of Application {obj.namespace}/{obj.name} (label atoll.dev/app={obj.uid})"
        try:
            if any(row.name == name for row in obj.read(_Told).status.clusters):
                lines.append(what)
        except msgspec.ValidationError:  # a newer hub's
            lines.append(f"{what}, if there are any")
    return tuple(lines)


class _Told(msgspec.Struct, frozen=True):
    """Of an Application what the hub wrote, whatever its spec says."""

    status: ApplicationStatus = ApplicationStatus()


class LeaveTimeoutError(Exception):
    """The cluster is still leaving; `waiting` says for what."""

    def __init__(self, waiting: str) -> None:
        super().__init__(waiting)
        self.waiting = waiting


async def leave(
    hub: Client,
    name: str,
    how: Manner = "orphan",
    *,
    timeout: float = 120.0,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Take cluster `name` out of the fleet and wait until it is gone. Raises NotFound, LeaveTimeoutError, KubeError.

    With `force` and no hub running, the finalizer is taken away here.
    """
    cluster = await hub.get(CLUSTERS, name)
    note = {"metadata": {"annotations": {ANNOTATION_LEAVE: how}, "uid": cluster.uid}}
    await hub.patch(CLUSTERS, name, "", note, type="merge")
    await hub.delete(CLUSTERS, name, uid=cluster.uid)
    began, said, by_hub = time.monotonic(), "", CLUSTER_FINALIZER in cluster.finalizers
    while (current := await _same(hub, name, cluster.uid)) is not None:
        waited = time.monotonic() - began
        if how == "force" and waited > min(FORCE_GRACE, timeout) and CLUSTER_FINALIZER in current.finalizers:
            await _drop_finalizer(hub, current)
            by_hub = False
            progress("no hub answered; its part was done from here")
            continue
        if waited > timeout:
            raise LeaveTimeoutError(await _waiting_for(hub, current))
        if (now := await _waiting_for(hub, current)) != said:
            said = now
            progress(said)
        await asyncio.sleep(LOOK_EVERY)
    if not by_hub:
        await clean_hub(hub, name)


async def _waiting_for(hub: Client, cluster: Object) -> str:
    """What the hub said last about it, which it says as an Event; or whose finalizer holds it, when that's not ours."""
    if cluster.finalizers and CLUSTER_FINALIZER not in cluster.finalizers:
        return f"others hold the Cluster by their finalizers: {', '.join(cluster.finalizers)}"
    fields = f"involvedObject.uid={cluster.uid},reason={LEAVE_WAITS}"
    try:
        events = (await hub.list(EVENTS, "default", fields=fields)).items
    except Forbidden:
        events = ()
    if events:
        return str(max(events, key=lambda event: event.created).body().get("message", ""))
    return "waiting for the hub to clean the member up"


async def _same(hub: Client, name: str, uid: str) -> Object | None:
    try:
        current = await hub.get(CLUSTERS, name)
    except NotFound:
        return None
    return current if current.uid == uid else None


async def _drop_finalizer(hub: Client, cluster: Object) -> None:
    try:
        await remove_finalizer(hub, CLUSTERS, cluster, CLUSTER_FINALIZER)
    except ApiError as error:
        if error.status not in {404, 409}:  # gone, or changed meanwhile: the loop looks again
            raise


async def _delete(client: Client, resource: Resource, name: str, namespace: str = "") -> None:
    try:
        await client.delete(resource, name, namespace)
    except NotFound:
        return


async def _tie_namespace(client: Client, hub: str, owner_uid: str) -> tuple[str, ...]:
    """Make `atoll-system` go with the ClusterRole, when this hub made it and nobody else uses it."""
    try:
        namespace = await client.get(NAMESPACES, SYSTEM_NAMESPACE)
    except NotFound:
        return ()
    if namespace.labels.get(LABEL_INSTALLED_BY) != hub:
        return ()
    if user := await _user_of_namespace(client, hub):
        return (f"namespace {SYSTEM_NAMESPACE}: {user}",)
    patch = {"metadata": {"ownerReferences": [owner_reference(hub, owner_uid)], "uid": namespace.uid}}
    await client.patch(NAMESPACES, SYSTEM_NAMESPACE, "", patch, type="merge")
    return ()


async def _user_of_namespace(client: Client, hub: str) -> str:
    """Why the namespace has to stay; "" when nothing in it is anybody's."""
    for resource in await client.discovery.all():
        if not resource.namespaced or "list" not in resource.verbs or resource.kind in _PASSING:
            continue
        try:
            items = (await client.list(resource, SYSTEM_NAMESPACE)).items
        except (NotFound, KindNotServed):
            continue
        except KubeError as error:
            return f"it could not be seen whether it is empty ({error})"
        for item in items:
            if not _of_the_cluster(item) and item.labels.get(LABEL_INSTALLED_BY) != hub:
                return f"it holds {item.id}"
    return ""


def _of_the_cluster(item: Object) -> bool:
    """What every namespace has."""
    return (item.kind, item.name) in {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
