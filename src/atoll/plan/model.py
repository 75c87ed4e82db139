"""What planning reads and what it decides: frozen, complete, without time or chance of its own."""

import msgspec

from atoll.api.cluster import Resources, Taint
from atoll.api.delivery import Delivery
from atoll.api.objects import Key
from atoll.api.rollout import RolloutStatus
from atoll.plan.progress import Progress


class ClusterFacts(msgspec.Struct, frozen=True):
    """One cluster as planning sees it."""

    name: str
    uid: str = ""
    labels: dict[str, str] = {}
    provider: str = ""
    region: str = ""
    zone: str = ""
    version: str = ""
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    ready: bool = True
    allocatable: Resources = Resources()
    requested: Resources = Resources()


class Snapshot(msgspec.Struct, frozen=True):
    """The fleet at one moment. `previous` is where each application was placed last: its clusters and replicas.

    `hub` is the UID of the hub's own cluster, as it would have it if it were a member too; "" when unknown.
    """

    clusters: dict[str, ClusterFacts]
    now: float = 0.0
    previous: dict[Key, dict[str, int | None]] = {}
    hub: str = ""
    rollouts: dict[Key, Progress] = {}
    """How far a change of each application is. Of one that isn't here, every cluster gets the newest at once."""


Numbers = tuple[int | None, ...]
"""Replicas for each manifest of an application, in their order; None leaves the manifest's own."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether one cluster was chosen, and why or why not, in words."""

    cluster: str
    chosen: bool
    why: str


class ClusterShare(msgspec.Struct, frozen=True):
    """Replicas of each scalable workload on one cluster, by workload name; `why` in words."""

    cluster: str
    replicas: dict[str, int]
    why: str = ""

    @property
    def common(self) -> int | None:
        """The number, when all workloads agree."""
        numbers = set(self.replicas.values())
        return numbers.pop() if len(numbers) == 1 else None


class Refusal(msgspec.Struct, frozen=True):
    """What could not be rendered for one cluster: the field's path in the Application, and why."""

    cluster: str
    path: str
    message: str


class Plan(msgspec.Struct, frozen=True):
    """Where an application goes and what each cluster gets. A cluster with a refusal has no delivery."""

    key: Key
    verdicts: tuple[Verdict, ...]
    shares: dict[str, ClusterShare]
    deliveries: dict[str, Delivery]
    refusals: dict[str, Refusal] = {}
    warnings: tuple[str, ...] = ()
    unreached: dict[str, str] = {}
    """Clusters that get nothing yet, since a rollout has not come to them, and why."""
    kept: dict[str, str] = {}
    """Clusters that stay as they are, whatever that is, and why."""
    rollout: RolloutStatus | None = None
    again: float = 0.0
    """Seconds after which time alone may change the plan; 0: never."""
    ask: str = ""
    """The stage whose check is to be asked now."""
    turns_back: bool = False
    """The change failed: a new number is wanted, under which what was stable holds again."""


class RefusedError(Exception):
    """Raised inside planning, and caught there: a field of the Application that can't be carried out."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
