"""The status of a Cluster: what is known of it, as conditions and figures. Pure."""

from datetime import UTC, datetime

import msgspec

from atoll.api.cluster import Cluster, ClusterStatus, TaintTime
from atoll.api.common import Condition
from atoll.api.times import LAST
from atoll.fleet.capacity import Capacity
from atoll.fleet.credentials import Credential
from atoll.fleet.link import Reach
from atoll.hub.pulled.connection import PulledConnection
from atoll.plan.taints import in_words


def build_cluster_status(
    cluster: Cluster,
    reach: Reach,
    capacity: Capacity | None,
    credential: Credential | None,
    unclaimed: int,
    now: float,
    agent: PulledConnection | None = None,
) -> ClusterStatus:
    """The status now. Times of conditions that say the same as before are kept, so equal facts give equal statuses."""
    before = cluster.status
    generation = cluster.metadata.generation
    news = [*_contact(reach, capacity, before), *_credential(credential, now), *_agent(agent)]
    if unclaimed:
        news.append(
            (
                "Unclaimed",
                "True",
                "UnknownApplication",
                f"{unclaimed} objects are labelled as ours and belong to no Application",
            )
        )
    conditions = tuple(_condition(n, before.conditions, generation, now) for n in news)
    if untried(reach, before):  # what was known stands, with its dates: a hub that starts makes nothing younger
        conditions = (*(c for c in before.conditions if c.type in CONTACT), *conditions)
    spec = cluster.spec
    known = msgspec.structs.replace(
        before,
        conditions=conditions,
        uid=before.uid or reach.uid,
        version=reach.version or before.version,
        observed_generation=generation,
        taints=_taints(cluster, now),
        mode=spec.connection.mode,
        region=spec.region or before.region,
        zone=spec.zone or before.zone,
    )
    if capacity is None:
        return known
    return msgspec.structs.replace(
        known,
        nodes=capacity.nodes,
        ready_nodes=capacity.ready_nodes,
        region=spec.region or capacity.region(before.region),
        zone=spec.zone or capacity.zone(before.zone),
        zones=capacity.zones[:32],
        allocatable=capacity.allocatable,
        requested=capacity.requested,
    )


News = tuple[str, str, str, str]


CONTACT = ("Reachable", "Ready")


def untried(reach: Reach, before: ClusterStatus) -> bool:
    """The hub has just started: it hasn't tried the cluster yet, and another process wrote how it was."""
    return reach.reachable is None and {c.type for c in before.conditions} >= set(CONTACT)


def _contact(reach: Reach, capacity: Capacity | None, before: ClusterStatus) -> list[News]:
    return [] if untried(reach, before) else [_reachable(reach), _ready(reach, capacity)]


def _taints(cluster: Cluster, now: float) -> tuple[TaintTime, ...]:
    """A taint that was there before keeps its date."""
    dates = {taint.taint: taint.since for taint in cluster.status.taints}
    names = [in_words(taint) for taint in cluster.spec.taints if taint.effect == "NoExecute"]
    return tuple(TaintTime(name, dates.get(name) or _time(now)) for name in dict.fromkeys(names))


def _time(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _reachable(reach: Reach) -> News:
    status = {True: "True", False: "False", None: "Unknown"}[reach.reachable]
    return ("Reachable", status, reach.reason, reach.message)


def _ready(reach: Reach, capacity: Capacity | None) -> News:
    if reach.reachable is None:
        return ("Ready", "Unknown", reach.reason, reach.message)
    if not reach.reachable:
        return ("Ready", "False", reach.reason, reach.message)
    if capacity is not None and capacity.nodes and not capacity.ready_nodes:
        return ("Ready", "False", "NoReadyNode", f"none of {capacity.nodes} nodes is Ready")
    return ("Ready", "True", "Reachable", "")


def _credential(credential: Credential | None, now: float) -> list[News]:
    if credential is None:
        return []
    managed: News = (
        ("CredentialManaged", "True", "Rotated", "the hub renews it at half its life")
        if credential.managed
        else (
            "CredentialManaged",
            "False",
            "GivenByUser",
            "used as it is; `atoll cluster join` makes one that is renewed",
        )
    )
    if credential.expires is None:
        return [managed]
    end = datetime.fromtimestamp(min(credential.expires, LAST), UTC).strftime("%Y-%m-%d %H:%M UTC")
    if credential.expiring(now):
        reason, word = ("Ended", "ended") if now > credential.expires else ("EndsSoon", "ends")
        return [managed, ("CredentialExpiring", "True", reason, f"it {word} at {end}")]
    return [managed, ("CredentialExpiring", "False", "Valid", "")]


def _agent(agent: PulledConnection | None) -> list[News]:
    """What an agent in pull mode says of its own work; nothing when all is well."""
    if agent is None:
        return []
    news: list[News] = []
    if agent.doubt:
        news.append(("Believed", "False", "OlderThanHeld", f"{agent.doubt}; `atoll cluster resume` confirms it"))
    if agent.trouble:
        news.append(("IntentHeld", "False", "NotStored", agent.trouble))
    return news


def _condition(news: News, before: tuple[Condition, ...], generation: int, now: float) -> Condition:
    kind, status, reason, message = news
    old = next((c for c in before if c.type == kind), None)
    since = old.last_transition_time if old is not None and old.status == status else _time(now)
    return Condition(kind, status, reason, message[:1024], since, generation)  # type: ignore[arg-type]  # one of three words
