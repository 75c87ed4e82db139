"""Which objects have replicas, and how many."""

from collections import Counter
from collections.abc import Iterable

from atoll.api.editing import changed, found, with_body
from atoll.api.objects import GroupKind, Json, Manifest

EVERY = "*"
"""In `differences[].replicas`: every scalable workload that is not named."""

REPLICAS = ("spec", "replicas")
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
    value = found(manifest.body, REPLICAS)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return 1 if manifest.id.group_kind in KUBERNETES_OWN else None


def with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    body: Json = manifest.body
    return manifest if found(body, REPLICAS) == replicas else with_body(manifest, changed(body, REPLICAS, replicas))


def replicas_by_workload(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Replicas of each scalable object by its name; two of one name are told apart by their kind."""
    scalable = [(m.id, replicas) for m in manifests if (replicas := own_replicas(m)) is not None]
    names = Counter(one.name for one, _ in scalable)
    return {(one.name if names[one.name] == 1 else str(one)): replicas for one, replicas in scalable}
