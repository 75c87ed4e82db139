"""What must hold in the end, when nothing goes wrong any more: an empty list of complaints.

What should be on a member is planned and stamped by the hub's own pure functions, as `atoll.testing.oracle` does; where
it should be, and what may keep an object away, is reasoned here anew.
"""

from collections.abc import Iterable, Iterator

import msgspec

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.intent import Intent, Revision
from atoll.api.names import ANNOTATION_PRUNE, ANNOTATION_REVISION, LABEL_APP, LABEL_HUB, SYSTEM_NAMESPACE
from atoll.api.objects import Json, identify
from atoll.api.scopes import known_scope
from atoll.api.status import ApplicationStatus
from atoll.deliver.beyond import beyond
from atoll.deliver.compare import differences
from atoll.deliver.stamp import Item, Stamper
from atoll.fleet.link import Reach
from atoll.hub.snapshots import cluster_facts, recalled
from atoll.kube.resources import CLUSTERPROFILES, CONFIGMAPS
from atoll.observe.status import settled
from atoll.plan.model import ClusterFacts, Plan
from atoll.plan.planner import plan
from atoll.testing.fakefleet.manners import translated
from atoll.testing.fakefleet.servers import Server
from atoll.testing.fakefleet.world import HUB_ID, World

REACHED = Reach(reachable=True)


