"""Which kinds a server has, and where: asked once, and again when a kind is missing."""

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from atoll.api.objects import GroupKind
from atoll.kube.errors import ApiError, KindNotServed, Unreachable
from atoll.kube.objects import Resource

if TYPE_CHECKING:
    from atoll.kube.client import Client

REFRESH_AFTER = 3.0
"""Seconds between two refreshes for the sake of kinds that were missing."""
_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)


class DiscoveryIncomplete(Unreachable):
    """The group's own server (an aggregated API) did not tell what it serves: whether it serves a kind is not known."""

    def __init__(self, group: str, version: str) -> None:
        super().__init__(
            "Discovery", f"what the API group {group!r} serves is not known: its own server does not answer"
        )
        self.group = group
        self.version = version


class _Kind(msgspec.Struct):
    group: str = ""
    version: str = ""
    kind: str = ""


class _AggregatedResource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _Kind | None = None
    scope: str = "Namespaced"
    verbs: tuple[str, ...] = ()


class _AggregatedVersion(msgspec.Struct):
    version: str
    resources: tuple[_AggregatedResource, ...] = ()
    freshness: str = "Current"


class _Name(msgspec.Struct):
    name: str = ""


class _AggregatedGroup(msgspec.Struct):
    metadata: _Name = msgspec.field(default_factory=_Name)
    versions: tuple[_AggregatedVersion, ...] = ()


class _Aggregated(msgspec.Struct):
    kind: str
    items: tuple[_AggregatedGroup, ...] = ()


class _PlainResource(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ()
    group: str = ""
    version: str = ""


class _PlainResources(msgspec.Struct):
    resources: tuple[_PlainResource, ...] = ()


class _GroupVersion(msgspec.Struct, rename="camel"):
    group_version: str
    version: str


class _PlainGroup(msgspec.Struct, rename="camel"):
    name: str
    versions: tuple[_GroupVersion, ...] = ()
    preferred_version: _GroupVersion | None = None


class _PlainGroups(msgspec.Struct):
    groups: tuple[_PlainGroup, ...] = ()


class _Core(msgspec.Struct):
    versions: tuple[str, ...] = ()


class Catalogue(msgspec.Struct, frozen=True):
    """What was found: versions of each kind, the group's preferred one first; `stale` are groups that did not tell."""

    kinds: dict[GroupKind, tuple[Resource, ...]]
    stale: frozenset[str] = frozenset()

    def find(self, kind: GroupKind, version: str) -> Resource | None:
        return next((found for found in self.kinds.get(kind, ()) if version in {"", found.version}), None)


class Discovery:
    """The kinds that one server serves. A miss asks again, at most every few seconds."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._catalogue: Catalogue | None = None
        self._asked = 0.0
        self._lock = asyncio.Lock()

    @property
    def stale_groups(self) -> frozenset[str]:
        """Groups whose own server did not answer when we asked last."""
        return self._catalogue.stale if self._catalogue else frozenset()

    async def resource(self, group: str, kind: str, version: str = "") -> Resource:
        """The resource of a kind, in the server's preferred version when `version` is "".

        Raises KindNotServed when the server says so, DiscoveryIncomplete (an Unreachable) when it cannot tell.
        """
        wanted = GroupKind(group, kind)
        catalogue = await self._known()
        found = catalogue.find(wanted, version)
        if found is None and time.monotonic() - self._asked >= REFRESH_AFTER:
            catalogue = await self._refresh(self._asked)
            found = catalogue.find(wanted, version)
        if found is not None:
            return found
        if group in catalogue.stale:
            raise DiscoveryIncomplete(group, version)
        raise KindNotServed(wanted, version)

    async def all(self) -> tuple[Resource, ...]:
        """Each kind once, in its preferred version, by group and kind."""
        catalogue = await self._known()
        return tuple(versions[0] for _, versions in sorted(catalogue.kinds.items()))

    def invalidate(self) -> None:
        """Forget all: a CRD came or went. The next question asks the server."""
        self._catalogue = None

    async def _known(self) -> Catalogue:
        return self._catalogue or await self._refresh(self._asked)

    async def _refresh(self, seen: float) -> Catalogue:
        async with self._lock:  # many questions, one request
            if self._catalogue is None or self._asked == seen:
                catalogue = await self._ask()
                self._catalogue, self._asked = catalogue, time.monotonic()
            return self._catalogue

    async def _ask(self) -> Catalogue:
        core, groups = await asyncio.gather(self._get("/api"), self._get("/apis"))
        found: list[tuple[Resource, ...]] = []
        stale: set[str] = set()
        for body, plain in ((core, self._plain_core), (groups, self._plain_groups)):
            if _is_aggregated(body):
                found.append(_read_aggregated(body, stale))
            else:
                found.append(await plain(body, stale))
        kinds: dict[GroupKind, tuple[Resource, ...]] = {}
        for resource in (resource for part in found for resource in part):
            kinds[resource.group_kind] = (*kinds.get(resource.group_kind, ()), resource)
        return Catalogue(kinds, frozenset(stale))

    async def _get(self, path: str) -> bytes:
        return (await self._client.exchange("GET", path, headers={"Accept": _AGGREGATED})).body

    async def _plain_core(self, body: bytes, stale: set[str]) -> tuple[Resource, ...]:
        versions = msgspec.json.decode(body, type=_Core).versions
        return await self._plain_versions("", [("", version) for version in versions], stale)

    async def _plain_groups(self, body: bytes, stale: set[str]) -> tuple[Resource, ...]:
        wanted: list[tuple[str, str]] = []
        for group in msgspec.json.decode(body, type=_PlainGroups).groups:
            first = group.preferred_version.version if group.preferred_version else ""
            versions = sorted((version.version for version in group.versions), key=lambda version: version != first)
            wanted += [(group.name, version) for version in versions]
        return await self._plain_versions("", wanted, stale)

    async def _plain_versions(self, _: str, wanted: list[tuple[str, str]], stale: set[str]) -> tuple[Resource, ...]:
        parts = await asyncio.gather(*(self._plain_version(group, version, stale) for group, version in wanted))
        return tuple(resource for part in parts for resource in part)

    async def _plain_version(self, group: str, version: str, stale: set[str]) -> tuple[Resource, ...]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            answer = await self._client.exchange("GET", path)
        except ApiError:
            stale.add(group)
            return ()
        listed = msgspec.json.decode(answer.body, type=_PlainResources).resources
        return tuple(
            Resource(group, version, item.kind, item.name, item.namespaced, frozenset(item.verbs))
            for item in listed
            if "/" not in item.name
        )


def _is_aggregated(body: bytes) -> bool:
    return msgspec.json.decode(body, type=_KindOnly).kind == "APIGroupDiscoveryList"


class _KindOnly(msgspec.Struct):
    kind: str = ""


def _read_aggregated(body: bytes, stale: set[str]) -> tuple[Resource, ...]:
    found: list[Resource] = []
    for group in msgspec.json.decode(body, type=_Aggregated).items:
        name = group.metadata.name
        for version in group.versions:
            if version.freshness == "Stale":
                stale.add(name)
            for item in version.resources:
                if item.response_kind is None or not item.response_kind.kind:
                    continue
                found.append(
                    Resource(
                        name,
                        version.version,
                        item.response_kind.kind,
                        item.resource,
                        item.scope == "Namespaced",
                        frozenset(item.verbs),
                    )
                )
    return tuple(found)
