"""`Application`: what is deployed, where, how many, and what differs per cluster. One object says it all."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from atoll.api.common import (
    Annotations,
    AnyJson,
    Base,
    Condition,
    Expression,
    LabelSelector,
    LabelValue,
    Name,
    Rule,
    ShortText,
    Strict,
    pointer_rules,
)

ClusterNames = Annotated[tuple[Name, ...], Meta(max_length=1024)]
NonNegative = Annotated[int, Meta(ge=0, le=1_000_000)]
MAX_INLINE = 1000
"""Objects in `manifests`."""

ManifestJson = Annotated[
    AnyJson,
    Meta(
        description="A Kubernetes object of any kind.",
        extra_json_schema={
            "required": ["apiVersion", "kind"],
            "properties": {
                "apiVersion": {"type": "string", "maxLength": 317, "description": "Such as apps/v1."},
                "kind": {"type": "string", "maxLength": 63, "description": "Such as Deployment."},
                "metadata": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "description": "The object's metadata: name at least.",
                },
            },
        },
    ),
]
_QUANTITIES = {
    "type": "object",
    "maxProperties": 32,
    "additionalProperties": {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "nullable": True,
    },
}
ResourcesJson = Annotated[
    AnyJson,
    Meta(
        description="As a container's `resources`.",
        extra_json_schema={
            "x-kubernetes-preserve-unknown-fields": False,
            "properties": {
                "requests": {
                    **_QUANTITIES,
                    "description": "What the container is sure to get, by resource; null removes one.",
                },
                "limits": {**_QUANTITIES, "description": "What the container may use, by resource; null removes one."},
            },
        },
    ),
]

_NAMED = "(has(self.clusters) && size(self.clusters) > 0) || has(self.selector) || has(self.where)"
_ALL = "has(self.all) && self.all"


class Select(Strict, frozen=True):
    """Objects that live on the hub, in the Application's namespace: one by name, or many by labels."""

    api_version: Annotated[str, Meta(min_length=1, max_length=317, description="Such as apps/v1.")]
    kind: Annotated[str, Meta(min_length=1, max_length=63, description="Such as Deployment.")]
    name: Annotated[str, Meta(max_length=253, description="One object by name.")] = ""
    label_selector: Annotated[LabelSelector | None, Meta(description="Objects by their labels.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.name) && self.name != '') != has(self.labelSelector)",
            "give either name, for one object, or labelSelector, for many",
        ),
    )


class ClusterTarget(Strict, frozen=True):
    """Which clusters: all conditions given must hold; none given is refused; `all: true` is all."""

    clusters: Annotated[ClusterNames, Meta(description="By name.")] = ()
    selector: Annotated[LabelSelector | None, Meta(description="By label.")] = None
    where: Annotated[
        Expression | None,
        Meta(
            description="A CEL expression over `cluster`: name, provider, region, zone, labels (a map) and version, "
            "such as v1.36.1. Where it fails, as on a label that the cluster doesn't have, it does not hold."
        ),
    ] = None
    all: Annotated[bool, Meta(description="All clusters.")] = False

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(f"{_NAMED} || ({_ALL})", "no cluster is named: give clusters, selector or where, or say all: true"),
        Rule(
            f"!({_ALL}) || !({_NAMED})",
            "all: true is every cluster: take it away, or clusters, selector and where",
            ".all",
        ),
    )


class Placement(ClusterTarget, frozen=True):
    """Where the Application goes."""


class Toleration(Strict, frozen=True):
    """Lets the Application on clusters with a taint."""

    key: Annotated[str, Meta(max_length=253, description="The taint's key; empty with Exists is every taint.")] = ""
    operator: Annotated[Literal["Equal", "Exists"], Meta(description="Compare the value, or any value.")] = "Equal"
    value: Annotated[str, Meta(max_length=63, description="The taint's value.")] = ""
    effect: Annotated[
        Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"], Meta(description="Empty is every effect.")
    ] = ""

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
            "an empty key, which is every taint, needs operator: Exists",
            ".key",
        ),
        Rule(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "operator: Exists takes no value",
            ".value",
        ),
    )


