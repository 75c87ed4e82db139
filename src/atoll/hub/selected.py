"""Objects on the hub that Applications select: one watch a kind, started when the first Application names it.

A hub that may not see a kind everywhere watches it in the namespaces where it may: the installation's ClusterRole
`atoll-select` can be bound for all namespaces, or in some.
"""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from atoll.api.application import Select
from atoll.api.common import LabelSelector
from atoll.api.objects import GroupKind, ObjectId, split_api_version
from atoll.api.selectors import mismatch
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, Unreachable
from atoll.kube.objects import Object, Resource
from atoll.runtime.informer import Change, Informer
from atoll.runtime.supervise import keep

PATIENCE = 2.0
"""Seconds for which Applications wait for a kind's first list. After that they are woken when it is there: a kind that
can't be listed keeps no worker from others.
"""
FORBIDDEN_FOR = 10.0
"""Seconds after which a right that was missing is looked for again."""
EVERYWHERE = ""


@dataclass(frozen=True)
class Following:
    """A kind's copy, and what keeps it up to date."""

    informer: Informer[Object]
    task: asyncio.Task[None]
    began: float
    """On the loop's clock."""


class SelectedObjects:
    """`changed(namespace)` is called when an object in it changed that somebody could select."""

    def __init__(self, client: Client, scope: asyncio.TaskGroup, changed: Callable[[str], None]) -> None:
        self._client = client
        self._scope = scope
        self._changed = changed
        self._followed: dict[tuple[GroupKind, str], Following] = {}
        self._narrow: dict[GroupKind, float] = {}
        """Kinds that may not be seen everywhere, and when that was."""
        self._waiting: defaultdict[tuple[GroupKind, str], set[str]] = defaultdict(set)
        """By kind and place: namespaces whose Applications asked for what was not listed yet."""

    async def find(self, namespace: str, select: Select) -> tuple[Object, ...]:
        """The objects in `namespace` that `select` names, by name, without those that are being deleted.

        Raises KindNotServed when the hub doesn't know the kind, Forbidden when it may not see it there, any other
        KubeError when it can't be listed now. `changed` is called when it is worth to look again.
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
                return await self._follow(resource, EVERYWHERE, namespace)
            except Forbidden:
                self._narrow[kind] = time.monotonic()
        try:
            return await self._follow(resource, namespace, namespace)
        except Forbidden:
            asyncio.get_running_loop().call_later(FORBIDDEN_FOR, self._changed, namespace)
            raise

    async def _follow(self, resource: Resource, namespace: str, asked_for: str) -> Informer[Object]:
        key = resource.group_kind, namespace
        following = self._followed.get(key)
        if following is None:
            informer: Informer[Object] = Informer(
                self._client, resource, namespace=namespace, on_attempt=lambda: self._attempted(key)
            )
            informer.subscribe(lambda change: self._change(informer, change))
            task = self._scope.create_task(keep(f"selected {key[0]}", informer.run), name=f"selected {key[0]}")
            following = self._followed[key] = Following(informer, task, asyncio.get_running_loop().time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(following.began + PATIENCE):
                while not (following.informer.synced or following.informer.last_error):
                    await following.informer.wait_attempt()
        if following.informer.synced:
            return following.informer
        error = following.informer.last_error or Unreachable(
            "Timeout", f"{key[0]}: the hub's API server lists it still"
        )
        if isinstance(error, Forbidden):
            following.task.cancel()
            self._followed.pop(key, None)
        else:
            self._waiting[key].add(asked_for)
        raise error

    def _attempted(self, key: tuple[GroupKind, str]) -> None:
        """Those that asked before it was listed may look again."""
        following = self._followed.get(key)
        if following is not None and following.informer.synced:
            for namespace in sorted(self._waiting.pop(key, ())):
                self._changed(namespace)

    def _change(self, informer: Informer[Object], change: Change[Object]) -> None:
        """Before its first list is complete, changes are only the list."""
        if informer.synced:
            self._changed(change.id.namespace)
