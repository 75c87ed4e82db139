"""Which kinds a member serves: asked at first contact, and again when its definitions change."""

import asyncio
import contextlib
from collections.abc import Callable

from atoll.api.objects import GroupKind
from atoll.fleet.member import Member
from atoll.kube.errors import KubeError
from atoll.kube.resources import CRDS
from atoll.runtime.informer import Informer
from atoll.runtime.ratelimit import Backoff

AGAIN_FIRST, AGAIN_MOST = 2.0, 300.0
"""Seconds until a member that didn't tell all is asked again, whatever becomes of its definitions."""
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
        again = Backoff(AGAIN_FIRST, AGAIN_MOST)
        async with asyncio.TaskGroup() as scope:
            if not cluster.watches.namespaces:
                scope.create_task(definitions.run())
            while True:
                dirty.clear()
                patience: float | None = again.next()
                with contextlib.suppress(KubeError):
                    kinds = frozenset(resource.group_kind for resource in await cluster.client.discovery.all())
                    if not cluster.client.discovery.stale_groups:
                        again.reset()
                        patience = None
                        if kinds != told:
                            told = kinds
                            same = _SAME.setdefault(kinds, kinds) if len(_SAME) < MOST_SAME else kinds
                            self._tell(cluster.name, same)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await dirty.wait()
                await asyncio.sleep(QUIET)
                cluster.client.discovery.invalidate()
