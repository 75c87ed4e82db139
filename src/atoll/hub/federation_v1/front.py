"""The front end of one kind: its annotated objects in the namespaces that opted in."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from atoll.api.intent import Intent
from atoll.api.issues import Issue
from atoll.api.names import FINALIZER
from atoll.api.objects import Key, ObjectId
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.front import Front, Parting, Reading
from atoll.intake import federation_v1
from atoll.intake.federation_v1 import ANNOTATION_STATUS, JOB, AnnotationError, JobShare, concerned
from atoll.kube.objects import Object, Resource
from atoll.plan.kubefed import Preference, kubefed
from atoll.plan.model import ClusterFacts
from atoll.plan.targets import NoAnswerError, objection
from atoll.runtime.informer import Change, Informer

PREFIX = "FederationV1."


class ClusterSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of one cluster. `ready` is "3/3", or "" of what has no replicas."""

    state: str
    health: str = ""
    replicas: int | None = None
    ready: str = ""
    message: str = ""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said on the object itself, as JSON. `trouble`: why it isn't distributed as it stands.

    job: how it was divided, as long as it is asked for the same.
    """

    clusters: dict[str, ClusterSaid] = {}
    trouble: str = ""
    job: "JobSaid | None" = None


class JobSaid(msgspec.Struct, frozen=True):
    """The division of a Job: `asked` is what it was made of."""

    asked: str
    shares: dict[str, JobShare]


def said(live: Object) -> Said:
    """What stands there; nothing where it can't be read."""
    try:
        return msgspec.json.decode(live.annotations.get(ANNOTATION_STATUS, "{}"), type=Said)
    except msgspec.MsgspecError:
        return Said()


class Namespaces:
    """One kind's informers, by namespace: together what a front end sees of it."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.informers: dict[str, Informer[Object]] = {}

    def get(self, identity: ObjectId) -> Object | None:
        informer = self.informers.get(identity.namespace)
        return informer.get(identity) if informer is not None else None

    def values(self) -> list[Object]:
        return [live for informer in self.informers.values() for live in informer.values()]

    @property
    def version(self) -> str:
        numbers = [int(i.version) for i in self.informers.values() if i.version.isdigit()]
        return str(max(numbers)) if numbers else ""


class Teller(Protocol):
    """Who tells what became of the objects."""

    def touch(self, key: Key) -> None: ...

    def forget(self, uid: str) -> None: ...


class FederationV1Front(Front):
    """`opted(namespace)`: it has the label now. `clusters()`: what is known of the fleet."""

    def __init__(
        self,
        found: Namespaces,
        dossiers: Dossiers,
        uids: set[str],
        wake: Callable[[Key], None],
        teller: Teller,
        opted: Callable[[str], bool],
        clusters: Callable[[], Mapping[str, ClusterFacts]],
    ) -> None:
        super().__init__(found, FINALIZER, dossiers, uids, wake, f"{PREFIX}{found.resource.kind}")
        self.found = found
        self._teller = teller
        self._opted = opted
        self._clusters = clusters
        self._jobs: dict[str, JobSaid] = {}

    def asks(self, live: Object) -> bool:
        """Whether it is to be anywhere."""
        return live.controller is None and self._opted(live.namespace) and concerned(live.annotations, live.group_kind)

    def job(self, uid: str) -> JobSaid | None:
        """How the Job with this UID is divided."""
        return self._jobs.get(uid)

    async def read(self, live: Object) -> Reading:
        status, key, body = written(live), self.key(live.id), live.body()
        if not self.asks(live):
            return Reading(status, intent=federation_v1.withdrawn(body, key))
        try:
            intent = federation_v1.translate(body, key)
            if live.group_kind == JOB:
                intent = self._divided(live, intent)
        except AnnotationError as error:
            return Reading(status, (Issue(error.path, error.message),))
        return Reading(status, intent=intent)

    def _divided(self, live: Object, intent: Intent) -> Intent:
        """A Job's shares are what they were while it asks for the same: its completions can't be changed."""
        body = live.body()
        spec, asked_for = body.get("spec") or {}, sorted(_words(live.annotations))
        asked = msgspec.json.encode([spec.get("parallelism"), spec.get("completions"), asked_for]).decode()
        known = self._jobs.get(live.uid) or said(live).job
        if known is None or known.asked != asked or not known.shares:
            names = tuple(sorted(_meant(intent, self._clusters())))
            shares = federation_v1.job_shares(body, names, lambda total, wanted: _divide(total, wanted, live))
            known = JobSaid(asked, shares)
        self._jobs[live.uid] = known
        return federation_v1.with_shares(intent, known.shares)

    def recall(self, dossier: Dossier) -> None:
        dossier.status = written(dossier.live)

    def parting(self, dossier: Dossier, cluster: str, *, ending: bool) -> Parting:  # noqa: ARG002
        """Of a namespace that opted out, members keep what they have."""
        return Parting(orphan=not self._opted(dossier.live.namespace))

    def stays(self, dossier: Dossier, cluster: str) -> bool:  # noqa: ARG002
        return False

    def touch(self, key: Key) -> None:
        self._teller.touch(key)

    def same(self, old: Object, new: Object) -> bool:
        """Its status, and what we say on it, is nobody's wish."""
        return old.deleting == new.deleting and _wish(old) == _wish(new)

    def forget(self, dossier: Dossier) -> None:
        self._jobs.pop(dossier.uid, None)
        self._teller.forget(dossier.uid)

    def changed(self, change: Change[Object]) -> None:
        """Objects that say nothing of Federation v1's, and aren't held by us, are none of ours."""
        if any(live is not None and self._ours(live) for live in (change.old, change.new)):
            super().changed(change)

    def held(self) -> list[Key]:
        return [self.key(live.id) for live in self.found.values() if self._ours(live)]

    def _ours(self, live: Object) -> bool:
        return FINALIZER in live.finalizers or self.asks(live)


def written(live: Object) -> ApplicationStatus:
    """Where it is, by what stands on it."""
    placed = tuple(PlacedCluster(name, one.replicas) for name, one in sorted(said(live).clusters.items()))
    return ApplicationStatus(placement=placed)


def _wish(live: Object) -> object:
    body = live.body()
    metadata = body["metadata"]
    notes = {k: v for k, v in live.annotations.items() if k != ANNOTATION_STATUS}
    rest = {k: v for k, v in body.items() if k not in {"metadata", "status"}}
    return live.uid, live.labels, notes, live.finalizers, metadata.get("deletionTimestamp"), rest


def _words(annotations: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return ((k, v) for k, v in annotations.items() if k.startswith(federation_v1.DOMAINS))


def _meant(intent: Intent, clusters: Mapping[str, ClusterFacts]) -> list[str]:
    """Clusters that are there, and that the placement means."""
    object_to, names = objection(intent.placement), []
    for name, facts in clusters.items():
        try:
            if facts.ready and not facts.cordoned and not object_to(facts):
                names.append(name)
        except NoAnswerError:
            continue
    return names


def _divide(total: int, wanted: Mapping[str, tuple[int, int, int | None]], live: Object) -> dict[str, int]:
    asked = {name: Preference(*bounds) for name, bounds in wanted.items()}
    key = f"{live.namespace}/{live.name}"
    return kubefed(total, asked, key=key, current={}, capacity={}, rebalance=True)
