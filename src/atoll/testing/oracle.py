"""An oracle: what is on a member compared with what should be there, every difference in words.

What should be there is planned and stamped from the hub's Applications by the same pure functions as the hub's own;
what is there is a full dump: every kind that can be listed, every namespace. Whoever tears at the hub asks it in the
end, and may ask whether a bystander was touched:

    before = await dump(member)
    …
    wanted = await wanted_of(hub, identity, ["member1"])
    assert not wrong("member1", wanted["member1"], await dump(member), identity.id)
    assert not touched(before, await dump(member), "somebody-elses")
"""

import asyncio
import time
from collections.abc import Iterable, Mapping

import msgspec

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.intent import Revision
from atoll.api.names import (
    ANNOTATION_APPLICATION,
    APPLYSET_GROUP_KINDS,
    APPLYSET_NAMESPACES,
    LABEL_HUB,
    SYSTEM_NAMESPACE,
    applyset_parent,
)
from atoll.api.objects import GroupKind, Json, Key, ObjectId, split_api_version
from atoll.deliver.compare import differences
from atoll.deliver.stamp import Item, Stamper
from atoll.fleet.link import Reach
from atoll.hub.intents import kinds_of
from atoll.hub.scopes import Scopes
from atoll.hub.snapshots import cluster_facts, recalled
from atoll.intake.native import translate
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.plan.planner import plan

Dump = Mapping[ObjectId, Object]
Wanted = Mapping[ObjectId, Item]

NOISE = frozenset({"Event", "Lease", "EndpointSlice", "Endpoints", "IPAddress", "ComponentStatus"})
"""Kinds that change by themselves, or are no more than the shadow of others."""
LANES = 8


async def dump(client: Client, skip: frozenset[str] = NOISE) -> dict[ObjectId, Object]:
    """Everything on a cluster, but kinds named in `skip`. A kind served in several groups is listed in each."""
    found: dict[ObjectId, Object] = {}
    resources = [r for r in await client.discovery.all() if r.kind not in skip and "list" in r.verbs]
    queue = iter(resources)

    async def lane() -> None:
        for resource in queue:
            found.update((live.id, live) for live in await _listed(client, resource))

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(lane())
    return found


async def _listed(client: Client, resource: Resource) -> tuple[Object, ...]:
    try:
        return (await client.list(resource)).items
    except NotFound:  # its definition has just gone
        return ()


async def wanted_of(hub: Client, hub_id: str, members: Iterable[str]) -> dict[str, dict[ObjectId, Item]]:
    """By member: what the Applications that are on the hub now want there. Those being deleted want nothing."""
    clusters = [live.read(Cluster) for live in (await hub.list(CLUSTERS)).items]
    facts = {c.metadata.name: cluster_facts(c, Reach(), None) for c in clusters if not c.metadata.deletion_timestamp}
    stamper, scopes = Stamper(hub_id), Scopes()
    found: dict[str, dict[ObjectId, Item]] = {name: {} for name in members}
    for live in (await hub.list(APPLICATIONS)).items:
        if live.deleting:
            continue
        body = live.body()
        await scopes.learn(kinds_of(body), (hub,))
        app = msgspec.convert(body, Application)
        revision = Revision(0, live.uid, app.status.sequence)
        intent = translate(app, selected=await _selected(hub, app), scopes=scopes, revision=revision)
        for name, delivery in plan(intent, recalled(intent.key, app.status, facts, time.time())).deliveries.items():
            if name in found:
                key = Key(live.namespace, live.name)
                found[name] |= {m.id: stamper.stamp(m, key, live.uid) for m in delivery.objects}
    return found


async def _selected(hub: Client, app: Application) -> dict[int, list[Json]]:
    found: dict[int, list[Json]] = {}
    for index, select in enumerate(app.spec.select):
        group, version = split_api_version(select.api_version)
        resource = await hub.discovery.resource(group, select.kind, version)
        fields = f"metadata.name={select.name}" if select.name else ""
        listing = await hub.list(resource, app.metadata.namespace, fields=fields)
        found[index] = [live.body() for live in listing.items if not live.deleting]
    return found


def wrong(cluster: str, wanted: Wanted, there: Dump, hub_id: str) -> list[str]:
    """Every way in which a member is not as it should be; an empty list when it is."""
    said = [text for key, item in wanted.items() for text in _about(cluster, key, item, there.get(key))]
    ours = {key: live for key, live in there.items() if live.labels.get(LABEL_HUB) == hub_id}
    for key, live in ours.items():
        if key not in wanted:
            whose = live.annotations.get(ANNOTATION_APPLICATION, "nobody")
            said.append(f"{cluster}: {key} of {whose} is there and should not be")
    return said + _unrecorded(cluster, ours, there, hub_id)


def _about(cluster: str, key: ObjectId, item: Item, live: Object | None) -> list[str]:
    if live is None:
        return [f"{cluster}: {key} is missing"]
    found = [f"{cluster}: {key}: {d.path} is {d.live!r}" for d in differences(item.body, live.body())]
    return [*found, f"{cluster}: {key} is being deleted"] if live.deleting else found


def _unrecorded(cluster: str, ours: Dump, there: Dump, hub_id: str) -> list[str]:
    """What the ApplySet parent should record and doesn't: whoever relied on it alone would not find these."""
    if not ours:
        return []
    parent = there.get(ObjectId("", "ConfigMap", SYSTEM_NAMESPACE, applyset_parent(hub_id)))
    if parent is None:
        return [f"{cluster}: there is no ApplySet parent"]
    kinds = set(parent.annotations.get(APPLYSET_GROUP_KINDS, "").split(","))
    spaces = {*parent.annotations.get(APPLYSET_NAMESPACES, "").split(","), SYSTEM_NAMESPACE, ""}
    return [
        f"{cluster}: the ApplySet parent does not record {what}"
        for what in sorted(
            {str(GroupKind(key.group, key.kind)) for key in ours} - kinds | {key.namespace for key in ours} - spaces
        )
    ]


def touched(before: Dump, after: Dump, namespace: str) -> list[str]:
    """What happened in `namespace` between two dumps: nothing should, to a bystander."""
    old = {key: live for key, live in before.items() if key.namespace == namespace}
    new = {key: live for key, live in after.items() if key.namespace == namespace}
    said = [f"{key} came" for key in new.keys() - old.keys()] + [f"{key} went" for key in old.keys() - new.keys()]
    for key in old.keys() & new.keys():
        one, two = old[key], new[key]
        if one.uid != two.uid:
            said.append(f"{key} was made anew")
        elif one.resource_version != two.resource_version:
            said.append(f"{key} was written: resourceVersion {one.resource_version} became {two.resource_version}")
    return sorted(said)
