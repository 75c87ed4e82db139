"""What planning reads and what it decides: frozen, complete, without time or chance of its own."""

import msgspec

from atoll.api.cluster import Resources, Taint
from atoll.api.delivery import Delivery
from atoll.api.objects import GroupKind, Key
from atoll.api.rollout import RolloutStatus
from atoll.api.rooms import Rooms
from atoll.plan.progress import Progress


class ClusterFacts(msgspec.Struct, frozen=True):
    """One cluster as planning sees it. Times are epoch seconds.

    lost_since: since when it is not Ready; 0 while it is.
    ready_since: since when it is; 0 while it isn't, or where that isn't known.
    drained: Applications are to leave it, one by one, each when it runs elsewhere.
    tainted_since: since when it has each taint, as `taints.in_words` names it.
    kinds: what its API serves; None when that isn't known.
    rooms: what its nodes have free; None when that isn't known.
    """

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
    lost_since: float = 0.0
    ready_since: float = 0.0
    drained: bool = False
    tainted_since: dict[str, float] = {}
    kinds: frozenset[GroupKind] | None = None
    rooms: Rooms | None = None

    @property
    def is_well(self) -> bool:
        """Nothing about the cluster itself speaks against it."""
        return self.ready and not (self.cordoned or self.taints or self.lost_since or self.drained)


class Standing(msgspec.Struct, frozen=True):
    """How an application stands on one cluster, where it is.

    ready: replicas of all its workloads that are ready, None when not known.
    healthy: all of it was seen to be well.
    workloads: replicas by workload as last placed, where they were not the same for all.
    stuck: replicas whose Pods stayed unschedulable for a minute.
    most: more replicas than this were found not to fit, lately.
    degraded_since: since when it is Degraded there, epoch seconds; 0 while it isn't.
    leaving: why it is to leave, as planned last: its share went to others, and it stays until they are ready.
    carry: what `failover.carry` names, by name, as seen there last.
    carried, came_from: what was brought there, and from which cluster.
    """

    ready: int | None = None
    healthy: bool = False
    workloads: dict[str, int] = {}
    stuck: int = 0
    most: int | None = None
    degraded_since: float = 0.0
    leaving: str = ""
    carry: dict[str, str] = {}
    carried: dict[str, str] = {}
    came_from: str = ""


class Neighbour(msgspec.Struct, frozen=True):
    """Another application of the namespace: its labels, and where it is."""

    labels: dict[str, str]
    clusters: frozenset[str]


class Snapshot(msgspec.Struct, frozen=True):
    """The fleet at one moment. `previous` is where each application was placed last: its clusters and replicas.

    hub: the UID of the hub's own cluster, as it would have it if it were a member too; "" when unknown.
    standing: how each application stands on the clusters where it is.
    avoided: clusters that each application left, or failed on, and isn't to go back to before it changes; and why.
    reserved: by cluster, what was given to applications lately and their Pods have not taken yet.
    neighbours: the other applications of the namespace by name, for those with affinity to any.
    steady: the application is as it was planned last: what moves now was ordered by nobody, and waits for its
        replacement.
    """

    clusters: dict[str, ClusterFacts]
    now: float = 0.0
    previous: dict[Key, dict[str, int | None]] = {}
    hub: str = ""
    standing: dict[Key, dict[str, Standing]] = {}
    avoided: dict[Key, dict[str, str]] = {}
    reserved: dict[str, Resources] = {}
    neighbours: dict[str, Neighbour] = {}
    steady: bool = False
    rollouts: dict[Key, Progress] = {}
    """How far a change of each application is. Of one that isn't here, every cluster gets the newest at once."""


Numbers = tuple[int | None, ...]
"""Replicas for each manifest of an application, in their order; None leaves the manifest's own."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Whether one cluster was chosen, and why or why not, in words."""

    cluster: str
    chosen: bool
    why: str


class ClusterShare(msgspec.Struct, frozen=True, gc=False):
    """Replicas of each scalable workload on one cluster, by workload name; `why` in words.

    `leaving` says why it is to leave, where it only stays until others are ready. `most`: more were found not to fit.
    `carried` is what `failover.carry` brought here, by name, from the cluster `came_from`.
    """

    cluster: str
    replicas: dict[str, int]
    why: str = ""
    leaving: str = ""
    most: int | None = None
    carried: dict[str, str] = {}
    came_from: str = ""

    @property
    def common(self) -> int | None:
        """The number, when all workloads agree."""
        if not self.replicas:
            return None
        numbers = set(self.replicas.values())
        return numbers.pop() if len(numbers) == 1 else None


class Refusal(msgspec.Struct, frozen=True):
    """What could not be rendered for one cluster: the field's path in the Application, and why."""

    cluster: str
    path: str
    message: str


class Plan(msgspec.Struct, frozen=True):
    """Where an application goes and what each cluster gets. A cluster with a refusal has no delivery.

    short: what could not be placed for want of room or clusters, in words; "" when all was.
    brake: why clusters that are lost keep their share, although their time is up; "" when none does.
    waiting: what was found in `standing` decided something: plan again when it changes.
    due: when time alone would decide otherwise, epoch seconds; None when it would not.
    avoided: clusters that the application isn't to go back to before it changes, and why.
    """

    key: Key
    verdicts: tuple[Verdict, ...]
    shares: dict[str, ClusterShare]
    deliveries: dict[str, Delivery]
    refusals: dict[str, Refusal] = {}
    warnings: tuple[str, ...] = ()
    short: str = ""
    brake: str = ""
    waiting: bool = False
    due: float | None = None
    avoided: dict[str, str] = {}
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
