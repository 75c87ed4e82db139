"""Watches every write that hubs make, as it happens, and keeps what must never be.

Nothing is deleted without proof; what is somebody else's, beyond the Application's reach, or of a kind that isn't on
record, is not written; no older revision overwrites a newer one; a
suspended Application is left alone; who fights gets a bounded number of answers.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from atoll.api.intent import Revision
from atoll.api.names import (
    ANNOTATION_APPLICATION,
    ANNOTATION_DIGEST,
    ANNOTATION_PRUNE,
    ANNOTATION_REVISION,
    APPLYSET_GROUP_KINDS,
    LABEL_APP,
    LABEL_HUB,
    LABEL_REACH,
    REVISION_TYPE,
    SYSTEM_NAMESPACE,
    applyset_parent,
)
from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi.store import Write
from atoll.testing.fakefleet.history import History
from atoll.testing.fakefleet.servers import Call, Server

UNCOUNTED = frozenset({GroupKind("", "Event"), GroupKind("coordination.k8s.io", "Lease")})
QUICK, DOUBLINGS, SLOWEST_REPAIR, SLACK = 5, 7, 60.0, 3
"""A fight: so many repairs at once, then after 1, 2, 4 … and at last every 60 s."""

MOST_BESIEGED = 4.0
"""Requests a second that a member gets which has answered 429 to everything for ten seconds: up to two by questions for
its kinds, one in five seconds by delivery, as many by the heartbeat, and in the end one in thirty by each watch."""


@dataclass
class Fight:
    """Somebody undoes what hubs do to one object. `lives`: engagements, and Applications that had it one after the
    other, each of which begins to count anew; `owner` is the last of these.
    """

    began: float
    ends: float
    lives: int = 1
    repairs: int = 0
    owner: str = ""

    @property
    def most(self) -> int:
        """How many repairs are bearable."""
        return self.lives * int(QUICK + DOUBLINGS + SLACK + (self.ends - self.began) / SLOWEST_REPAIR)

    def wrote(self, old: Json | None, new: Json | None) -> None:
        """A hub wrote the object. What a user changed meanwhile is no repair."""
        owner = _labels(new).get(LABEL_APP, "")
        if owner != self.owner:
            self.lives, self.owner = self.lives + bool(self.owner), owner
        self.repairs += new is not None and (old is None or _digest(old) == _digest(new))


class Cut(NamedTuple):
    """The hub was restored: what was written until `at` with a sequence above `revision` is newer than it knows."""

    at: float
    revision: int
    epoch: int


@dataclass
class Watchman:
    """`said` is what should not have happened, in words."""

    history: History
    hub_id: str
    clock: Callable[[], float]
    said: list[str] = field(default_factory=list)
    fights: dict[tuple[str, ObjectId], Fight] = field(default_factory=dict)
    cut: Cut | None = None
    idle: bool = False
    """Nothing is to be written any more."""
    restarted: bool = False
    """A hub has just started on a fleet that is settled: members and Applications are as they should be."""
    writes: Counter[str] = field(default_factory=Counter)
    written: dict[tuple[str, str], float] = field(default_factory=dict)
    """By server and UID: when hubs wrote an object last."""
    unmarked: set[str] = field(default_factory=set)
    """UIDs of objects from which others took our marks: they are ours still."""

    def complain(self, text: str) -> None:
        self.said.append(f"{self.clock():.3f}: {text}")

    # Requests

    def calling(self, server: Server, call: Call) -> None:
        """A member is about to carry out what a hub asks."""
        kind, namespace, name, _ = call.target
        about = ObjectId(*kind.group_kind, namespace, name)
        if call.verb == "get" and (namespace, name) == (SYSTEM_NAMESPACE, f"atoll-{self.hub_id}"):
            for (where, _), fight in self.fights.items():
                fight.lives += where == server.name  # who reads the ApplySet parent engages anew
        if call.verb == "deletecollection":
            self.complain(f"{server.name}: {call.by} deletes all {about.kind}")
        writes = call.verb in {"apply", "patch", "update"} and namespace not in {"", SYSTEM_NAMESPACE}
        if writes and not _is_conditional(msgspec.json.decode(call.asked.body)):
            self.complain(f"{server.name}: {call.by} writes {about} without saying which version of it was seen")
        if call.verb == "delete" and namespace != SYSTEM_NAMESPACE:
            live = server.cluster.store.get(kind.group_kind, (namespace, name))
            if live is not None:
                self._deleting(server, call, about, live)

    def _deleting(self, server: Server, call: Call, about: ObjectId, live: Json) -> None:
        given = (msgspec.json.decode(call.asked.body).get("preconditions") or {}) if call.asked.body else {}
        metadata = live["metadata"]
        labels = metadata.get("labels") or {}
        where = f"{server.name}: {call.by} deletes {about}"
        if set(given) != {"uid", "resourceVersion"}:
            self.complain(f"{where} with the preconditions {sorted(given)}")
        elif (given["uid"], given["resourceVersion"]) != (metadata["uid"], metadata["resourceVersion"]):
            return  # it will be refused
        uid = labels.get(LABEL_APP, "")
        if labels.get(LABEL_HUB) != self.hub_id or not uid:
            self.complain(f"{where}, which is not labelled ours")
            return
        if (metadata.get("annotations") or {}).get(ANNOTATION_PRUNE) == "false":
            self.complain(f"{where}, which says prune: false")
        since = self.written.get((server.name, metadata["uid"]), self.clock())
        if all(self.history.may_want(uid, server.name, about, since)):
            self.complain(f"{where}, which is wanted")
        place = self.history.now.places.get(server.name)
        if place is not None and not place.deleting and self._from_the_future(live, uid, since):
            self.complain(f"{where}, which a newer revision brought")

    def _from_the_future(self, live: Json, uid: str, since: float) -> bool:
        """Whether `live` is newer than what a restored hub knows, and its Application isn't ending."""
        revision, cut = revision_of(live), self.cut
        if cut is None or revision is None or since > cut.at or revision.sequence <= cut.revision:
            return False
        wish = self.history.now.wishes.get(uid)
        hub_epoch, hub_revision = self._hub_now()
        return (
            wish is not None and not wish.deleting and (hub_epoch, hub_revision) < (revision.epoch, revision.sequence)
        )

    def _hub_now(self) -> tuple[int, int]:
        hub = self.history.hub
        found = hub.store.get(GroupKind("", "ConfigMap"), (SYSTEM_NAMESPACE, "hub"))
        return int(found["data"]["epoch"]) if found else 0, hub.store.revision

    # Writes

    def wrote(self, server: Server, write: Write) -> None:
        """Something was written on a member."""
        if not server.by:
            return
        about = ObjectId(*write.kind, *write.name)
        old, new = write.old, write.new
        if self.idle or self.restarted:
            self.complain(f"{server.name}: {server.by} writes {about} although all is as it should be")
        self.writes[server.name] += 1
        if about.namespace == SYSTEM_NAMESPACE or about.kind == "Namespace":
            return
        body = new or write.last
        self.written[server.name, body["metadata"]["uid"]] = self.clock()
        self._marked(server, about, old, new)
        self._suspended(server, about, old, new)
        if new is not None and _labels(new).get(LABEL_HUB) == self.hub_id:
            self._within_bounds(server, about, new)
        fight = self.fights.get((server.name, about))
        if fight is not None and self.clock() < fight.ends:
            fight.wrote(old, new)
            if fight.repairs > fight.most:
                self.complain(f"{server.name}: {about} was put right more than {fight.most} times in a fight")

    def _within_bounds(self, server: Server, about: ObjectId, new: Json) -> None:
        """What is written is on record before, and in the Application's own namespace."""
        parent = server.cluster.store.get(CONFIGMAPS.group_kind, (SYSTEM_NAMESPACE, applyset_parent(self.hub_id))) or {
            "metadata": {}
        }
        recorded = (parent["metadata"].get("annotations") or {}).get(APPLYSET_GROUP_KINDS, "").split(",")
        if str(GroupKind(about.group, about.kind)) not in recorded:
            self.complain(f"{server.name}: {server.by} writes {about}, a kind that the ApplySet doesn't have")
        application = str((new["metadata"].get("annotations") or {}).get(ANNOTATION_APPLICATION, ""))
        home = application.partition("/")[0]
        if home != about.namespace and not self._reaches(home):
            self.complain(f"{server.name}: {server.by} writes {about}, which {application} doesn't reach")

    def _reaches(self, namespace: str) -> bool:
        """Whether Applications of `namespace` may write elsewhere."""
        found = self.history.hub.store.get(NAMESPACES.group_kind, ("", namespace))
        return _labels(found).get(LABEL_REACH) == "cluster"

    def _marked(self, server: Server, about: ObjectId, old: Json | None, new: Json | None) -> None:
        """What was there must be ours, or be given to us; its revision doesn't go back."""
        if old is None:
            return
        uid = old["metadata"]["uid"]
        owner = _labels(old).get(LABEL_HUB)
        if owner == self.hub_id:
            before, after = revision_of(old), revision_of(new) if new else None
            if before is not None and after is not None and before.newer_than(after):
                self.complain(f"{server.name}: {server.by} writes {about} of {before} over by {after}")
            former, app = _labels(old).get(LABEL_APP, ""), _labels(new).get(LABEL_APP, "")
            if app and former != app and all(former in m.wishes for m in self.history.since(self.clock())):
                self.complain(f"{server.name}: {server.by} takes {about} from another Application")
            self.unmarked.discard(uid)
            return
        if owner is not None:
            self.complain(f"{server.name}: {server.by} writes {about}, which is another hub's")
        elif uid not in self.unmarked and not self._adopted(server.name, about):
            self.complain(f"{server.name}: {server.by} writes {about}, which is not ours and not to be adopted")

    def _adopted(self, cluster: str, about: ObjectId) -> bool:
        now = self.clock()
        takers = {w.uid for moment in self.history.since(now) for w in moment.wishes.values() if w.spec.get("adopt")}
        return any(wanted for uid in sorted(takers) for wanted in self.history.may_want(uid, cluster, about, now))

    def _suspended(self, server: Server, about: ObjectId, old: Json | None, new: Json | None) -> None:
        uid = _labels(old).get(LABEL_APP) or _labels(new).get(LABEL_APP, "")
        wishes = [(moment, moment.wishes.get(uid)) for moment in self.history.since(self.clock())]
        if all(
            wish is not None
            and wish.spec.get("suspend")
            and not wish.deleting
            and server.name in moment.places
            and not moment.places[server.name].deleting
            for moment, wish in wishes
        ):
            self.complain(f"{server.name}: {server.by} writes {about} of an Application that is suspended")

    def besieged(self, server: Server, requests: int, seconds: float) -> None:
        """A member answered 429 to everything for `seconds`, and got so many requests."""
        if requests > MOST_BESIEGED * seconds:
            self.complain(f"{server.name}: {requests} requests in {seconds:g} s of nothing but 429")

    def wrote_hub(self, server: Server, write: Write) -> None:
        """Something was written on the hub."""
        self.history.wrote(write)
        if server.by and write.kind not in UNCOUNTED:
            self.writes["hub"] += 1
            if (self.idle or self.restarted) and _is_news(write, restarted=self.restarted):
                self.complain(f"hub: {server.by} writes {ObjectId(*write.kind, *write.name)} although all is settled")


