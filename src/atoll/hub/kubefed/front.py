"""The front end of one federated type: its objects on the hub, read as intents."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from atoll.api.issues import Issue
from atoll.api.kubefed.common import ObjectMeta
from atoll.api.kubefed.federated import Federated, FederatedStatus
from atoll.api.kubefed.names import FINALIZER_SYNC, SERVICES_CONFIG, Propagation, Reason
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.objects import GroupKind, Key, ObjectId
from atoll.api.status import ApplicationStatus, PlacedCluster
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.front import Front, Parting, Reading
from atoll.hub.kubefed.federation import Federation, NotKnown
from atoll.intake.kubefed.overrides import OverridesError
from atoll.intake.kubefed.placement import PlacementError
from atoll.intake.kubefed.translate import DROPPED, Terms, Unreadable, dropped, manner, orphaned, translate
from atoll.intake.kubefed.versions import overrides_hash, template_hash
from atoll.kube.objects import Object
from atoll.runtime.informer import Informer


class Said(msgspec.Struct, frozen=True):
    """What was read in one federated object, for whoever tells what became of it.

    chosen: where it is to be. reason: why nothing could be placed. word: what holds for each chosen cluster, instead of
    what the members say: nothing new was delivered. warnings: reason and message of each. path, message: the trouble.
    """

    chosen: frozenset[str] = frozenset()
    reason: Reason = Reason.SUCCESS
    word: Propagation = Propagation.OK
    path: str = ""
    message: str = ""
    warnings: tuple[tuple[str, str], ...] = ()
    template_version: str = ""
    overrides_version: str = ""
    ignored: bool = False


class Teller(Protocol):
    """Who tells what became of federated objects. `placed()`: where one goes was read, and is news."""

    def touch(self, key: Key) -> None: ...

    def placed(self) -> None: ...

    def forget(self, uid: str) -> None: ...


class Outline(msgspec.Struct, frozen=True):
    """What every federated object has, however wrong its spec is."""

    metadata: ObjectMeta
    status: FederatedStatus | None = None


class FederatedFront(Front):
    """One FederatedTypeConfig at work."""

    informer: Informer[Object]

    def __init__(
        self,
        config: FederatedTypeConfig,
        informer: Informer[Object],
        federation: Federation,
        teller: Teller,
        dossiers: Dossiers,
        uids: set[str],
        wake: Callable[[Key], None],
    ) -> None:
        super().__init__(informer, FINALIZER_SYNC, dossiers, uids, wake, prefix_of(config))
        self.config = config
        self._federation = federation
        self._teller = teller
        self._said: dict[str, Said] = {}

    @property
    def of_namespaces(self) -> bool:
        return self.config.of_namespaces

    @property
    def target(self) -> GroupKind:
        """The kind of the objects that members get."""
        return GroupKind(self.config.spec.target_type.group, self.config.spec.target_type.kind)

    def federated(self, about: ObjectId) -> Object | None:
        """The federated object of a member's object of that name."""
        namespace = about.name if self.of_namespaces else about.namespace
        return self.informer.get(ObjectId(*self.resource.group_kind, namespace, about.name))

    @property
    def collected(self) -> bool:
        """Whether members' own statuses are gathered in the federated object's."""
        return self.config.status_collected and self._federation.settings.raw_status

    @property
    def gathers(self) -> bool:
        """Whether they are gathered in objects of their own: the older way, for Services only."""
        config = self.config
        services = config.metadata.name == SERVICES_CONFIG and config.spec.status_type is not None
        return services and config.status_collected and not self._federation.settings.raw_status

    @property
    def _terms(self) -> Terms:
        return Terms(adopt=self._federation.settings.adopt, raw_status=self.collected or self.gathers)

    def said(self, uid: str) -> Said | None:
        """What was read last in the object with this UID."""
        return self._said.get(uid)

    async def read(self, live: Object) -> Reading:
        status = written(live)
        if self._ignored(live):
            self._said[live.uid] = Said(ignored=True)
            return Reading(status)
        try:
            said, reading = self._read(live, status)
        except NotKnown:  # all stays as it is, until that is known and everybody is asked again
            return Reading(status)
        before, self._said[live.uid] = self._said.get(live.uid), said
        if before is None or (before.chosen, before.word, before.reason) != (said.chosen, said.word, said.reason):
            self._teller.placed()
        return reading

    def _read(self, live: Object, status: ApplicationStatus | None) -> tuple[Said, Reading]:
        try:
            federated = live.read(Federated)
            if federated.spec is None:
                raise PlacementError("spec", "there is none: give template and placement")
            chosen = self._federation.chosen(federated, federated.spec, self.config)
        except PlacementError as error:
            return _refused(Said(reason=Reason.COMPUTE_PLACEMENT_FAILED), status, error.path, error.message)
        except msgspec.ValidationError as error:
            return _refused(Said(reason=Reason.COMPUTE_PLACEMENT_FAILED), status, "", str(error))
        spec = live.body().get("spec")
        said = Said(
            chosen=chosen.clusters,
            reason=Reason.NAMESPACE_NOT_FEDERATED if chosen.unfederated else Reason.SUCCESS,
            warnings=tuple(
                (DROPPED[field], f"metadata.{field} of the template is not delivered: members' controllers write there")
                for field in dropped(federated, federated.spec)
            ),
            template_version=template_hash(spec),
            overrides_version=overrides_hash(spec),
        )
        try:
            intent = translate(federated, federated.spec, self.config, self.key(live.id), chosen.clusters, self._terms)
        except OverridesError as error:
            refused = msgspec.structs.replace(said, word=Propagation.APPLY_OVERRIDES_FAILED)
            return _refused(refused, status, f"spec.{error.path}", error.message)
        except Unreadable as error:
            refused = msgspec.structs.replace(said, word=Propagation.COMPUTE_RESOURCE_FAILED)
            return _refused(refused, status, error.path, error.message)
        return said, Reading(status, intent=intent)

    def _ignored(self, live: Object) -> bool:
        """Whether it is of a namespace that is never federated, or isn't named as its namespace."""
        return self.config.of_namespaces and (self._federation.never_federated(live.name) or self.misnamed(live))

    def misnamed(self, live: Object) -> bool:
        return self.config.of_namespaces and live.name != live.namespace

    def recall(self, dossier: Dossier) -> None:
        dossier.status = written(dossier.live)

    def parting(self, dossier: Dossier, cluster: str, *, ending: bool) -> Parting:
        """What isn't, or is no longer, a KubeFedCluster keeps what it has."""
        annotations = dossier.live.annotations
        orphan = (
            self.stays(dossier, cluster)
            or cluster not in self._federation.clusters()
            or (ending and orphaned(annotations))
        )
        try:
            return Parting(orphan, manner(annotations, self.config, self._terms))
        except Unreadable:
            return Parting(orphan, manner({}, self.config, self._terms))

    def stays(self, dossier: Dossier, cluster: str) -> bool:  # noqa: ARG002  all of them alike
        """A namespace of the hub itself holds the federated objects: it is not ours to delete."""
        return self.config.of_namespaces and self._federation.at_home(cluster)

    def touch(self, key: Key) -> None:
        self._teller.touch(key)

    def same(self, old: Object, new: Object) -> bool:
        return (old.uid, old.generation, old.deleting, old.finalizers, old.annotations) == (
            new.uid,
            new.generation,
            new.deleting,
            new.finalizers,
            new.annotations,
        )

    def forget(self, dossier: Dossier) -> None:
        self._said.pop(dossier.uid, None)
        self._teller.forget(dossier.uid)


def _refused(said: Said, status: ApplicationStatus | None, path: str, message: str) -> tuple[Said, Reading]:
    told = msgspec.structs.replace(said, path=path, message=message)
    return told, Reading(status, (Issue(path, message),))


def prefix_of(config: FederatedTypeConfig) -> str:
    """What stands before the names of its objects in keys: no two types may have the same."""
    served = config.spec.federated_type
    return served.kind if served.group.endswith("kubefed.io") else f"{served.kind}.{served.group}"


def written(live: Object) -> ApplicationStatus | None:
    """The clusters that its status names; None when it can't be read."""
    try:
        status = live.read(Outline).status or FederatedStatus()
    except msgspec.ValidationError:
        return None
    return ApplicationStatus(
        observed_generation=status.observed_generation,
        placement=tuple(PlacedCluster(cluster.name) for cluster in status.clusters),
    )
