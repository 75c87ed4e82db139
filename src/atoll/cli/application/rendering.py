"""What an Application becomes on each cluster: the hub's own pure functions, run here on what its API says now."""

import contextlib
import time

import msgspec

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.defaults import NAME, with_defaults
from atoll.api.intent import Content, Intent, Revision
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json, split_api_version
from atoll.api.status import ApplicationStatus
from atoll.cli.application.checking import check
from atoll.cli.application.view import read_view
from atoll.cli.exits import CommandError
from atoll.fleet.link import Reach
from atoll.hub.intents import kinds_of
from atoll.hub.scopes import Scopes
from atoll.hub.snapshots import cluster_facts, recalled, summary_of_room
from atoll.intake.native import content_of, translate
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONDEFAULTS, APPLICATIONS, CLUSTERS, NAMESPACES
from atoll.plan.model import ClusterFacts, Plan, Snapshot
from atoll.plan.planner import plan

NEWEST = 2**40
"""An epoch that nothing on a member is newer than: what is rendered here is taken as meant to count."""


class Rendered(msgspec.Struct, frozen=True):
    """An Application and its plan. `live` is what the hub has of it, None for one that isn't there yet."""

    app: Application
    intent: Intent
    plan: Plan
    fleet: Snapshot
    live: Object | None = None
    before: Content | None = None
    """What the hub's Application says now; None for one that isn't there, or can't be read."""

    @property
    def content(self) -> Content:
        return content_of(self.intent)


async def render_live(hub: Client, namespace: str, name: str) -> Rendered:
    """The plan of an Application as it is on the hub now."""
    live = await hub.get(APPLICATIONS, name, namespace)
    return await _render(hub, live.body(), live)


async def render_body(hub: Client, body: Json) -> Rendered:
    """The plan of an Application as a file has it; where one of its name is there, as a change of that."""
    metadata = body["metadata"]
    try:
        live = await hub.get(APPLICATIONS, metadata["name"], metadata["namespace"])
    except NotFound:
        live = None
    known = {"uid": live.uid} if live else {}
    return await _render(hub, body | {"metadata": metadata | known}, live)


async def intent_of(hub: Client, app: Application) -> Intent:
    """What `app` asks for, with the objects of the hub that it selects."""
    scopes = Scopes()
    await scopes.learn(kinds_of({"spec": msgspec.to_builtins(app.spec)}), (hub,))
    revision = Revision(NEWEST, app.metadata.uid, app.status.sequence)
    return translate(app, selected=await _selected(hub, app), scopes=scopes, revision=revision)


async def _render(hub: Client, body: Json, live: Object | None) -> Rendered:
    clusters = [item.read(Cluster) for item in (await hub.list(CLUSTERS)).items]
    namespace = body["metadata"]["namespace"]
    body = await with_namespace_defaults(hub, body, namespace)
    check(body, known_clusters=frozenset(c.metadata.name for c in clusters), reach=await _reach(hub, namespace))
    app = msgspec.convert(body, Application)
    intent = await intent_of(hub, app)
    facts = {c.metadata.name: facts_of(c) for c in clusters}
    status = read_view(live).status if live else ApplicationStatus()
    fleet = recalled(intent.key, status, facts, time.time())
    return Rendered(app, intent, plan(intent, fleet), fleet, live, await _before(hub, live))


async def with_namespace_defaults(hub: Client, body: Json, namespace: str) -> Json:
    """The Application with what the namespace's ApplicationDefaults say, and everybody's, as far as may be read."""
    found = []
    for place in (namespace, SYSTEM_NAMESPACE):
        with contextlib.suppress(NotFound, Forbidden, KindNotServed):
            found.append((await hub.get(APPLICATIONDEFAULTS, NAME, place)).body().get("spec") or {})
    return with_defaults(body, *found)


async def _before(hub: Client, live: Object | None) -> Content | None:
    if live is None:
        return None
    try:
        return content_of(await intent_of(hub, msgspec.convert(live.body(), Application)))
    except (msgspec.ValidationError, CommandError):
        return None


def facts_of(cluster: Cluster) -> ClusterFacts:
    """What planning may know of a cluster, by its object alone."""
    reached = {c.type: c.status for c in cluster.status.conditions}.get("Reachable")
    reach = Reach(reachable=None if reached is None else reached == "True", uid=cluster.status.uid)
    facts = cluster_facts(cluster, reach, None)
    return msgspec.structs.replace(facts, rooms=summary_of_room(cluster.status))


async def _reach(hub: Client, namespace: str) -> bool:
    from atoll.api.names import LABEL_REACH
    from atoll.kube.errors import Forbidden

    try:
        return (await hub.get(NAMESPACES, namespace)).labels.get(LABEL_REACH) == "cluster"
    except (NotFound, Forbidden):
        return True


async def _selected(hub: Client, app: Application) -> dict[int, list[Json]]:
    """Live objects of the hub, by the index of the entry of `spec.select` that may mean them."""
    found: dict[int, list[Json]] = {}
    namespace = app.metadata.namespace
    for index, select in enumerate(app.spec.select):
        group, version = split_api_version(select.api_version)
        try:
            resource = await hub.discovery.resource(group, select.kind, version)
        except KindNotServed as error:
            raise CommandError(f"spec.select[{index}]: the hub: {error}") from error
        fields = f"metadata.name={select.name}" if select.name else ""
        items = (await hub.list(resource, namespace, fields=fields)).items
        found[index] = [item.body() for item in items if not item.deleting]
    return found
