"""`Intent`: what every dialect becomes. The engine knows this one language."""

from typing import NamedTuple

import msgspec

from atoll.api.application import HealthRule, Retain
from atoll.api.differences import Difference
from atoll.api.failover import Failover
from atoll.api.manner import OWN_MANNER, LatePatch, Manner
from atoll.api.objects import Key, Manifest, ObjectId
from atoll.api.placement import Placement, Toleration
from atoll.api.replicas import Replicas
from atoll.api.rollout import Rollout


class Revision(NamedTuple):
    """Which version of an application something was made from.

    `metadata.generation` restarts and repeats; this grows: `epoch` counts the hub's lives (a restore begins a new one),
    `sequence` the application's changes. Revisions of different applications don't compare.
    """

    epoch: int
    uid: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}/{self.uid}/{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> "Revision | None":
        """The annotation's form; None when it isn't one."""
        parts = text.split("/")
        if len(parts) != 3 or not parts[0].isdigit() or not parts[2].isdigit():
            return None
        return cls(int(parts[0]), parts[1], int(parts[2]))

    def newer_than(self, other: "Revision") -> bool:
        return self.uid == other.uid and (self.epoch, self.sequence) > (other.epoch, other.sequence)


class Intent(msgspec.Struct, frozen=True):
    """One application, translated: complete manifests with namespaces, and what is to be done with them."""

    key: Key
    uid: str
    revision: Revision
    manifests: tuple[Manifest, ...]
    placement: Placement
    replicas: Replicas | None = None
    differences: tuple[Difference, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    failover: Failover | None = None
    adopt: bool = False
    orphan: bool = False
    suspend: bool = False
    allow_empty: bool = False
    retain: tuple[Retain, ...] = ()
    recreate: bool = False
    health: tuple[HealthRule, ...] = ()
    templates: frozenset[ObjectId] = frozenset()
    """Objects of `manifests` that live on the hub itself: never written there, should the hub be a member too."""
    rollout: Rollout | None = None
    manner: Manner = OWN_MANNER
    late: dict[str, tuple[LatePatch, ...]] = {}
    """By cluster: patches of the one object, made after what is retained of the live one."""


class Content(msgspec.Struct, frozen=True):
    """What of an intent goes from cluster to cluster when it changes; all the rest of it holds everywhere at once."""

    digest: str
    manifests: tuple[Manifest, ...]
    differences: tuple[Difference, ...] = ()
    templates: frozenset[ObjectId] = frozenset()


class Former(NamedTuple):
    """A content that was superseded, and the last sequence number that is known to stand for it."""

    content: Content
    last: int
