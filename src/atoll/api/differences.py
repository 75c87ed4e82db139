"""What differs per cluster: images, variables, commands, resources, labels, replicas, patches."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from atoll.api.common import Annotations, AnyJson, LabelValue, Rule, Strict, pointer_rules
from atoll.api.objects import ObjectId
from atoll.api.placement import ClusterTarget
from atoll.api.replicas import NonNegative

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

    def means(self, api_version: str, this: ObjectId) -> bool:
        """Whether all that is given matches the object."""
        return (
            self.api_version in ("", api_version)
            and self.kind in ("", this.kind)
            and self.name in ("", this.name)
            and self.namespace in ("", this.namespace)
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
