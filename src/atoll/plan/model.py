"""What planning reads and what it decides: frozen, complete, without time or chance of its own."""

import msgspec

from atoll.api.cluster import Resources, Taint
from atoll.api.delivery import Delivery
from atoll.api.objects import Key


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
    """The fleet at one moment. `previous` is where each application was placed last: its clusters and replicas."""

    clusters: dict[str, ClusterFacts]
    now: float = 0.0
    previous: dict[Key, dict[str, int | None]] = {}


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
