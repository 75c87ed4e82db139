"""Taking the hub away. What it delivered to members stays there and keeps running, whichever way this is done.

Nobody may be left who carries out deletions when the Applications go: so the hub ends first, every Application is told
to leave its objects behind (`deletion: orphan`), its finalizer is taken away, and only then do the kinds go.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal

import msgspec

from atoll.api.names import FINALIZER, HUB_CONFIGMAP, LEASE_HUB, SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.credentials import LABEL_CLUSTER
from atoll.fleet.leave import CLUSTER_FINALIZER
from atoll.hub.agents.authority import AUTHORITY_SECRET
from atoll.hub.birth import NAME as POLICY
from atoll.hub.birth import RESOURCES as POLICIES
from atoll.hub.federation_v1.frontend import KINDS as ANNOTATED
from atoll.hub.kubefed.members import LABEL as LABEL_KUBEFED
from atoll.hub.profiles import MANAGER, MANAGER_LABEL
from atoll.hub.shared_webhook import SECRET as WEBHOOK_SECRET
from atoll.hub.tombstones import LABEL as LABEL_TOMBSTONES
from atoll.hub.webhook import NAME as WEBHOOK
from atoll.install.applying import Tell, remove
from atoll.install.kinds import InstallError, foreign, living
from atoll.install.kubefed import withdrawing
from atoll.install.kubefed.withdrawing import ROLE_KINDS
from atoll.install.layout import HUB, PART_OF, SELECTOR, Layout
from atoll.install.manifests import objects
from atoll.kube.asseen import remove_finalizer
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Invalid, KindNotServed, NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import (
    APPLICATIONS,
    CLUSTERPROFILES,
    CLUSTERROLEBINDINGS,
    CLUSTERS,
    CONFIGMAPS,
    CRDS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    PODS,
    SECRETS,
    VALIDATINGWEBHOOKS,
)

LOOK_EVERY = 0.5
PASSING = frozenset({"Event", "EndpointSlice", "Endpoints", "PodMetrics"})
"""Kinds that say nothing of whether somebody uses a namespace."""
Extent = Literal["all", "keep", "force"]
"""`all`: everything, refused while there is an Application or a Cluster. `keep`: what runs and its rights only.
`force`: everything, Applications and Clusters with it."""


class Fleet(msgspec.Struct, frozen=True):
    """What there is of Atoll's own objects."""

    applications: tuple[Object, ...] = ()
    clusters: tuple[Object, ...] = ()


async def survey(client: Client) -> Fleet:
    """Applications and Clusters; none where the kinds aren't."""
    return Fleet(await _all(client, APPLICATIONS), await _all(client, CLUSTERS))


async def uninstall(
    client: Client, extent: Extent, tell: Tell, *, namespace: str = "", dry_run: bool = False, patience: float = 120.0
) -> Fleet:
    """Take the installation away; returns the fleet as it was. Raises InstallError when it must not be, or isn't done.

    `namespace` is where the hub's Pods are when no binding tells. Calling it again goes on where it stopped.
    """
    fleet = await survey(client)
    if extent == "all" and (fleet.applications or fleet.clusters):
        raise InstallError(in_use(fleet), ADVICE)
    place = await _hubs_namespace(client) or namespace or SYSTEM_NAMESPACE
    layout = Layout(namespace=place, network_policy=True, agents=("all",))
    await _stop(client, layout, tell, dry_run=dry_run, patience=patience)  # 1 nobody acts any more
    held = [] if extent == "keep" else await _annotated(client)
    if (held or extent == "force") and not dry_run:
        await _wait_for_no_leader(client, patience)
    if extent == "force" and not dry_run:
        for application in fleet.applications:  # 2 nothing is left that would be acted on
            await _let_go(client, APPLICATIONS, application, FINALIZER, {"spec": {"deletion": "orphan"}})
        for cluster in fleet.clusters:
            await _let_go(client, CLUSTERS, cluster, CLUSTER_FINALIZER, {})
    for resource, live in held:
        if not dry_run:
            await _let_go(client, resource, live, FINALIZER, {})
        tell(resource.kind.lower(), f"{live.namespace}/{live.name}", "let go")
    if await _gone(client, VALIDATINGWEBHOOKS, WEBHOOK, dry_run=dry_run):
        tell("validatingwebhookconfiguration", WEBHOOK, "removed")
    for resource, name in await withdrawing.webhooks(client):
        if await _gone(client, resource, name, dry_run=dry_run):
            tell(resource.kind.lower(), name, "removed")
    for resource in reversed(POLICIES):  # one that was killed left it behind
        if await _gone(client, resource, POLICY, dry_run=dry_run):
            tell(resource.kind.lower(), POLICY, "removed")
    for body in reversed(objects(layout)):  # 3 its rights, its Service
        if body["kind"] != "Namespace" and await remove(client, body, dry_run=dry_run):
            tell(str(body["kind"]).lower(), body["metadata"]["name"], "removed")
    for live in await withdrawing.rights(client):
        if await _gone(client, ROLE_KINDS[live.kind], live.name, live.namespace, dry_run=dry_run):
            tell(live.kind.lower(), live.name, "removed")
    if extent != "keep":
        await _remove_kinds(client, tell, dry_run=dry_run, patience=patience)  # 4 the kinds, with every object of them
    await _remove_state(client, tell, everything=extent != "keep", dry_run=dry_run)  # 5 what it kept
    for name in dict.fromkeys((layout.namespace, SYSTEM_NAMESPACE)):
        if extent != "keep" or name != SYSTEM_NAMESPACE:
            await _remove_namespace(client, name, tell, dry_run=dry_run)
    return fleet


