"""Installing and upgrading: the CRDs first, then everything else in its order, by server-side apply."""

import asyncio
import time
from collections.abc import Callable, Iterable

from atoll.api.names import FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.api.objects import Json, ObjectId, identify
from atoll.hub.birth import hold_no_longer
from atoll.hub.kubefed.ensuring import ensure
from atoll.install.kinds import InstallError, apply_definitions, check_upgrade, definitions, foreign, living
from atoll.install.kubefed import withdrawing
from atoll.install.layout import HUB, PART_OF, SELECTOR, Layout
from atoll.install.manifests import objects
from atoll.kube.client import Client
from atoll.kube.errors import FieldConflict, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import DEPLOYMENTS, NAMESPACES

Tell = Callable[[str, str, str], None]
"""Called with kind, name and what became of it: created, configured, unchanged, removed, or left as it is."""
LOOK_EVERY = 1.0
NAMESPACE_ENDS_IN = 60.0


async def install(
    client: Client, layout: Layout, tell: Tell, *, dry_run: bool = False, force: bool = False, downgrade: bool = False
) -> None:
    """Make the installation on `client`'s cluster as `layout` says. What was chosen before and isn't any more goes.

    `force` takes over fields that others set, such as `kubectl scale`. Raises InstallError when something newer is
    there, or the hub runs in another namespace, and then nothing was written; and without `force` for such a field.
    """
    there = await living(client)
    wanted = []
    for crd in definitions():
        live = there.get(crd["metadata"]["name"])
        if live is not None and foreign(live):
            tell("customresourcedefinition", live.name, "left as it is: another tool brought it")
            continue
        if live is not None:
            check_upgrade(live, crd, downgrade=downgrade)
        wanted.append(crd)
    await _check_place(client, layout)
    if not dry_run:
        await _wait_for_old_namespaces(client, layout)
        await hold_no_longer(client)  # while a kind changes, it would refuse new Applications
    for applied in await apply_definitions(client, wanted, dry_run=dry_run):
        tell("customresourcedefinition", applied.name, change(there.get(applied.name), applied))
    if layout.kubefed:
        await ensure(client, layout.kubefed, tell=tell, dry_run=dry_run)
    for body in objects(layout):
        kind, name = str(body["kind"]).lower(), body["metadata"]["name"]
        if body["kind"] == "Namespace" and name != SYSTEM_NAMESPACE and await _is_of_others(client, name):
            tell(kind, name, "left as it is: not made by `atoll install`")
            continue
        tell(kind, name, await _apply(client, body, dry_run=dry_run, force=force))
    for body in left_out(layout):
        if await remove(client, body, dry_run=dry_run):
            tell(str(body["kind"]).lower(), body["metadata"]["name"], "removed")
    await _withdraw_kubefed(client, layout, tell, dry_run=dry_run)


async def _withdraw_kubefed(client: Client, layout: Layout, tell: Tell, *, dry_run: bool) -> None:
    """What was given for a KubeFed control plane's place that isn't taken any more: first the rights to tell the API
    server of the webhooks, then these, which nobody would answer.
    """
    chosen = {identify(body) for body in objects(layout)}
    for live in await withdrawing.rights(client):
        if live.id not in chosen and await remove(client, live.body(), dry_run=dry_run):
            tell(live.kind.lower(), live.name, "removed")
    for resource, name in () if layout.kubefed else await withdrawing.webhooks(client):
        await client.delete(resource, name, dry_run=dry_run)
        tell(resource.kind.lower(), name, "removed")


async def wait_available(client: Client, layout: Layout, seconds: float) -> None:
    """Until the new hub's Pods are available and no old ones are left. Raises InstallError when they aren't in time."""
    give_up_at = time.monotonic() + seconds
    while True:
        body = (await client.get(DEPLOYMENTS, HUB, layout.namespace)).body()
        status, replicas = body.get("status") or {}, body["spec"]["replicas"]
        seen = status.get("observedGeneration", 0) >= body["metadata"]["generation"]
        counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
        if seen and counts == [replicas] * 3:
            return
        if time.monotonic() > give_up_at:
            raise InstallError(
                f"after {seconds:.0f} s {counts[2]} of {replicas} Pods of the hub are available",
                f"kubectl -n {layout.namespace} describe pods -l {','.join(f'{k}={v}' for k, v in SELECTOR.items())}",
            )
        await asyncio.sleep(LOOK_EVERY)


