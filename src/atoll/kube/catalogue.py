"""Discovery documents, in their two forms, to a catalogue of kinds. Pure: bytes in, values out.

The aggregated form (KEP-3352) tells all groups in one answer; the plain form has one document for each version. What
lacks the list that each of them is has another meaning, and isn't a server without kinds.
"""

from collections.abc import Iterable

import msgspec

from atoll.api.objects import GroupKind
from atoll.kube.objects import Resource


class Catalogue(msgspec.Struct, frozen=True):
    """The versions of each kind, the server's preferred one first; `stale` are groups that could not tell theirs."""

    kinds: dict[GroupKind, tuple[Resource, ...]] = {}
    stale: frozenset[str] = frozenset()

    def find(self, kind: GroupKind, version: str = "") -> Resource | None:
        return next((found for found in self.kinds.get(kind, ()) if version in {"", found.version}), None)


def catalogue(resources: Iterable[Resource], stale: Iterable[str], before: Catalogue) -> Catalogue:
    """From resources, in order of preference. What `before` knew of stale groups still holds: nobody said otherwise."""
    kinds: dict[GroupKind, tuple[Resource, ...]] = {}
    for resource in resources:
        kinds[resource.group_kind] = (*kinds.get(resource.group_kind, ()), resource)
    unsure = frozenset(stale)
    kept = {kind: found for kind, found in before.kinds.items() if kind.group in unsure and kind not in kinds}
    return Catalogue(kinds | kept, unsure)


class _ResponseKind(msgspec.Struct):
    kind: str = ""


class _AggregatedResource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _ResponseKind | None = None
    scope: str = "Namespaced"
    verbs: frozenset[str] = frozenset()


class _AggregatedVersion(msgspec.Struct):
    version: str
    resources: tuple[_AggregatedResource, ...] = ()
    freshness: str = "Current"


class _Metadata(msgspec.Struct):
    name: str = ""


class _AggregatedGroup(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    versions: tuple[_AggregatedVersion, ...] = ()


class _Aggregated(msgspec.Struct):
    kind: str
    items: tuple[_AggregatedGroup, ...]


class _Kind(msgspec.Struct):
    kind: str = ""


def is_aggregated(document: bytes) -> bool:
    """Which form it is: a server may not know the aggregated one, and then answers in the other."""
    return msgspec.json.decode(document, type=_Kind).kind == "APIGroupDiscoveryList"


def read_aggregated(document: bytes) -> tuple[list[Resource], set[str]]:
    """Resources, and the groups of which the server has old news only, or none."""
    found: list[Resource] = []
    stale: set[str] = set()
    for group in msgspec.json.decode(document, type=_Aggregated).items:
        name = group.metadata.name
        for version in group.versions:
            if version.freshness == "Stale":
                stale.add(name)
            for item in version.resources:
                kind = item.response_kind.kind if item.response_kind else ""
                if kind:  # else it exists only for its subresources
                    namespaced = item.scope == "Namespaced"
                    found.append(Resource(name, version.version, kind, item.resource, namespaced, item.verbs))
    return found, stale


class _PlainVersions(msgspec.Struct):
    versions: tuple[str, ...]


class _GroupVersion(msgspec.Struct):
    version: str = ""


class _PlainGroup(msgspec.Struct, rename="camel"):
    name: str
    versions: tuple[_GroupVersion, ...] = ()
    preferred_version: _GroupVersion | None = None


class _PlainGroups(msgspec.Struct):
    groups: tuple[_PlainGroup, ...]


class _PlainResource(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = True
    verbs: frozenset[str] = frozenset()


class _PlainResources(msgspec.Struct):
    resources: tuple[_PlainResource, ...]


def read_core_versions(document: bytes) -> list[tuple[str, str]]:
    """Group (always "") and version of each document to read, from /api."""
    return [("", version) for version in msgspec.json.decode(document, type=_PlainVersions).versions]


def read_group_versions(document: bytes) -> list[tuple[str, str]]:
    """Group and version of each document to read, from /apis; each group's preferred version first."""
    found: list[tuple[str, str]] = []
    for group in msgspec.json.decode(document, type=_PlainGroups).groups:
        preferred = group.preferred_version.version if group.preferred_version else ""
        versions = [item.version for item in group.versions]
        found += [(group.name, version) for version in sorted(versions, key=lambda version: version != preferred)]
    return found


def read_plain(group: str, version: str, document: bytes) -> list[Resource]:
    """The resources of one group and version, without subresources."""
    listed = msgspec.json.decode(document, type=_PlainResources).resources
    return [
        Resource(group, version, item.kind, item.name, item.namespaced, item.verbs)
        for item in listed
        if "/" not in item.name
    ]