def _is_conditional(body: Any) -> bool:
    """Whether a write carries the resourceVersion of what it was computed from, or that of nothing."""
    if isinstance(body, list):
        return any(change["path"] == "/metadata/resourceVersion" for change in body)
    return bool((body.get("metadata") or {}).get("resourceVersion"))


def revision_of(body: Json | None) -> Revision | None:
    annotations = ((body or {}).get("metadata") or {}).get("annotations") or {}
    return Revision.parse(annotations.get(ANNOTATION_REVISION, ""))


def _is_news(write: Write, *, restarted: bool) -> bool:
    """Whether a write on the hub says anything new. How much is requested of a cluster may be told late; what a hub
    that has just started says of its clusters, and in which words it tells of trouble, doesn't count; nor do former
    contents, which are written down at leisure.
    """
    if write.new is not None and write.new.get("type") == REVISION_TYPE:
        return False
    if write.kind == APPLICATIONS.group_kind and write.old and write.new:
        stands = all(_is_held(body) or _is_halted(body) for body in (write.old, write.new))
        if stands and (restarted or _is_known_now(write.old, write.new)):
            return False
        if restarted and any(_is_held(body) and _is_nowhere(body) for body in (write.old, write.new)):
            return False
        return not restarted or _substance(write.old) != _substance(write.new)
    if write.kind == CLUSTERS.group_kind and write.old and write.new:
        before, after = ((body.get("status") or {}).get("conditions") for body in (write.old, write.new))
        return not restarted and before != after
    return not restarted


