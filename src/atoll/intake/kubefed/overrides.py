"""Overrides of a federated object: by cluster, as patches that are made on the member's side of planning."""

from collections.abc import Iterable
from typing import Literal, cast

from atoll.api.kubefed.federated import ClusterOverrides, Override
from atoll.api.kubefed.names import FORBIDDEN_PATHS
from atoll.api.manner import LatePatch

OPERATIONS = frozenset({"add", "remove", "replace"})


class OverridesError(Exception):
    """Overrides that hold for no cluster, since one of them can't be meant; `path` is the field below `spec`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def late_patches(overrides: Iterable[ClusterOverrides]) -> dict[str, tuple[LatePatch, ...]]:
    """By cluster. Raises OverridesError for a cluster or a path that comes twice, and for a path that may not be.

    KubeFed takes a path without a leading "/" and writes somewhere else; here it is refused.
    """
    patches: dict[str, tuple[LatePatch, ...]] = {}
    for index, one in enumerate(overrides):
        field = f"overrides[{index}]"
        if one.cluster_name in patches:
            raise OverridesError(f"{field}.clusterName", f"cluster {one.cluster_name!r} appears more than once")
        _judge(one, field)
        patches[one.cluster_name] = tuple(
            _patch(override, f"spec.{field}.clusterOverrides[{number}]")
            for number, override in enumerate(one.cluster_overrides)
        )
    return patches


def _judge(one: ClusterOverrides, field: str) -> None:
    paths: set[str] = set()
    for number, override in enumerate(one.cluster_overrides):
        at = f"{field}.clusterOverrides[{number}]"
        if override.path in FORBIDDEN_PATHS:
            raise OverridesError(f"{at}.path", f"{override.path!r} cannot be overridden")
        if override.path and not override.path.startswith("/"):
            raise OverridesError(f"{at}.path", f"{override.path!r} is no JSON pointer: it must begin with a slash")
        if override.path in paths:
            raise OverridesError(
                f"{at}.path", f"{override.path!r} appears more than once for cluster {one.cluster_name!r}"
            )
        if override.op and override.op not in OPERATIONS:
            raise OverridesError(f"{at}.op", f"{override.op!r} is not add, remove or replace")
        paths.add(override.path)


def _patch(override: Override, field: str) -> LatePatch:
    operation = cast("Literal['add', 'remove', 'replace']", override.op or "replace")
    return LatePatch(operation, override.path, override.value, field)
