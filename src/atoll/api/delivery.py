"""What one cluster gets of one application, and what became of it. Computed, never stored."""

from typing import Literal

import msgspec

from atoll.api.application import HealthRule, Retain
from atoll.api.failover import Carry
from atoll.api.intent import Revision
from atoll.api.manner import OWN_MANNER, LatePatch, Manner
from atoll.api.objects import Key, Manifest, ObjectId
from atoll.api.status import ClusterState


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """All objects of one application for one cluster, rendered. No objects and `allow_empty`: everything goes."""

    key: Key
    uid: str
    cluster: str
    revision: Revision
    objects: tuple[Manifest, ...]
    adopt: bool = False
    suspend: bool = False
    allow_empty: bool = False
    recreate: bool = False
    retain: tuple[Retain, ...] = ()
    health: tuple[HealthRule, ...] = ()
    carry: tuple[Carry, ...] = ()
    """What is looked at, so that it can go along when the application moves on."""
    protected: frozenset[ObjectId] = frozenset()
    """Objects that are the application's own templates on this very cluster: never written, never pruned."""
    manner: Manner = OWN_MANNER
    late: tuple[LatePatch, ...] = ()
    """Patches of the one object, made after what is retained of the live one."""

    @property
    def ids(self) -> frozenset[ObjectId]:
        """What should be on the cluster, and is looked after."""
        return frozenset(m.id for m in self.objects) - self.protected


class Removal(msgspec.Struct, frozen=True):
    """The application leaves this cluster: its objects are deleted, or with `orphan` stay, unmarked.

    `revision` is the one that leaves the cluster out: what is there of a newer one stays. None: the application ends.
    """

    key: Key
    uid: str
    cluster: str
    orphan: bool = False
    revision: Revision | None = None
    manner: Manner = OWN_MANNER


ObjectState = Literal["Pending", "Waiting", "Applied", "Conflict", "Failed", "Removing"]
Doing = Literal["", "read", "retain", "patch", "create", "update", "delete", "unmark"]


class ObjectOutcome(msgspec.Struct, frozen=True):
    """What became of one object. `reason` is one CamelCase word, `message` the server's own words.

    `doing` is what was tried when it failed; "" when that isn't known.
    """

    id: ObjectId
    state: ObjectState
    reason: str = ""
    message: str = ""
    doing: Doing = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one application on one cluster.

    `objects` holds only those that are not Applied. `gone` says that a Removal has ended: nothing of ours is left.
    """

    key: Key
    uid: str
    cluster: str
    revision: Revision | None
    state: ClusterState
    total: int = 0
    applied: int = 0
    objects: tuple[ObjectOutcome, ...] = ()
    gone: bool = False
    versions: tuple[tuple[ObjectId, str], ...] = ()
    """With `tell_versions`: of each object that is as it should be, `gen:N` or `rv:N`."""
    newer: Revision | None = None
    """What is there, when that is newer than what was to be delivered: then nothing was touched."""

    @property
    def under_way(self) -> bool:
        """It is being worked on, and nothing speaks against it: more is to come."""
        return self.state == "Applying" and not self.objects


def untouched(target: Delivery | Removal, state: Literal["Failed", "Conflict"], reason: str, message: str) -> Outcome:
    """What became of `target`, of which nothing was carried out, and why."""
    about = ObjectId("atoll.dev", "Application", target.key.namespace, target.key.name)
    found = ObjectOutcome(about, state, reason, message)
    if isinstance(target, Removal):
        return Outcome(target.key, target.uid, target.cluster, None, "Removing", objects=(found,))
    total = len(target.ids)
    return Outcome(target.key, target.uid, target.cluster, target.revision, state, total, objects=(found,))