class Share(Strict, frozen=True):
    """How replicas are given to clusters: `each` to every one, or a `total` divided among them."""

    each: Annotated[NonNegative | None, Meta(description="This many on every cluster.")] = None
    total: Annotated[NonNegative | None, Meta(description="This many in all, divided.")] = None
    divide: Annotated[Literal["weighted"], Meta(description="How a total is divided.")] = "weighted"
    weights: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=1_000_000)]],
        Meta(max_length=1024, description='Weight by cluster name; "*" is every other; all equal when not given.'),
    ] = {}

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule("!(has(self.each) && has(self.total))", "give either each or total, not both"),
        Rule(
            "!has(self.weights) || size(self.weights) == 0 || has(self.total)",
            "weights divide a total: give total, or take weights away",
            ".weights",
        ),
        Rule(
            "!has(self.weights) || size(self.weights) == 0 || self.weights.exists(name, self.weights[name] > 0)",
            "all weights are 0: nothing could be placed",
            ".weights",
        ),
        Rule("has(self.each) || has(self.total)", "give each, replicas on every cluster, or total, replicas in all"),
    )


class Replicas(Share, frozen=True):
    """Replicas of each scalable workload; `workloads` says where one differs."""

    workloads: Annotated[
        dict[str, Share], Meta(max_length=128, description="By a workload's name: its own share.")
    ] = {}

    shape: ClassVar[tuple[Rule, ...]] = (
        *Share.shape[:-1],
        Rule(
            "has(self.each) || has(self.total) || (has(self.workloads) && size(self.workloads) > 0)",
            "give each, replicas on every cluster, or total, replicas in all, or workloads",
        ),
    )


class ImageRule(Strict, frozen=True):
    """Replaces images: `from` matches whole parts (at `/`, `:`, `@`); a field that is given replaces that part."""

    from_: Annotated[str, Meta(max_length=512, description="The image, or its beginning, to replace.")] = msgspec.field(
        default="", name="from"
    )
    to: Annotated[str, Meta(max_length=512, description="What replaces `from`.")] = ""
    registry: Annotated[str, Meta(max_length=255, description="New registry host, such as docker.io.")] = ""
    repository: Annotated[str, Meta(max_length=255, description="New repository path.")] = ""
    tag: Annotated[str, Meta(max_length=128, description="New tag, or a digest as sha256:….")] = ""
    workload: Annotated[str, Meta(max_length=253, description="Only in this workload.")] = ""
    container: Annotated[str, Meta(max_length=63, description="Only in this container.")] = ""

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.to) && self.to != '') || (has(self.registry) && self.registry != '') || "
            "(has(self.repository) && self.repository != '') || (has(self.tag) && self.tag != '')",
            "changes nothing: give to, registry, repository or tag",
        ),
        Rule(
            "!has(self.to) || self.to == '' || (has(self.from) && self.from != '')",
            "to replaces from: give from, or instead of to registry, repository or tag",
            ".to",
        ),
    )


class Target(Strict, frozen=True):
    """Which of the Application's objects: all that is given must match."""

    api_version: Annotated[str, Meta(max_length=317, description="Such as apps/v1.")] = ""
    kind: Annotated[str, Meta(max_length=63, description="Such as Deployment.")] = ""
    name: Annotated[str, Meta(max_length=253, description="The object's name.")] = ""
    namespace: Annotated[str, Meta(max_length=63, description="The object's namespace.")] = ""

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.kind) && self.kind != '') || (has(self.name) && self.name != '')",
            "too wide: give kind or name, or both",
        ),
    )


class Patch(Strict, frozen=True):
    """One JSON patch operation (RFC 6902) on the objects that `target` names."""

    target: Annotated[Target, Meta(description="The objects to patch.")]
    op: Annotated[Literal["add", "remove", "replace", "move", "copy", "test"], Meta(description="The operation.")]
    path: Annotated[str, Meta(min_length=1, max_length=512, description="A JSON pointer, such as /spec/replicas.")]
    value: Annotated[
        Any,
        Meta(
            description="For add, replace and test; null when left out, since `kubectl apply` loses a null on its way."
        ),
    ] = None
    from_: Annotated[str, Meta(max_length=512, description="For move and copy: where from.")] = msgspec.field(
        default="", name="from"
    )

    shape: ClassVar[tuple[Rule, ...]] = (
        *pointer_rules("path", unless="self.op == 'test'"),
        *pointer_rules("from", unless="self.op != 'move'"),
        Rule(
            "self.op in ['move', 'copy'] ? has(self.from) && self.from != '' : !has(self.from) || self.from == ''",
            "move and copy need from, the others take none",
            ".from",
        ),
    )


