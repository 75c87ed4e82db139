"""Objects on the hub that Applications select: one watch a kind, started when the first Application names it.

A hub that may not see a kind everywhere watches it in the namespaces where it may: the installation's ClusterRole
`atoll-select` can be bound for all namespaces, or in some.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from atoll.api.application import Select
from atoll.api.common import LabelSelector
from atoll.api.objects import GroupKind, ObjectId, split_api_version
from atoll.api.selectors import mismatch
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden
from atoll.kube.objects import Object, Resource
from atoll.runtime.informer import Change, Informer
from atoll.runtime.supervise import keep

SYNC_TIMEOUT = 30.0
FORBIDDEN_FOR = 10.0
"""Seconds after which a right that was missing is looked for again."""
EVERYWHERE = ""


@dataclass(frozen=True)
class Following:
    """A kind's copy, and what keeps it up to date."""

    informer: Informer[Object]
    task: asyncio.Task[None]


class SelectedObjects:
    """`changed(namespace)` is called when an object in it changed that somebody could select."""

    def __init__(self, client: Client, scope: asyncio.TaskGroup, changed: Callable[[str], None]) -> None:
        self._client = client
        self._scope = scope
        self._changed = changed
        self._followed: dict[tuple[GroupKind, str], Following] = {}
        self._narrow: dict[GroupKind, float] = {}
        """Kinds that may not be seen everywhere, and when that was."""

    async def find(self, namespace: str, select: Select) -> tuple[Object, ...]:
        """The objects in `namespace` that `select` names, by name, without those that are being deleted.

        Raises KindNotServed when the hub doesn't know the kind, Forbidden when it may not see it there (then `changed`
        is called after a while, to look again), KubeError when it can't be listed.
        """
        group, version = split_api_version(select.api_version)
        informer = await self._informer(GroupKind(group, select.kind), version, namespace)
        if select.name:
            one = informer.get(ObjectId(group, select.kind, namespace, select.name))
            found: Iterable[Object] = () if one is None else (one,)
        else:
            selector = select.label_selector or LabelSelector()
            found = (o for o in informer.values() if o.namespace == namespace and not mismatch(selector, o.labels))
        return tuple(sorted((o for o in found if not o.deleting), key=lambda o: o.name))

    async def _informer(self, kind: GroupKind, version: str, namespace: str) -> Informer[Object]:
        for place in (EVERYWHERE, namespace):
            following = self._followed.get((kind, place))
            if following is not None and following.informer.synced:
                return following.informer
        resource = await self._client.discovery.resource(kind.group, kind.kind, version)
        if time.monotonic() - self._narrow.get(kind, -FORBIDDEN_FOR) >= FORBIDDEN_FOR:
            try:
                return await self._follow(resource, EVERYWHERE)
            except Forbidden:
                self._narrow[kind] = time.monotonic()
        try:
            return await self._follow(resource, namespace)
        except Forbidden:
            asyncio.get_running_loop().call_later(FORBIDDEN_FOR, self._changed, namespace)
            raise

    async def _follow(self, resource: Resource, namespace: str) -> Informer[Object]:
        key = resource.group_kind, namespace
        following = self._followed.get(key)
        if following is None:
            informer: Informer[Object] = Informer(self._client, resource, namespace=namespace)
            informer.subscribe(lambda change: self._change(informer, change))
            task = self._scope.create_task(keep(f"selected {key[0]}", informer.run), name=f"selected {key[0]}")
            following = self._followed[key] = Following(informer, task)
        async with asyncio.timeout(SYNC_TIMEOUT):
            while not following.informer.synced:
                if isinstance(following.informer.last_error, Forbidden):
                    following.task.cancel()
                    self._followed.pop(key, None)
                    raise following.informer.last_error
                await following.informer.wait_attempt()
        return following.informer

    def _change(self, informer: Informer[Object], change: Change[Object]) -> None:
        """Before its first list is complete, changes are only the list."""
        if informer.synced:
            self._changed(change.id.namespace)
