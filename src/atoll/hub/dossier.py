"""What the hub remembers of one application while it runs. Nothing in it is needed after a restart."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from atoll.api.application import Application
from atoll.api.delivery import Delivery, Outcome, Removal
from atoll.api.objects import Key
from atoll.api.observation import Observation
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.api.validate import Issue
from atoll.hub.revisions import Revisions
from atoll.kube.objects import Object
from atoll.plan.model import Plan
from atoll.plan.progress import Standing
from atoll.runtime.ondemand import OnDemand

if TYPE_CHECKING:
    from atoll.hub.front import Front, Reading


@dataclass(slots=True)
class Dossier(OnDemand):
    """One application's papers. `live` is its newest known state: the watch's, or the answer to an own write.

    There are many, and most stand still: what is empty then is let go, see `rest`.
    """

    on_demand: ClassVar = {**dict.fromkeys(("degraded", "cargo", "leaving", "seen"), dict), "gone": set}

    key: Key
    uid: str
    live: Object
    front: "Front"
    status: ApplicationStatus | None = None
    """What was written of it, in Atoll's words; None until that was read."""
    generation: int = 0
    """Its generation when it was read last: what is planned and told is about that one."""
    app: Application | None = None
    """Itself, without its manifests, when it is an Application."""
    issues: tuple[Issue, ...] = ()
    reading: "tuple[Hashable, Reading] | None" = None
    """While a change is on its way and it is looked at often: what it said, and on which ground."""
    plan: Plan | None = None
    rested: Plan | None = None
    """The plan whose objects are kept as text."""
    held: str = ""
    """Why the plan is not carried out, when it would remove everything unasked."""
    standing_on: dict[str, PlacedCluster] = field(default_factory=dict)
    """By cluster: its part in the placement that was carried out last, without reasons."""
    avoided: dict[str, str] = field(default_factory=dict)
    """Clusters that it isn't to go back to before it changes, and why."""
    degraded: dict[str, float] = field(default_factory=dict)
    """By cluster: since when it is Degraded there, epoch seconds."""
    cargo: dict[str, dict[str, str]] = field(default_factory=dict)
    """By cluster: what `failover.carry` names, by name, as it was seen there last."""
    carried: int = 0
    """The sequence that was carried out last: while it is the same, nobody ordered what moves."""
    revisions: Revisions = field(default_factory=Revisions)
    submitted: dict[str, Delivery] = field(default_factory=dict)
    """By cluster: what was handed to delivery last."""
    leaving: dict[str, Removal] = field(default_factory=dict)
    """By cluster that it is being removed from: what was handed to delivery."""
    gone: set[str] = field(default_factory=set)
    """While it is being deleted: clusters with nothing of it left, or a tombstone instead."""
    lingered: bool = False
    """While it is being deleted: its end has waited for busier times to be over, and does so once."""
    released: str = ""
    """While it is being deleted: the version from which our finalizer is being, or was, taken away. An API server that
    lets the object go with that answers with this very version, and the watch tells a while later.
    """
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    seen: dict[str, tuple[Standing, float]] = field(default_factory=dict)
    """By cluster, while a change is on its way: what it has, and since when (epoch seconds)."""
    observations: dict[str, Observation] = field(default_factory=dict)

    def rest(self) -> None:
        """Nothing is to be done for now: let go of the collections that are empty, and have the objects as text."""
        self.let_go()
        if self.plan is None or self.plan is self.rested:
            return
        self.rested = self.plan
        different = {id(delivery.objects): delivery.objects for delivery in self.plan.deliveries.values()}
        for manifests in (*different.values(), self.revisions.content.manifests if self.revisions.content else ()):
            for manifest in manifests:
                manifest.rest()

    def saw(self, live: Object) -> None:
        """Take `live` if it is newer than what is known (an own write's answer may be ahead of the watch)."""
        if int(live.resource_version) > int(self.live.resource_version):
            self.live = live

    def drop(self, cluster: str) -> None:
        """Nothing is wanted on `cluster`: what was submitted and seen there is of the past."""
        self.submitted.pop(cluster, None)
        self.observations.pop(cluster, None)
        self.leaving.pop(cluster, None)
        self.cargo.pop(cluster, None)
        self.degraded.pop(cluster, None)
        self.seen.pop(cluster, None)

    def carry(self, cluster: str) -> dict[str, str]:
        """What `failover.carry` names, by name, as seen on `cluster` last."""
        rules = self.app.spec.failover.carry if self.app is not None and self.app.spec.failover is not None else ()
        if not rules:
            return {}
        found = self.cargo.get(cluster, {})
        return {rule.name: found[rule.name] for rule in rules if rule.name in found}

    @property
    def sequence(self) -> int:
        return self.revisions.sequence

    @property
    def rolling(self) -> bool:
        """What clusters report may let a change go on."""
        rollout = self.plan.rollout if self.plan is not None else None
        return rollout is not None and rollout.phase not in {"Complete", "RolledBack"}

    @property
    def out(self) -> bool:
        """Every cluster was handed the newest: of a change, nothing but its end is left to be noticed."""
        deliveries = self.plan.deliveries.values() if self.plan is not None else ()
        return all(delivery.revision.sequence == self.sequence for delivery in deliveries)

    @property
    def awaits_clusters(self) -> bool:
        """Some are still to let go of it."""
        return any(cluster not in self.gone for cluster in self.leaving)

    @property
    def ended(self) -> bool:
        """It is being deleted, and no longer waits for us: there is nobody to tell. One that lingers waits for nothing
        but its turn: to tell of it would only make the write of its end a conflict.
        """
        left = bool(self.released) or (self.lingered and not self.awaits_clusters)
        return self.live.deleting and (left or self.front.finalizer not in self.live.finalizers)

    @property
    def placed(self) -> frozenset[str]:
        """Where it is, or is on its way to: of this process's deliveries, and of the status written before."""
        before = (p.cluster for p in self.status.placement) if self.status else ()
        return frozenset(self.submitted) | frozenset(before)


class Dossiers:
    """All dossiers, by key."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Dossier] = {}
        self._by_uid: dict[str, Dossier] = {}

    def open(self, key: Key, live: Object, front: "Front") -> Dossier:
        """The dossier of `live`; a new one when an application of this name was deleted and made again."""
        dossier = self._by_key.get(key)
        if dossier is None or dossier.uid != live.uid or dossier.front is not front:
            self.close(key)
            dossier = self._by_key[key] = self._by_uid[live.uid] = Dossier(key, live.uid, live, front)
        dossier.saw(live)
        return dossier

    def get(self, key: Key, uid: str = "") -> Dossier | None:
        dossier = self._by_key.get(key)
        return dossier if dossier is not None and uid in {"", dossier.uid} else None

    def close(self, key: Key) -> Dossier | None:
        dossier = self._by_key.pop(key, None)
        if dossier is not None:
            self._by_uid.pop(dossier.uid, None)
        return dossier

    def of(self, uid: str) -> Dossier | None:
        """The dossier of the application with this UID."""
        return self._by_uid.get(uid)

    def __iter__(self) -> Iterator[Dossier]:
        return iter(tuple(self._by_key.values()))
