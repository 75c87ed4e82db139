"""`Cluster`: there is a cluster, how it is reached, where it is, what it has."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import Annotations, Base, Condition, Labels, Name, Rule, Strict


class Direct(Strict, frozen=True):
    """The hub reaches the member's API server itself."""

    kubeconfig_secret: Annotated[
        Name, Meta(description="Name of a Secret in atoll-system; its key `kubeconfig` holds a kubeconfig.")
    ]


class Tunnel(Strict, frozen=True):
    """The member's agent dials the hub, and the hub reaches the member's API server through that connection."""


class Pull(Strict, frozen=True):
    """The member's agent calls, fetches what is wanted on it, and reports; the hub holds no credential for it."""


class Connection(Strict, frozen=True):
    """How the cluster is reached: exactly one of its fields."""

    direct: Annotated[Direct | None, Meta(description="By a kubeconfig that the hub holds.")] = None
    tunnel: Annotated[Tunnel | None, Meta(description="Through the connection that its agent makes.")] = None
    pull: Annotated[Pull | None, Meta(description="By its own agent, which fetches its part and applies it.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.direct) ? 1 : 0) + (has(self.tunnel) ? 1 : 0) + (has(self.pull) ? 1 : 0) == 1",
            "give exactly one way to reach it: direct, tunnel or pull",
        ),
    )

    @property
    def mode(self) -> str:
        """In one word; "" for none, which the definition doesn't let through."""
        return next((name for name in self.__struct_fields__ if getattr(self, name) is not None), "")


class Taint(Strict, frozen=True):
    """Keeps Applications that don't tolerate it away."""

    key: Annotated[Name, Meta(description="The taint's key.")]
    value: Annotated[str, Meta(max_length=63, description="The taint's value.")] = ""
    effect: Annotated[
        Literal["NoSchedule", "PreferNoSchedule", "NoExecute"],
        Meta(description="NoSchedule keeps new ones away, NoExecute removes those that are there."),
    ] = "NoSchedule"


class ClusterSpec(Strict, frozen=True):
    """What an administrator says of a cluster."""

    connection: Annotated[Connection, Meta(description="How it is reached.")]
    provider: Annotated[str, Meta(max_length=63, description="Cloud or owner, such as aws, gcp, onprem.")] = ""
    region: Annotated[str, Meta(max_length=63, description="Region; found from the nodes' labels when not given.")] = ""
    zone: Annotated[str, Meta(max_length=63, description="Zone; found from the nodes' labels when not given.")] = ""
    taints: Annotated[
        tuple[Taint, ...], Meta(max_length=32, description="Keep Applications away that don't tolerate them.")
    ] = ()
    cordoned: Annotated[bool, Meta(description="No Application is newly placed here; those that are here stay.")] = (
        False
    )
    drained: Annotated[
        bool,
        Meta(
            description="Applications leave: each when it runs elsewhere. No other comes. Who has nowhere to go, stays."
        ),
    ] = False


class Resources(Base, frozen=True):
    """Sums over a cluster's nodes or Pods; `cpu` in cores, `memory` in bytes."""

    cpu: Annotated[float, Meta(description="Cores.")] = 0.0
    memory: Annotated[int, Meta(description="Bytes.")] = 0
    pods: Annotated[int, Meta(description="Pods.")] = 0


class TaintTime(Base, frozen=True):
    """Since when the cluster has a taint that removes what is there."""

    taint: Annotated[str, Meta(max_length=400, description="As key=value:Effect.")]
    since: Annotated[str, Meta(max_length=32, description="RFC 3339.")] = ""


class ClusterStatus(Base, frozen=True):
    """What the hub found; written on transitions only."""

    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            max_length=16,
            description="Ready, Reachable, CredentialManaged, CredentialExpiring, Unclaimed, Believed, IntentHeld.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    uid: Annotated[str, Meta(max_length=64, description="UID of the member's kube-system namespace: its identity.")] = (
        ""
    )
    mode: Annotated[str, Meta(max_length=16, description="How it is reached: direct, tunnel or pull.")] = ""
    version: Annotated[str, Meta(max_length=64, description="The member's Kubernetes version.")] = ""
    nodes: Annotated[int, Meta(description="Number of nodes.")] = 0
    ready_nodes: Annotated[int, Meta(description="Number of nodes that are Ready.")] = 0
    region: Annotated[str, Meta(max_length=63, description="From spec, else from the nodes.")] = ""
    zone: Annotated[str, Meta(max_length=63, description="From spec, else from the nodes, when they agree.")] = ""
    zones: Annotated[
        tuple[Annotated[str, Meta(max_length=63)], ...], Meta(max_length=32, description="All zones of the nodes.")
    ] = ()
    allocatable: Annotated[Resources | None, Meta(description="What the nodes offer.")] = None
    requested: Annotated[Resources | None, Meta(description="What the Pods on them request.")] = None
    taints: Annotated[
        tuple[TaintTime, ...], Meta(max_length=32, description="Since when it has each NoExecute taint.")
    ] = ()
    observed_generation: Annotated[int, Meta(description="The generation that this is about.")] = 0


class ClusterMeta(Base, frozen=True):
    """The parts of a Cluster's metadata that Atoll reads."""

    name: str
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: Labels = {}
    annotations: Annotations = {}
    deletion_timestamp: str = ""
    finalizers: tuple[str, ...] = ()


class Cluster(Base, frozen=True):
    """A Kubernetes cluster that Atoll manages."""

    metadata: ClusterMeta
    spec: ClusterSpec
    status: ClusterStatus = ClusterStatus()
    api_version: str = "atoll.dev/v1alpha1"
    kind: str = "Cluster"

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
            "a cluster's name is a DNS label: at most 63 of a-z, 0-9 and -, since DNS names and labels carry it",
        ),
    )
