"""`Application`: what is deployed, where, how many, and what differs per cluster. One object says it all."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from atoll.api.common import AnyJson, Base, Expression, LabelSelector, Rule, Strict, pointer_rules
from atoll.api.differences import Difference, Target
from atoll.api.failover import Failover
from atoll.api.placement import Placement, Toleration
from atoll.api.replicas import Replicas
from atoll.api.status import ApplicationStatus

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
    failover: Annotated[Failover | None, Meta(description="What happens when a cluster is lost.")] = None
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
    )


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
