"""Which kinds a server has, and where: asked once, and again when a kind is missing or a path has gone."""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from atoll.api.objects import GroupKind
from atoll.kube.catalogue import (
    Catalogue,
    catalogue,
    is_aggregated,
    read_aggregated,
    read_core_versions,
    read_group_versions,
    read_plain,
)
from atoll.kube.diagnosis import not_kubernetes
from atoll.kube.errors import ApiError, KindNotServed, Unreachable
from atoll.kube.objects import Resource

if TYPE_CHECKING:
    from atoll.kube.client import Client

REFRESH_AFTER = 1.0
"""Seconds between two questions for the sake of missing kinds; most are answered "304 Not Modified"."""
_ACCEPT = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)


class DiscoveryIncomplete(Unreachable):
    """The group's own server (an aggregated API) did not tell what it serves: whether it serves a kind is not known."""

    def __init__(self, group: str) -> None:
        super().__init__("Discovery", f"what the API group {group} serves is not known: its own server does not answer")
        self.group = group


class Discovery:
    """The kinds that one server serves."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._known = Catalogue()
        self._asked = float("-inf")
        self._doubted = True
        self._documents: dict[str, tuple[str, bytes]] = {}
        self._asking: asyncio.Task[None] | None = None

    @property
    def stale_groups(self) -> frozenset[str]:
        """Groups whose own server did not answer when we asked last."""
        return self._known.stale

    async def resource(self, group: str, kind: str, version: str = "") -> Resource:
        """The resource of a kind, in the server's preferred version when `version` is "".

        Raises KindNotServed when the server says so, DiscoveryIncomplete (an Unreachable) when it cannot tell.
        """
        wanted = GroupKind(group, kind)
        await self._refresh()
        found = self._known.find(wanted, version)
        if found is None:
            await self._refresh(missing=True)
            found = self._known.find(wanted, version)
        if found is not None:
            return found
        if group in self._known.stale:
            raise DiscoveryIncomplete(group)
        raise KindNotServed(wanted, version)

    async def all(self) -> tuple[Resource, ...]:
        """Each kind once, in its preferred version, by group and kind."""
        await self._refresh()
        return tuple(versions[0] for _, versions in sorted(self._known.kinds.items()))

    def invalidate(self) -> None:
        """What is known may be wrong: a CRD came or went. The next question asks the server."""
        self._doubted = True
        self._asked = float("-inf")

    async def close(self) -> None:
        """Ask no more: what is being asked is given up."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    def doubt(self) -> None:
        """A path of ours led nowhere. The next question asks the server, unless that was done a moment ago."""
        self._doubted = True

    async def _refresh(self, *, missing: bool = False) -> None:
        """Ask when there is doubt, or something is missing. All who wait share one question, and its failure."""
        while (self._doubted or missing) and (self._asking or time.monotonic() - self._asked >= REFRESH_AFTER):
            missing = False
            if self._asking is None:
                self._asking = asyncio.create_task(self._renew(), name="discovery")
                self._asking.add_done_callback(_heard)
            await asyncio.shield(self._asking)

    async def _renew(self) -> None:
        self._asked, self._doubted = time.monotonic(), False  # before, so that an `invalidate` meanwhile is not lost
        try:
            self._known = await self._ask()
        except BaseException:
            self.invalidate()
            raise
        finally:
            self._asking = None

    async def _ask(self) -> Catalogue:
        both = [
            asyncio.create_task(self._read("/api", read_core_versions)),
            asyncio.create_task(self._read("/apis", read_group_versions)),
        ]
        try:
            (core, core_stale), (groups, groups_stale) = await asyncio.gather(*both)
        except msgspec.DecodeError as error:
            raise not_kubernetes(self._client.config, b"") from error
        finally:
            for one in both:  # the other, when one has failed
                one.cancel()
        return catalogue([*core, *groups], core_stale | groups_stale, self._known)

    async def _read(
        self, path: str, versions: Callable[[bytes], list[tuple[str, str]]]
    ) -> tuple[list[Resource], set[str]]:
        document = await self._document(path)
        if is_aggregated(document):
            return read_aggregated(document)
        stale: set[str] = set()
        parts = await asyncio.gather(*(self._plain(*each, stale) for each in versions(document)))
        return [resource for part in parts for resource in part], stale

    async def _plain(self, group: str, version: str, stale: set[str]) -> list[Resource]:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        try:
            return read_plain(group, version, (await self._client.exchange("GET", path)).body)
        except (ApiError, msgspec.DecodeError):  # the group's own server is away: 503, mostly
            stale.add(group)
            return []

    async def _document(self, path: str) -> bytes:
        """Servers of the aggregated form say "not modified" to an ETag, and save 100 KB and more."""
        tag, document = self._documents.get(path, ("", b""))
        headers = {"Accept": _ACCEPT} | ({"If-None-Match": tag} if tag else {})
        answer = await self._client.exchange("GET", path, headers=headers)
        if answer.status == 304:
            return document
        self._documents[path] = (answer.etag, answer.body)
        return answer.body


def _heard(asking: asyncio.Task[None]) -> None:
    """Whoever waited for the answer may have gone: then its failure is nobody's business."""
    if not asking.cancelled():
        asking.exception()