class Difference(ClusterTarget, frozen=True):
    """What differs on the clusters that it names. Several apply in order."""

    images: Annotated[tuple[ImageRule, ...], Meta(max_length=64, description="Images replaced.")] = ()
    env: Annotated[
        dict[str, Annotated[dict[str, Annotated[str, Meta(max_length=32768)] | None], Meta(max_length=256)]],
        Meta(
            max_length=64,
            description="By `workload` or `workload/container`: variables set; null removes one (kubectl sends a null "
            "only with `apply --server-side`).",
        ),
    ] = {}
    command: Annotated[
        dict[str, Annotated[tuple[Annotated[str, Meta(max_length=4096)], ...], Meta(max_length=64)]],
        Meta(max_length=64, description="By `workload` or `workload/container`: the command."),
    ] = {}
    args: Annotated[
        dict[str, Annotated[tuple[Annotated[str, Meta(max_length=4096)], ...], Meta(max_length=256)]],
        Meta(max_length=64, description="By `workload` or `workload/container`: the arguments."),
    ] = {}
    resources: Annotated[
        dict[str, ResourcesJson],
        Meta(max_length=64, description="By `workload` or `workload/container`: requests and limits, merged."),
    ] = {}
    labels: Annotated[dict[str, LabelValue], Meta(max_length=64, description="Labels set on every object.")] = {}
    annotations: Annotated[Annotations, Meta(description="Annotations set on every object.")] = {}
    replicas: Annotated[
        dict[str, NonNegative], Meta(max_length=128, description='By workload, "*" for each: replicas here.')
    ] = {}
    patches: Annotated[tuple[Patch, ...], Meta(max_length=64, description="JSON patches, applied last.")] = ()


class Retain(Strict, frozen=True):
    """A field that belongs to somebody on the member, such as an autoscaler; Atoll sets it at creation only."""

    target: Annotated[Target, Meta(description="The objects.")]
    path: Annotated[str, Meta(min_length=1, max_length=512, description="A JSON pointer, such as /spec/replicas.")]

    shape: ClassVar[tuple[Rule, ...]] = pointer_rules("path")


class HealthRule(Strict, frozen=True):
    """Custom health of a kind: CEL expressions over `object`; the first that holds decides, else Progressing."""

    api_version: Annotated[str, Meta(min_length=1, max_length=317, description="Such as example.org/v1.")]
    kind: Annotated[str, Meta(min_length=1, max_length=63, description="The kind.")]
    degraded: Annotated[Expression | None, Meta(description="True when broken.")] = None
    healthy: Annotated[Expression | None, Meta(description="True when well.")] = None
    suspended: Annotated[Expression | None, Meta(description="True when paused on purpose.")] = None
    message: Annotated[Expression | None, Meta(description="A string for people.")] = None

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.degraded) || has(self.healthy) || has(self.suspended)",
            "says nothing: give degraded, healthy or suspended",
        ),
    )


class ApplicationSpec(Strict, frozen=True):
    """What a user says of an application."""

    manifests: Annotated[
        tuple[ManifestJson, ...],
        Meta(max_length=10_000, description="The objects, inline: at most 1,000, and 1 MiB in all."),
    ] = ()
    select: Annotated[
        tuple[Select, ...], Meta(max_length=100, description="Objects that live on the hub, in this namespace.")
    ] = ()
    placement: Annotated[Placement | None, Meta(description="Where it goes.")] = None
    replicas: Annotated[Replicas | None, Meta(description="How many.")] = None
    differences: Annotated[
        tuple[Difference, ...], Meta(max_length=100, description="What differs per cluster, applied in order.")
    ] = ()
    tolerations: Annotated[
        tuple[Toleration, ...], Meta(max_length=32, description="Taints of clusters that it tolerates.")
    ] = ()
    adopt: Annotated[bool, Meta(description="Take objects that exist already and belong to no other Application.")] = (
        False
    )
    deletion: Annotated[
        Literal["delete", "orphan"], Meta(description="What becomes of the objects when the Application goes.")
    ] = "delete"
    suspend: Annotated[bool, Meta(description="Nothing is written to any member; status goes on.")] = False
    allow_empty: Annotated[bool, Meta(description="A change may remove every object.")] = False
    retain: Annotated[tuple[Retain, ...], Meta(max_length=64, description="Fields left to others after creation.")] = ()
    on_immutable: Annotated[
        Literal["refuse", "recreate"], Meta(description="When a field can't be changed in place.")
    ] = "refuse"
    health: Annotated[tuple[HealthRule, ...], Meta(max_length=32, description="Custom health, by kind.")] = ()

    shape: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.manifests) && size(self.manifests) > 0) || (has(self.select) && size(self.select) > 0) || "
            "(has(self.allowEmpty) && self.allowEmpty)",
            "the Application is empty: give manifests or select (allowEmpty: true says that it is meant)",
        ),
        Rule(
            f"!has(self.manifests) || size(self.manifests) <= {MAX_INLINE}",
            f"more than {MAX_INLINE:,} objects inline: apply them to the hub in this namespace, and name them with "
            "select (by labels)",
            ".manifests",
        ),
        Rule("has(self.placement)", "placement is missing: give clusters, selector or where, or all: true"),
    )