def _is_held(body: Json) -> bool:
    """What it still has is known to the process alone that delivered it."""
    conditions = (body.get("status") or {}).get("conditions", ())
    return any(c["type"] == "Stalled" and c["reason"] == "Held" for c in conditions)


def _is_nowhere(body: Json) -> bool:
    """Where it is, nobody has written down: who starts knows it when it has seen the members, or never, where all of it
    met others' objects.
    """
    return not (body.get("status") or {}).get("placement")


def _is_halted(body: Json) -> bool:
    """Suspended in the middle of a change: what a cluster had before, a hub learns when it starts, and only then."""
    rollout = (body.get("status") or {}).get("rollout")
    return bool(body["spec"].get("suspend")) and rollout is not None and rollout.get("phase") not in {None, "Complete"}


def _is_known_now(old: Json, new: Json) -> bool:
    """How it does on a cluster is told late, where that refused to answer for long."""
    before, after = (
        {row["name"]: row.get("health") for row in body["status"].get("clusters", ())} for body in (old, new)
    )
    return any(health and not before.get(name) for name, health in after.items())


def _substance(body: Json) -> Json:
    """What a program reads in an Application's status."""
    status = body.get("status") or {}
    return {
        "spec": body["spec"],
        "conditions": [(c["type"], c["status"], c["reason"]) for c in status.get("conditions", ())],
        "rows": [
            {k: v for k, v in row.items() if k not in {"message", "problems"}} for row in status.get("clusters", ())
        ],
        **{name: status.get(name) for name in ("observedGeneration", "sequence", "intent", "placement", "summary")},
    }


def _labels(body: Json | None) -> Json:
    return ((body or {}).get("metadata") or {}).get("labels") or {}


def _digest(body: Json) -> str:
    return str((body["metadata"].get("annotations") or {}).get(ANNOTATION_DIGEST, ""))