def left_out(layout: Layout) -> Iterable[Json]:
    """What an installation may have and this one hasn't, but for what it has of a KubeFed control plane."""
    chosen = {identify(body) for body in objects(layout)}
    whole = objects(Layout(namespace=layout.namespace, select=True, network_policy=True, agents=("all",)))
    return [body for body in whole if identify(body) not in chosen]


async def remove(client: Client, body: Json, *, dry_run: bool = False) -> bool:
    """Delete the object that `body` is, when it is there and of an installation of Atoll's. Whether it was."""
    identity = identify(body)
    resource = await resource_of(client, identity)
    try:
        live = await client.get(resource, identity.name, identity.namespace)
        if live.labels.get(PART_OF) != "atoll":
            return False
        await client.delete(resource, live.name, live.namespace, uid=live.uid, dry_run=dry_run)
    except NotFound:
        return False
    return True


async def resource_of(client: Client, identity: ObjectId) -> Resource:
    return await client.discovery.resource(identity.group, identity.kind)


def change(before: Object | None, after: Object) -> str:
    if before is None:
        return "created"
    return "unchanged" if _content(before) == _content(after) else "configured"


def _content(live: Object) -> Json:
    """What an apply may change; a dry run's answer has the old resourceVersion, whatever it changed."""
    body = live.body()
    passing = {"resourceVersion", "generation", "managedFields"}
    metadata = {key: value for key, value in body["metadata"].items() if key not in passing}
    return {**body, "metadata": metadata}


async def _apply(client: Client, body: Json, *, dry_run: bool, force: bool) -> str:
    identity = identify(body)
    resource = await resource_of(client, identity)
    try:
        before = await client.get(resource, identity.name, identity.namespace)
    except NotFound:
        before = None
    try:
        after = await client.apply(
            resource,
            body,
            name=identity.name,
            namespace=identity.namespace,
            manager=FIELD_MANAGER,
            force=force,
            dry_run=dry_run,
        )
    except FieldConflict as error:
        raise InstallError(
            f"{identity}: fields belong to {', '.join(error.managers)}: {', '.join(error.fields)}",
            "--force-conflicts takes them over; what comes after it is not applied yet",
        ) from error
    except NotFound:
        if dry_run and identity.namespace:  # a dry run didn't make its namespace, either
            return "created"
        raise
    return change(before, after)


async def _wait_for_old_namespaces(client: Client, layout: Layout) -> None:
    """After an uninstall they take a moment to end; nothing can be made in them meanwhile."""
    give_up_at = time.monotonic() + NAMESPACE_ENDS_IN
    for name in (SYSTEM_NAMESPACE, layout.namespace):
        while await _is_ending(client, name):
            if time.monotonic() > give_up_at:
                raise InstallError(f"namespace {name} is being deleted, and doesn't end", "see what holds it, and wait")
            await asyncio.sleep(LOOK_EVERY)


async def _is_of_others(client: Client, namespace: str) -> bool:
    """Whether it is there, and not for Atoll: what runs there need not be as strict."""
    try:
        return (await client.get(NAMESPACES, namespace)).labels.get(PART_OF) != "atoll"
    except NotFound:
        return False


async def _is_ending(client: Client, namespace: str) -> bool:
    try:
        return (await client.get(NAMESPACES, namespace)).deleting
    except NotFound:
        return False


async def _check_place(client: Client, layout: Layout) -> None:
    """Two Deployments of it would be one hub too many: the bindings name one ServiceAccount."""
    labels = ",".join(f"{key}={value}" for key, value in {**SELECTOR, PART_OF: "atoll"}.items())
    for other in (await client.list(DEPLOYMENTS, labels=labels)).items:
        if other.namespace != layout.namespace:
            raise InstallError(
                f"the hub is installed in namespace {other.namespace} already",
                f"`atoll uninstall --keep-crds` takes it away there, and nothing else; or: -n {other.namespace}",
            )
