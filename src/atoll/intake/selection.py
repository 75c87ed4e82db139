"""Which of the objects that live on the hub an Application means by `select`."""

from collections.abc import Iterable, Iterator

from atoll.api.application import Select
from atoll.api.editing import found
from atoll.api.names import LABEL_APP
from atoll.api.objects import GroupKind, Json, ObjectId, identify, split_api_version
from atoll.api.selectors import mismatch

MADE_IN_EVERY_NAMESPACE = frozenset(
    {(GroupKind("", "ConfigMap"), "kube-root-ca.crt"), (GroupKind("", "ServiceAccount"), "default")}
)


def chosen(select: Select, objects: Iterable[Json], namespace: str, uid: str) -> Iterator[Json]:
    """Those of `objects` that `select` means, for the Application with `uid` in `namespace`; in the order of names.

    By labels, these are left out: what a controller made of another object (it makes it on the members too), what every
    namespace gets by itself, and what this very Application delivered, when the hub is a member of its own.
    """
    group, _ = split_api_version(select.api_version)
    for body in sorted(objects, key=lambda body: identify(body).name):
        identity = identify(body)
        if identity.group_kind != (group, select.kind) or identity.namespace != namespace or _is_leaving(body):
            continue
        if (identity.name == select.name) if select.name else _by_labels(select, body, identity, uid):
            yield body


def _by_labels(select: Select, body: Json, identity: ObjectId, uid: str) -> bool:
    labels = found(body, ("metadata", "labels")) or {}
    return (
        select.label_selector is not None
        and not mismatch(select.label_selector, labels)
        and (identity.group_kind, identity.name) not in MADE_IN_EVERY_NAMESPACE
        and labels.get(LABEL_APP) != uid
        and not any(owner.get("controller") for owner in found(body, ("metadata", "ownerReferences")) or ())
    )


def _is_leaving(body: Json) -> bool:
    return bool(found(body, ("metadata", "deletionTimestamp")))