ADVICE = (
    "delete the Applications (with `deletion: orphan` what they delivered stays on the members) and "
    "`atoll cluster leave` the clusters; or: --keep-crds leaves all of it for the next installation; "
    "--force removes it from this cluster, and everything on the members stays there and runs on"
)


def in_use(fleet: Fleet) -> str:
    """In words, what there is."""
    parts = [
        f"{len(found)} {kind}{'' if len(found) == 1 else 's'} ({_some(found)})"
        for kind, found in (("Application", fleet.applications), ("Cluster", fleet.clusters))
        if found
    ]
    return f"there {'is' if parts[0].startswith('1 ') else 'are'} " + " and ".join(parts)


def _some(found: Iterable[Object]) -> str:
    names = [f"{o.namespace}/{o.name}" if o.namespace else o.name for o in found]
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


async def _all(client: Client, resource: Resource) -> tuple[Object, ...]:
    try:
        return (await client.list(resource)).items
    except (NotFound, KindNotServed):
        return ()


async def _hubs_namespace(client: Client) -> str:
    """Whom the installed binding gives the hub's rights to."""
    try:
        body = (await client.get(CLUSTERROLEBINDINGS, HUB)).body()
    except NotFound:
        return ""
    return next((str(s.get("namespace", "")) for s in body.get("subjects") or () if s.get("name") == HUB), "")


async def _annotated(client: Client) -> list[tuple[Resource, Object]]:
    """Objects of the host's own that Federation v1's annotations had distributed: nobody could delete them later."""
    return [
        (resource, live)
        for resource in ANNOTATED
        for live in await _all(client, resource)
        if FINALIZER in live.finalizers
    ]


async def _stop(client: Client, layout: Layout, tell: Tell, *, dry_run: bool, patience: float) -> None:
    """End the hub's processes, and see their end."""
    if not await _gone(client, DEPLOYMENTS, HUB, layout.namespace, dry_run=dry_run, propagation="Foreground"):
        return
    labels = ",".join(f"{key}={value}" for key, value in SELECTOR.items())

    async def ended() -> bool:
        if (await client.list(PODS, layout.namespace, labels=labels)).items:
            return False
        return HUB not in {d.name for d in (await client.list(DEPLOYMENTS, layout.namespace, labels=labels)).items}

    if not dry_run:
        await _until(ended, patience, "the hub's Pods don't end")
    tell("deployment", HUB, "removed")


async def _wait_for_no_leader(client: Client, patience: float) -> None:
    """A hub that runs elsewhere, on a laptop say, would act on what follows: it holds the Lease and renews it."""
    seen, since = "", time.monotonic()

    async def free() -> bool:
        nonlocal seen, since
        try:
            spec = (await client.get(LEASES, LEASE_HUB, SYSTEM_NAMESPACE)).body().get("spec") or {}
        except NotFound:
            return True
        if spec.get("renewTime") != seen:
            seen, since = str(spec.get("renewTime")), time.monotonic()
        idle = time.monotonic() - since
        return not spec.get("holderIdentity") or idle > float(spec.get("leaseDurationSeconds") or 15)

    await _until(
        free, min(patience, 45.0), "a hub that is not of this installation works here (Lease atoll-hub); stop it"
    )