class Verdict:
    """Looks at a world once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stamper = Stamper(HUB_ID)
        self._facts = {facts.name: facts for facts in _facts(world)}
        self._apps = [msgspec.convert(body, Application) for body in world.applications()]
        self._alive = {app.metadata.uid for app in self._apps}
        self.conflicts = False
        """Whether somebody's object is in the way of another's: that is looked at again, every minute."""
        self._kept: dict[str, set[str]] = {}
        """By member: UIDs of Applications whose objects may be there though no plan wants them."""

    def complaints(self) -> list[str]:
        said = list(self._leavers())
        for app in self._apps:
            if not app.metadata.deletion_timestamp:
                said += self._about(app)
        for name in self._facts:
            said += self._strays(self._world.members[name])
        return [*said, *self._clusters(), *bystanders(self._world)]

    def _leavers(self) -> Iterator[str]:
        """What is being deleted ends."""
        for app in self._apps:
            if app.metadata.deletion_timestamp:
                yield f"Application {app.metadata.name} is still being deleted"
        for body in self._world.clusters():
            if body["metadata"].get("deletionTimestamp"):
                yield f"Cluster {body['metadata']['name']} is still leaving"
        for body in self._world.hub.cluster.store.all(CONFIGMAPS.group_kind).values():
            name = body["metadata"]["name"]
            if name.startswith("tombstones-") and body.get("data"):
                yield f"{name} still holds {sorted(body['data'])}"

    def _clusters(self) -> Iterator[str]:
        for body in self._world.clusters():
            if not body["metadata"].get("deletionTimestamp"):
                cluster = msgspec.convert(body, Cluster)
                name, told = cluster.metadata.name, {c.type: c.status for c in cluster.status.conditions}
                if told.get("Ready") != "True":
                    yield f"Cluster {name} is Ready={told.get('Ready')}"
                profile = self._world.hub.cluster.store.get(CLUSTERPROFILES.group_kind, (SYSTEM_NAMESPACE, name))
                said = {c["type"]: c["status"] for c in ((profile or {}).get("status") or {}).get("conditions", ())}
                if said.get("ControlPlaneHealthy") != "True":
                    yield f"ClusterProfile {name} is ControlPlaneHealthy={said.get('ControlPlaneHealthy')}"
                nobodys = {b["metadata"]["labels"].get(LABEL_APP) for b in self._world.ours(name)} - self._alive
                if bool(nobodys) != (told.get("Unclaimed") == "True"):
                    yield f"Cluster {name} is Unclaimed={told.get('Unclaimed')}, for {len(nobodys)} Applications"

    # Applications

    def _about(self, app: Application) -> Iterator[str]:
        intent = _intent(app)
        before = app.status.placement
        fleet = recalled(intent.key, app.status, self._facts, self._world.loop.wall_time())
        planned = plan(intent, msgspec.structs.replace(fleet, steady=True))
        leaving = {name for name, share in planned.shares.items() if share.leaving}
        name = app.metadata.name
        wish = self._world.history.now.wishes[app.metadata.uid]
        meant = {c.name for c in self._world.history.now.places.values() if not c.deleting and wish.means(c)}
        if meant != (planned.deliveries.keys() | planned.refusals.keys()) - leaving:
            yield f"{name} is planned for {sorted(planned.deliveries)}, and {sorted(meant)} are meant"
        was = any(placed.cluster in self._facts for placed in before) or self._is_somewhere(app)
        held = not planned.deliveries and not intent.allow_empty and was
        blocked: set[str] = set()
        for cluster, delivery in planned.deliveries.items():
            items = [self._stamper.stamp(m, intent.key, intent.uid, manner=intent.manner) for m in delivery.objects]
            if not app.spec.suspend:
                found = list(self._on(self._world.members[cluster], intent, items, blocked))
                yield from found
            if cluster in blocked | leaving:  # what was renamed or moved stays until its replacement is there
                self._kept.setdefault(cluster, set()).add(intent.uid)
        if held or app.spec.suspend or planned.refusals:
            for cluster in self._facts:
                if held or app.spec.suspend or cluster in planned.refusals:
                    self._kept.setdefault(cluster, set()).add(intent.uid)
        self.conflicts = self.conflicts or bool(blocked)
        yield from self._status(app, planned, blocked, held=held)

    def _is_somewhere(self, app: Application) -> bool:
        """Something of it is on a member, or would be if others' objects weren't in its way: the hub says where."""
        uid = app.metadata.uid
        return any(row.state == "Conflict" and row.name in self._facts for row in app.status.clusters) or any(
            body["metadata"]["labels"].get(LABEL_APP) == uid for name in self._facts for body in self._world.ours(name)
        )

    def _on(self, member: Server, intent: Intent, items: Iterable[Item], blocked: set[str]) -> Iterator[str]:
        """What is wrong with the objects on one member; it joins `blocked` when somebody else's are in the way."""
        at_step: tuple[int, int] | None = None
        for item in sorted(items, key=lambda item: item.stage):
            if at_step is not None and item.stage.step > at_step:
                return  # the wave before is held up
            live = member.cluster.store.get(item.id.group_kind, (item.id.namespace, item.id.name))
            where = f"{member.name}: {item.id} of {intent.key.name}"
            if live is None:
                yield f"{where} is missing"
            elif (live["metadata"].get("labels") or {}).get(LABEL_APP) == intent.uid:
                yield from (f"{where}: {d.path} is {d.live!r}" for d in differences(item.body, live))
                if intent.manner.whole and (member.name, item.id) not in self._world.watchman.fights:
                    yield from (f"{where}: {d.path} is {d.live!r}, of nobody" for d in beyond(item.body, live))
            elif self._in_the_way(live, intent):
                blocked.add(member.name)
                at_step = item.stage.step
            else:
                yield f"{where} is not taken: labels {live['metadata'].get('labels')}"

    def _in_the_way(self, live: Json, intent: Intent) -> bool:
        """Whether `live`, which is not ours, must be left to whom it belongs."""
        metadata = live["metadata"]
        labels = metadata.get("labels") or {}
        if labels.get(LABEL_HUB, HUB_ID) != HUB_ID:
            return True
        owner = labels.get(LABEL_APP, "")
        if owner:
            return owner in self._alive or not intent.adopt
        revision = Revision.parse((metadata.get("annotations") or {}).get(ANNOTATION_REVISION, ""))
        return not intent.adopt and (revision is None or revision.uid != intent.uid)

    def _status(self, app: Application, planned: Plan, blocked: set[str], *, held: bool) -> Iterator[str]:
        status, name = app.status, app.metadata.name
        if status.observed_generation != app.metadata.generation:
            yield f"{name}: generation {app.metadata.generation}, observed {status.observed_generation}"
            return
        if not settled(status):
            yield f"{name} is not settled: {_conditions(status)}"
        ready = {c.type: c for c in status.conditions}.get("Ready")
        states = {row.name: row.state for row in status.clusters}
        if not held and not planned.deliveries and not planned.refusals and states:
            yield f"{name} says {states}, and it is wanted nowhere"
        if held and (busy := sorted(name for name, state in states.items() if state == "Applying")):
            yield f"{name} is held, and what it was is still on its way to {busy}"
        if held or not planned.deliveries or planned.refusals:
            if ready is None or ready.status == "True":
                yield f"{name} is Ready, and nowhere"
            return
        wanted = {
            cluster: "Suspended" if app.spec.suspend else "Conflict" if cluster in blocked else "Applied"
            for cluster in planned.deliveries
        }
        if states != wanted:
            yield f"{name} says {states}, and it is {wanted}"
        for row in status.clusters:
            if any(problem.reason == "LastSeen" for problem in row.problems):
                yield f"{name} on {row.name} is not followed yet"
        yield from self._health(app, planned)
        if not blocked and not app.spec.suspend and (ready is None or ready.status != "True"):
            yield f"{name} is not Ready: {_conditions(status)}"
        if (blocked or app.spec.suspend) and ready is not None and ready.status == "True":
            yield f"{name} is Ready, although in conflict on {sorted(blocked)} or suspended"

    def _health(self, app: Application, planned: Plan) -> Iterator[str]:
        """What is missing is told, and of nothing else that it is missing; and how many replicas are ready.

        Suspended in the middle of a change, what was there before counts: which that was, only the hub knows.
        """
        if app.spec.suspend and app.status.rollout is not None and app.status.rollout.phase != "Complete":
            return
        told = {row.name: row for row in app.status.clusters}
        for cluster, delivery in planned.deliveries.items():
            ours = [b for b in self._world.ours(cluster) if b["metadata"]["labels"].get(LABEL_APP) == app.metadata.uid]
            here = {identify(b): b for b in ours}
            if (row := told.get(cluster)) is None:
                continue
            missing = any(m.id not in here and m.id not in delivery.protected for m in delivery.objects)
            if missing != (row.health == "Missing"):
                yield f"{app.metadata.name} on {cluster} is {row.health}, and something is missing: {missing}"
            ready = [_ready(here[m.id]) for m in delivery.objects if m.id.kind == "Deployment" and m.id in here]
            if ready and row.ready not in ready:
                yield f"{app.metadata.name} on {cluster} says that {row.ready} are ready, and it is {ready[0]}"

    # What should not be there

    def _strays(self, member: Server) -> Iterator[str]:
        now, alive = self._world.history.now, self._alive
        for body in self._world.ours(member.name):
            metadata = body["metadata"]
            uid, about = metadata["labels"].get(LABEL_APP, ""), identify(body)
            if now.wants(uid, member.name, about) or uid in self._kept.get(member.name, ()):
                continue
            if uid in alive and metadata.get("annotations", {}).get(ANNOTATION_PRUNE) == "false":
                continue
            if uid not in alive and (uid in self._world.lost or member.name in self._world.abandoned):
                continue
            yield f"{member.name}: {about} of {uid} is there and should not be"


def bystanders(world: World) -> Iterator[str]:
    """Bystanders are as they were, to the byte."""
    for (member, about), was in world.bystanders.items():
        live = world.members[member].cluster.store.get(about.group_kind, (about.namespace, about.name))
        if live != was:
            yield f"{member}: {about}, a bystander, was touched"


def _facts(world: World) -> Iterator[ClusterFacts]:
    for body in world.clusters():
        if not body["metadata"].get("deletionTimestamp"):
            yield cluster_facts(msgspec.convert(body, Cluster), REACHED, None)


def _intent(app: Application) -> Intent:
    revision = Revision(0, app.metadata.uid, 0)
    return translated(app, selected={}, scopes=known_scope, revision=revision)


def _ready(deployment: Json) -> str:
    return f"{(deployment.get('status') or {}).get('readyReplicas', 0)}/{deployment['spec'].get('replicas', 1)}"


def _conditions(status: ApplicationStatus) -> str:
    return "; ".join(f"{c.type}={c.status} {c.reason} {c.message}" for c in status.conditions if c.type != "Accepted")
