"""Which kinds a member serves: asked at first contact, and again when its definitions change."""

import asyncio
import contextlib
from collections.abc import Callable

from atoll.api.objects import GroupKind
from atoll.fleet.member import Member
from atoll.kube.errors import KubeError
from atoll.kube.resources import CRDS
from atoll.runtime.informer import Informer

QUIET = 1.0
"""Seconds that changes are collected before the member is asked again."""
_SAME: dict[frozenset[GroupKind], frozenset[GroupKind]] = {}
MOST_SAME = 1000


class ServedKinds:
    """An Aware; `tell(cluster, kinds)` is called when they changed.

    Nothing is told while an aggregated API doesn't say what it serves: what is missing then may be there. Definitions
    are watched where the hub may read all namespaces only.
    """

    def __init__(self, tell: Callable[[str, frozenset[GroupKind]], None]) -> None:
        self._tell = tell

    async def engage(self, cluster: Member) -> None:
        dirty = asyncio.Event()
        definitions: Informer[None] = Informer(cluster.client, CRDS, transform=lambda _: None)
        definitions.subscribe(lambda _: dirty.set())
        told: frozenset[GroupKind] | None = None
        async with asyncio.TaskGroup() as scope:
            if not cluster.watches.namespaces:
                scope.create_task(definitions.run())
            while True:
                dirty.clear()
                with contextlib.suppress(KubeError):
                    kinds = frozenset(resource.group_kind for resource in await cluster.client.discovery.all())
                    if kinds != told and not cluster.client.discovery.stale_groups:
                        told = kinds
                        self._tell(cluster.name, _SAME.setdefault(kinds, kinds) if len(_SAME) < MOST_SAME else kinds)
                await dirty.wait()
                await asyncio.sleep(QUIET)
                cluster.client.discovery.invalidate()