async def _let_go(client: Client, resource: Resource, live: Object, finalizer: str, change: Json) -> None:
    """Take our finalizer away, so that deleting it asks nothing of anybody."""
    for patch in (change, {}):
        try:
            current = await client.get(resource, live.name, live.namespace)
            await remove_finalizer(client, resource, current, finalizer, patch)
        except NotFound:
            return
        except Conflict as error:
            raise InstallError(f"{live.id} is being written by somebody", "run it again") from error
        except Invalid:
            continue  # one that was never valid takes no other change
        return


async def _remove_kinds(client: Client, tell: Tell, *, dry_run: bool, patience: float) -> None:
    for name, live in (await living(client)).items():
        if foreign(live) or (name == f"{CLUSTERPROFILES.plural}.{CLUSTERPROFILES.group}" and await _others_use(client)):
            tell("customresourcedefinition", name, "left as it is: others use it")
            continue
        await client.delete(CRDS, name, uid=live.uid, dry_run=dry_run)

        async def ended(name: str = name) -> bool:
            return not await _exists(client, CRDS, name)

        if not dry_run:
            await _until(ended, patience, f"{name} is not gone: something holds an object of its kind")
        tell("customresourcedefinition", name, "removed")


async def _others_use(client: Client) -> bool:
    return any(p.labels.get(MANAGER_LABEL) != MANAGER for p in await _all(client, CLUSTERPROFILES))


async def _remove_state(client: Client, tell: Tell, *, everything: bool, dry_run: bool) -> None:
    """What the hub kept in `atoll-system`: credentials, identity and tombstones only with `everything`."""
    named = [(LEASES, LEASE_HUB), (SECRETS, WEBHOOK_SECRET)]
    if everything:
        managed = await client.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL_CLUSTER)
        mirrored = await client.list(SECRETS, SYSTEM_NAMESPACE, labels=LABEL_KUBEFED)
        stones = await client.list(CONFIGMAPS, SYSTEM_NAMESPACE, labels=LABEL_TOMBSTONES)
        named += [(SECRETS, o.name) for o in (*managed.items, *mirrored.items)]
        named += [(CONFIGMAPS, o.name) for o in stones.items]
        profiles = (p for p in await _all(client, CLUSTERPROFILES) if p.namespace == SYSTEM_NAMESPACE)
        named += [(CLUSTERPROFILES, p.name) for p in profiles if p.labels.get(MANAGER_LABEL) == MANAGER]
        named += [(SECRETS, AUTHORITY_SECRET), (CONFIGMAPS, HUB_CONFIGMAP)]
    for resource, name in named:
        if await _gone(client, resource, name, SYSTEM_NAMESPACE, dry_run=dry_run):
            tell(resource.kind.lower(), name, "removed")


async def _remove_namespace(client: Client, name: str, tell: Tell, *, dry_run: bool) -> None:
    try:
        live = await client.get(NAMESPACES, name)
    except NotFound:
        return
    if live.labels.get(PART_OF) != "atoll":
        tell("namespace", name, "left as it is: not made by `atoll install`")
    elif not dry_run and (user := await _user_of(client, name)):
        tell("namespace", name, f"left as it is: it holds {user}")
    else:
        await client.delete(NAMESPACES, name, uid=live.uid, dry_run=dry_run)
        tell("namespace", name, "removed")


async def _user_of(client: Client, namespace: str) -> str:
    """Something in it that is not of Atoll's installation; "" when there is nothing."""
    for resource in await client.discovery.all():
        if not resource.namespaced or "list" not in resource.verbs or resource.kind in PASSING:
            continue
        try:
            items = (await client.list(resource, namespace)).items
        except (NotFound, KindNotServed):
            continue
        for item in items:
            made_by_cluster = (item.kind, item.name) in {
                ("ServiceAccount", "default"),
                ("ConfigMap", "kube-root-ca.crt"),
            }
            if not (made_by_cluster or item.deleting or item.labels.get(PART_OF) == "atoll"):
                return str(item.id)
    return ""


async def _exists(client: Client, resource: Resource, name: str, namespace: str = "") -> bool:
    try:
        await client.get(resource, name, namespace)
    except NotFound:
        return False
    return True


async def _gone(client: Client, resource: Resource, name: str, namespace: str = "", **options: Any) -> bool:
    """Delete it; whether it was there."""
    try:
        await client.delete(resource, name, namespace, **options)
    except NotFound:
        return False
    return True


async def _until(check: Callable[[], Awaitable[bool]], seconds: float, otherwise: str) -> None:
    give_up_at = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > give_up_at:
            raise InstallError(f"{otherwise} ({seconds:.0f} s)", "run it again: it goes on where it stopped")
        await asyncio.sleep(LOOK_EVERY)
