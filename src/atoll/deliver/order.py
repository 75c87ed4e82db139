"""In which order objects go: namespaces, definitions of kinds, then wave after wave; away in reverse."""

from typing import NamedTuple

from atoll.api.objects import GroupKind, ObjectId

NAMESPACE = GroupKind("", "Namespace")
CRD = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})

_FIRST, _SECOND, _REST = 0, 1, 2
_RANKS = {
    kind: rank
    for rank, kinds in enumerate(
        (
            "PriorityClass StorageClass RuntimeClass ResourceQuota LimitRange NetworkPolicy",
            "ServiceAccount",
            "Secret ConfigMap PersistentVolume PersistentVolumeClaim",
            "ClusterRole Role",
            "ClusterRoleBinding RoleBinding",
            "Service",
        )
    )
    for kind in kinds.split()
}
_USUAL, _LAST = len(_RANKS), len(_RANKS) + 1


class Stage(NamedTuple):
    """When an object goes. A stage begins when all of the one before, by `band` and `wave`, are applied.

    `rank` orders within it without waiting: what others need first goes out first.
    """

    band: int
    wave: int
    rank: int

    @property
    def step(self) -> tuple[int, int]:
        return self.band, self.wave

    def __str__(self) -> str:
        return ("namespaces", "custom resource definitions", f"wave {self.wave}")[self.band]


def stage_of(key: ObjectId, wave: str) -> Stage:
    """The stage of one object; `wave` is its annotation, and what isn't a number is wave 0."""
    kind = key.group_kind
    if kind == NAMESPACE:
        return Stage(_FIRST, 0, 0)
    if kind == CRD:
        return Stage(_SECOND, 0, 0)
    rank = _LAST if kind.kind in WEBHOOKS else _RANKS.get(kind.kind, _USUAL)
    return Stage(_REST, _number(wave), rank)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
