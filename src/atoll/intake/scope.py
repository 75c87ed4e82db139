"""Which namespace an object is in, as the Application means it."""

from collections.abc import Iterable

from atoll.api.editing import changed, found, without
from atoll.api.objects import GroupKind, Json, identify
from atoll.api.scopes import Scopes

CRD = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
NAMESPACE = ("metadata", "namespace")


def with_definitions(manifests: Iterable[Json], scopes: Scopes) -> Scopes:
    """`scopes`, and for a kind that nobody serves yet, what its CRD among `manifests` says."""
    defined = {kind: namespaced for body in manifests for kind, namespaced in _defined(body)}

    def ask(kind: GroupKind) -> bool | None:
        known = scopes(kind)
        return defined.get(kind) if known is None else known

    return ask


def in_namespace(body: Json, namespace: str, scopes: Scopes) -> Json:
    """The object in `namespace` unless it names another; without any when its kind is cluster-scoped.

    A kind of unknown scope is taken as namespaced: so nothing reaches further than its Application by being unknown.
    """
    if scopes(identify(body).group_kind) is False:
        return without(body, NAMESPACE)
    return body if found(body, NAMESPACE) else changed(body, NAMESPACE, namespace)


def _defined(body: Json) -> Iterable[tuple[GroupKind, bool]]:
    if identify(body).group_kind == CRD:
        group, kind = found(body, ("spec", "group")), found(body, ("spec", "names", "kind"))
        yield GroupKind(str(group), str(kind)), found(body, ("spec", "scope")) != "Cluster"
