"""Which objects have replicas, and how many; Jobs have completions."""

from collections import Counter
from collections.abc import Collection, Iterable

from atoll.api.editing import changed, found, with_body
from atoll.api.objects import GroupKind, Json, Manifest

EVERY = "*"
"""In `differences[].replicas`: every scalable workload that is not named."""

REPLICAS = ("spec", "replicas")
COMPLETIONS, PARALLELISM = ("spec", "completions"), ("spec", "parallelism")
JOB = GroupKind("batch", "Job")
KUBERNETES_OWN = frozenset(
    {
        GroupKind("apps", "Deployment"),
        GroupKind("apps", "StatefulSet"),
        GroupKind("apps", "ReplicaSet"),
        GroupKind("", "ReplicationController"),
    }
)


def own_replicas(manifest: Manifest) -> int | None:
    """How many replicas the manifest itself asks for; None when it isn't scalable.

    A kind of Kubernetes' own that leaves the field out asks for 1. A custom resource is scalable when it has an
    integer `spec.replicas`.
    """
    number = _integer(manifest, REPLICAS)
    return 1 if number is None and manifest.id.group_kind in KUBERNETES_OWN else number


def completions(manifest: Manifest) -> int | None:
    """How many Pods of a Job have to succeed; None when it says nothing of it, or isn't a Job."""
    return _integer(manifest, COMPLETIONS) if _is_job(manifest) else None


def with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """The object with so many replicas; a Job with so many completions, and as many at a time as its part of them."""
    whole = completions(manifest)
    if whole is not None:
        return _with_completions(manifest, replicas, whole)
    return _with(manifest, REPLICAS, replicas)


def _with_completions(manifest: Manifest, number: int, whole: int) -> Manifest:
    at_a_time = _integer(manifest, PARALLELISM)
    if at_a_time is not None and whole:
        manifest = _with(manifest, PARALLELISM, min(number, -(-at_a_time * number // whole)))
    return _with(manifest, COMPLETIONS, number)


def _with(manifest: Manifest, path: tuple[str, ...], number: int) -> Manifest:
    body: Json = manifest.body
    return manifest if found(body, path) == number else with_body(manifest, changed(body, path, number))


def _is_job(manifest: Manifest) -> bool:
    return manifest.id.group_kind == JOB


def _integer(manifest: Manifest, path: tuple[str, ...]) -> int | None:
    value = found(manifest.body, path)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def replicas_by_workload(manifests: Iterable[Manifest], jobs: Collection[str] = ()) -> dict[str, int]:
    """Replicas of each scalable object by its name, and completions of the Jobs that are named.

    Two of one name are told apart by their kind.
    """
    numbers = [(m.id, completions(m) if m.id.name in jobs and _is_job(m) else own_replicas(m)) for m in manifests]
    scalable = [(one, number) for one, number in numbers if number is not None]
    names = Counter(one.name for one, _ in scalable)
    return {(one.name if names[one.name] == 1 else str(one)): number for one, number in scalable}
