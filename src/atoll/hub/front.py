"""A front end: one dialect's side of what the hub carries out. The loops know fronts, and no dialect.

A front says where its objects live on the hub, what they mean, which finalizer holds them, how what is let go of is
left, and whom to tell that there is something to tell. It plans, delivers and observes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from atoll.api.application import Application
from atoll.api.intent import Intent
from atoll.api.manner import OWN_MANNER, Manner
from atoll.api.objects import Key, ObjectId
from atoll.api.status import ApplicationStatus
from atoll.api.validate import Issue
from atoll.hub.dossier import Dossier, Dossiers
from atoll.kube.objects import Object, Resource
from atoll.runtime.informer import Change


class Reading(msgspec.Struct, frozen=True):
    """What an object says. Without `intent`, what was delivered before stays as it is.

    status: what was written of it, in Atoll's words, such as where it is; None when it can't be read at all.
    app: an Application, its manifests in `intent` only; None of another dialect, or when it isn't even one.
    lasting: whether it is read alike as long as its front's `ground` is the same.
    """

    status: ApplicationStatus | None
    issues: tuple[Issue, ...] = ()
    intent: Intent | None = None
    app: Application | None = None
    lasting: bool = False


class Parting(NamedTuple):
    """How an object leaves a cluster: `orphan`, what was delivered stays there."""

    orphan: bool = False
    manner: Manner = OWN_MANNER


class Objects(Protocol):
    """What is known of one kind on the hub: an informer, or several of single namespaces."""

    resource: Resource

    @property
    def version(self) -> str:
        """How far it has followed the server."""
        ...

    def get(self, identity: ObjectId, /) -> Object | None: ...

    def values(self) -> list[Object]: ...


class Front(ABC):
    """One kind of the hub. `prefix` distinguishes its keys from another front's of the same names; "" is Atoll's own.

    `uids` gains and loses the UIDs of its objects; `wake(key)` asks to look at one again.
    """

    keeps_history = False
    """Whether former contents are kept: whoever has no rollouts needs none."""

    def __init__(
        self,
        informer: Objects,
        finalizer: str,
        dossiers: Dossiers,
        uids: set[str],
        wake: Callable[[Key], None],
        prefix: str = "",
    ) -> None:
        self.informer = informer
        self.finalizer = finalizer
        self.prefix = prefix
        self._dossiers = dossiers
        self._uids = uids
        self._wake = wake

    # What a dialect says

    @abstractmethod
    async def read(self, live: Object) -> Reading:
        """What `live` says. Raises KubeError when something it names can't be read now."""

    def ground(self, live: Object) -> Hashable:
        """All on which a lasting reading of `live` rests, itself included."""
        return live.uid, live.resource_version

    @abstractmethod
    def recall(self, dossier: Dossier) -> None:
        """Have what was written of it in `dossier`: of one that is deleted before it was read."""

    @abstractmethod
    def parting(self, dossier: Dossier, cluster: str, *, ending: bool) -> Parting:
        """How it leaves `cluster`; `ending`: since it is deleted."""

    @abstractmethod
    def touch(self, key: Key) -> None:
        """There is something to tell of it."""

    @abstractmethod
    def same(self, old: Object, new: Object) -> bool:
        """Whether nothing changed but what was written about it."""

    @abstractmethod
    def stays(self, dossier: Dossier, cluster: str) -> bool:
        """Whether what is on `cluster` must not be deleted, however it leaves."""

    @abstractmethod
    def forget(self, dossier: Dossier) -> None:
        """It is gone."""

    # Where its objects are

    @property
    def resource(self) -> Resource:
        return self.informer.resource

    def key(self, identity: ObjectId) -> Key:
        name = identity.name
        return Key(identity.namespace, f"{self.prefix}/{name}" if self.prefix else name)

    def live(self, key: Key) -> Object | None:
        group, kind = self.resource.group_kind
        return self.informer.get(ObjectId(group, kind, key.namespace, key.name.rpartition("/")[2]))

    def held(self) -> list[Key]:
        return [self.key(live.id) for live in self.informer.values()]

    def newest(self, live: Object) -> int:
        """The newest resourceVersion that is known of the kind."""
        known = (live.resource_version, self.informer.version)
        return max(int(version) if version.isdigit() else 0 for version in known)

    def changed(self, change: Change[Object]) -> None:
        """The status is ours: a change of nothing else wakes nobody, nor does the echo of what we wrote ourselves."""
        key, old, new = self.key(change.id), change.old, change.new
        if new is None or (old is not None and old.uid != new.uid):
            self._uids.discard(old.uid if old is not None else "")
        if new is not None:
            self._uids.add(new.uid)
        if old is not None and new is not None:
            if (dossier := self._dossiers.get(key, new.uid)) is not None:
                if dossier.live.resource_version == new.resource_version:
                    dossier.live = new  # the informer's own: it is not held twice
                    return
                dossier.saw(new)
            if self.same(old, new):
                return
        self._wake(key)


class Fronts:
    """All fronts at work. `uids` are those of all their objects."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self._by_prefix: dict[str, Front] = {}

    def add(self, front: Front) -> None:
        self._by_prefix[front.prefix] = front

    def drop(self, front: Front) -> None:
        if self._by_prefix.get(front.prefix) is front:
            del self._by_prefix[front.prefix]

    def of(self, key: Key) -> Front | None:
        """Whose `key` is; None of one that works no longer."""
        return self._by_prefix.get(key.name.rpartition("/")[0])

    def alive(self, uid: str) -> bool:
        """Whether there is an object of this UID."""
        return uid in self.uids

    def __iter__(self) -> Iterator[Front]:
        return iter(tuple(self._by_prefix.values()))
