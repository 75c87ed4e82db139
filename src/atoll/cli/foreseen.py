"""Where Applications would be on another fleet: the same planning, on a changed snapshot."""

from collections.abc import Mapping

import msgspec

from atoll.api.application import Application
from atoll.api.cluster import Cluster
from atoll.api.intent import Intent
from atoll.api.objects import Json, Key
from atoll.api.status import ApplicationStatus
from atoll.cli.application import files
from atoll.cli.application.rendering import facts_of, intent_of
from atoll.cli.exits import CommandError
from atoll.hub.reservations import Reservations, wanted
from atoll.hub.snapshots import recalled
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CLUSTERS
from atoll.plan.fit import shape_of
from atoll.plan.ground import Ground
from atoll.plan.model import ClusterFacts, Plan, Snapshot
from atoll.plan.planner import decide


class Move(msgspec.Struct, frozen=True):
    """What would be otherwise for one application on one cluster; before and after in words."""

    cluster: str
    before: str
    after: str
    why: str


class Fate(msgspec.Struct, frozen=True):
    """What would become of one application. `trouble`: why it would not be as it asks; "" when it would."""

    key: Key
    moves: tuple[Move, ...] = ()
    trouble: str = ""

    def as_json(self) -> Json:
        body: Json = msgspec.to_builtins(self)
        return body | {"key": str(self.key)}


def clusters_in(sources: list[str]) -> list[Cluster]:
    """Clusters in files. Raises CommandError for anything else."""
    found = []
    for body in files.read_all(sources) if sources else ():
        if body.get("kind") != "Cluster":
            raise CommandError(f"{body.get('kind')} is no Cluster", "--add-cluster takes files with Clusters")
        try:
            found.append(msgspec.convert(body, Cluster))
        except msgspec.ValidationError as error:
            raise CommandError(f"not a Cluster: {error}") from error
    return found


async def fates(
    hub: Client, namespace: str, *, lost: frozenset[str], regions: frozenset[str], added: list[Cluster]
) -> list[Fate]:
    """Of every Application of `namespace`, "" being all, by name. Raises CommandError and KubeError."""
    now = {c.name: facts_of(c.read(Cluster)) for c in (await hub.list(CLUSTERS)).items}
    then = changed(now, lost=lost, regions=regions, added=added)
    found, promised = [], Reservations()
    for live in sorted((await hub.list(APPLICATIONS, namespace)).items, key=lambda one: (one.namespace, one.name)):
        key = Key(live.namespace, live.name)
        try:
            app = msgspec.convert(live.body(), Application)
            intent = await intent_of(hub, app)
        except (msgspec.ValidationError, CommandError) as error:
            found.append(Fate(key, trouble=f"can't be read: {error}"))
            continue
        found.append(fate(intent, app.status, now, then, promised))
    return found


def changed(
    now: Mapping[str, ClusterFacts], *, lost: frozenset[str], regions: frozenset[str], added: list[Cluster]
) -> dict[str, ClusterFacts]:
    """The fleet without what is lost, and with what comes. Raises CommandError for a name that is none."""
    if unknown := lost - now.keys():
        raise CommandError(f"there is no cluster {', '.join(sorted(unknown))}", "atoll cluster list")
    if unknown := regions - {facts.region for facts in now.values()}:
        there = ", ".join(sorted({facts.region for facts in now.values() if facts.region}))
        raise CommandError(f"no cluster is in region {', '.join(sorted(unknown))}", f"there are {there or 'none'}")
    left = {n: facts for n, facts in now.items() if n not in lost and facts.region not in regions}
    come = {c.metadata.name: msgspec.structs.replace(facts_of(c), ready=True) for c in added}
    return left | come


def fate(
    intent: Intent,
    status: ApplicationStatus,
    now: Mapping[str, ClusterFacts],
    then: Mapping[str, ClusterFacts],
    promised: Reservations | None = None,
) -> Fate:
    """One application's places now and then. `promised` is what others get then, and what this one gets is added."""
    promised = promised or Reservations()
    before = decide(intent, recalled(intent.key, status, dict(now), 0.0))
    there = msgspec.structs.replace(recalled(intent.key, status, dict(then), 0.0), reserved=promised.now(0.0))
    after = decide(intent, there)
    lacking = _without_room(intent, before, after, there)
    for name in after.shares:
        promised.hold(name, intent.key, wanted(intent.manifests, _more(before, after, name)), 0.0)
    whys = {v.cluster: v.why for v in after.verdicts}
    moves = []
    for name in sorted(before.shares.keys() | after.shares.keys()):
        old, new = _in_words(before, name), _in_words(after, name)
        if old != new:
            share = after.shares.get(name)
            why = (share.why if share is not None else "") or whys.get(name, "the cluster is gone")
            moves.append(Move(name, old, new, why))
    return Fate(intent.key, tuple(moves), _trouble(intent, before, after) or lacking)


def _more(before: Plan, after: Plan, cluster: str) -> dict[str, int]:
    """By workload, the replicas that the cluster gets beside those that it has."""
    old, new = before.shares.get(cluster), after.shares.get(cluster)
    had = old.replicas if old is not None else {}
    found = {name: n - had.get(name, 0) for name, n in (new.replicas if new is not None else {}).items()}
    return {name: number for name, number in found.items() if number > 0}


def _without_room(intent: Intent, before: Plan, after: Plan, there: Snapshot) -> str:
    """Replicas that a division gives to clusters without asking for room, and that find none there."""
    ground, lacking = Ground(intent, there), []
    for cluster in sorted(after.shares):
        more = _more(before, after, cluster)
        if there.clusters[cluster].rooms is None:
            continue
        for manifest in intent.manifests:
            shape, number = shape_of(manifest), more.get(manifest.id.name, 0)
            room = ground.rooms([cluster], [shape])[cluster] if shape is not None and number else number
            if room < number:
                lacking.append(
                    f"{cluster}: no room for {number - room} of {number} more replicas of {manifest.id.name}"
                )
    return "; ".join(lacking)


def _in_words(plan: Plan, cluster: str) -> str:
    share = plan.shares.get(cluster)
    if share is None:
        return "-"
    if cluster in plan.refusals:
        return "refused"
    return str(share.common) if share.common is not None else "placed"


def _trouble(intent: Intent, before: Plan, after: Plan) -> str:
    """What is worse then than it is now."""
    if not after.deliveries and not after.refusals:
        return "it would be on no cluster" if before.deliveries else ""
    for name, refusal in sorted(after.refusals.items()):
        if name not in before.refusals:
            return f"{name}: {refusal.path}: {refusal.message}"
    wanted = intent.replicas.total if intent.replicas is not None else None
    sums = [sum(share.common or 0 for share in plan.shares.values()) for plan in (before, after)]
    if wanted is not None and sums[1] < min(wanted, sums[0]):
        return f"{sums[1]} of {wanted} replicas would fit"
    if after.short and not before.short:
        return after.short
    return next((w for w in after.warnings if w.startswith(SPREAD) and w not in before.warnings), "")


SPREAD = "spec.placement.spread"