class PlacedCluster(Base, frozen=True):
    """One cluster of the placement."""

    cluster: Annotated[Name, Meta(description="The cluster.")]
    replicas: Annotated[int | None, Meta(description="Replicas of the scalable workloads, when they agree.")] = None
    why: Annotated[ShortText, Meta(description="Why here, and why so many.")] = ""


class ProblemStatus(Base, frozen=True):
    """One thing that is wrong on one cluster."""

    object: Annotated[ShortText, Meta(description="Such as Pod/web-7f.")]
    reason: Annotated[ShortText, Meta(description="Such as ErrImagePull.")] = ""
    message: Annotated[ShortText, Meta(description="In words.")] = ""
    count: Annotated[int, Meta(description="How often.")] = 1
    since: Annotated[str, Meta(max_length=32, description="Since when, RFC 3339.")] = ""


ClusterState = Literal[
    "Pending", "Waiting", "Applying", "Applied", "Conflict", "Failed", "Unreachable", "Removing", "Suspended"
]
Health = Literal["Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"]


class ClusterRow(Base, frozen=True):
    """How the Application does on one cluster."""

    name: Annotated[Name, Meta(description="The cluster.")]
    state: Annotated[ClusterState, Meta(description="How far delivery is.")] = "Pending"
    health: Annotated[Health, Meta(description="How the objects do.")] = "Unknown"
    ready: Annotated[str, Meta(max_length=32, description="Ready of desired replicas.")] = ""
    revision: Annotated[int, Meta(description="The Application's sequence number that is applied here.")] = 0
    message: Annotated[ShortText, Meta(description="The first trouble, in words.")] = ""
    since: Annotated[str, Meta(max_length=32, description="Since when state is what it is, RFC 3339.")] = ""
    problems: Annotated[tuple[ProblemStatus, ...], Meta(max_length=3, description="What is wrong.")] = ()


class Summary(Base, frozen=True):
    """Counts over all clusters."""

    clusters: Annotated[int, Meta(description="Clusters placed on.")] = 0
    applied: Annotated[int, Meta(description="Clusters where it is applied.")] = 0
    healthy: Annotated[int, Meta(description="Clusters where it is healthy.")] = 0
    ready: Annotated[str, Meta(max_length=32, description="Ready of desired replicas in all.")] = ""


class ApplicationStatus(Base, frozen=True):
    """What became of it. Bounded: above 100 clusters, full rows only for the unhealthy; 512 KiB in all."""

    observed_generation: Annotated[int, Meta(description="The generation that this is about.")] = 0
    sequence: Annotated[int, Meta(description="Grows with each change of what is delivered; never restarts.")] = 0
    intent: Annotated[str, Meta(max_length=64, description="Digest of what `sequence` stands for.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Meta(
            max_length=16,
            description="Accepted, Placed, Applied, Healthy, Ready; Reconciling and Stalled as kstatus.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
    placement: Annotated[tuple[PlacedCluster, ...], Meta(max_length=1024, description="Where, how many, why.")] = ()
    clusters: Annotated[
        tuple[ClusterRow, ...],
        Meta(
            max_length=1024,
            description="A row for each cluster.",
            extra_json_schema={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    summary: Annotated[Summary | None, Meta(description="Counts over all clusters.")] = None
    truncated: Annotated[int, Meta(description="Rows left out to keep the status small.")] = 0


class ApplicationMeta(Base, frozen=True):
    """The parts of an Application's metadata that Atoll reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str = ""
    finalizers: tuple[str, ...] = ()


class Application(Base, frozen=True):
    """An application, deployed to chosen clusters."""

    metadata: ApplicationMeta
    spec: ApplicationSpec
    status: ApplicationStatus = ApplicationStatus()
    api_version: str = "atoll.dev/v1alpha1"
    kind: str = "Application"
