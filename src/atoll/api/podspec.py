"""Where pods are described in an object, whatever its kind."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

CONTAINER_FIELDS = ("containers", "initContainers")
_PATHS = (
    ("spec", "template", "spec"),  # Deployment, StatefulSet, DaemonSet, ReplicaSet, Job and custom kinds like them
    ("spec", "jobTemplate", "spec", "template", "spec"),  # CronJob
    ("template", "spec"),  # PodTemplate
)


class PodSpec(NamedTuple):
    """A pod spec and its path in its object."""

    path: str
    body: Mapping[str, Any]

    def containers(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each container with its path, init containers too."""
        for field in CONTAINER_FIELDS:
            for index, container in enumerate(items(self.body, field)):
                yield f"{self.path}.{field}[{index}]", container


def pod_spec(body: Mapping[str, Any]) -> PodSpec | None:
    """The object's pod spec, found by its shape, so that custom kinds need no registration."""
    paths = (("spec",),) if (body.get("apiVersion"), body.get("kind")) == ("v1", "Pod") else _PATHS
    for path in paths:
        part: Any = body
        for name in path:
            part = part.get(name) if isinstance(part, dict) else None
        if isinstance(part, dict) and any(isinstance(part.get(field), list) for field in CONTAINER_FIELDS):
            return PodSpec(".".join(path), part)
    return None


def items(body: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """The objects of a list; what isn't one counts as empty, so that places in it are kept."""
    value = body.get(field)
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []
