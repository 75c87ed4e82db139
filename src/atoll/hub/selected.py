"""Objects on the hub that Applications select: one watch a kind, started when the first Application names it."""

import asyncio
from collections.abc import Callable, Iterable

from atoll.api.application import Select
from atoll.api.common import LabelSelector
from atoll.api.objects import GroupKind, ObjectId, split_api_version
from atoll.api.selectors import mismatch
from atoll.kube.client import Client
from atoll.kube.objects import Object
from atoll.runtime.informer import Change, Informer
from atoll.runtime.supervise import keep

SYNC_TIMEOUT = 30.0


class SelectedObjects:
    """`changed(namespace)` is called when an object in it changed that somebody could select."""

    def __init__(self, client: Client, scope: asyncio.TaskGroup, changed: Callable[[str], None]) -> None:
        self._client = client
        self._scope = scope
        self._changed = changed
        self._informers: dict[GroupKind, Informer[Object]] = {}

    async def find(self, namespace: str, select: Select) -> tuple[Object, ...]:
        """The objects in `namespace` that `select` names, by name, without those that are being deleted.

        Raises KindNotServed when the hub doesn't know the kind, KubeError when it can't be listed.
        """
        group, version = split_api_version(select.api_version)
        kind = GroupKind(group, select.kind)
        informer = await self._informer(kind, version)
        if select.name:
            one = informer.get(ObjectId(group, select.kind, namespace, select.name))
            found: Iterable[Object] = () if one is None else (one,)
        else:
            selector = select.label_selector or LabelSelector()
            found = (o for o in informer.values() if o.namespace == namespace and not mismatch(selector, o.labels))
        return tuple(sorted((o for o in found if not o.deleting), key=lambda o: o.name))

    async def _informer(self, kind: GroupKind, version: str) -> Informer[Object]:
        informer = self._informers.get(kind)
        if informer is None:
            resource = await self._client.discovery.resource(kind.group, kind.kind, version)
            informer = self._informers[kind] = Informer(self._client, resource)
            informer.subscribe(self._change)
            self._scope.create_task(keep(f"selected {kind}", informer.run), name=f"selected {kind}")
        async with asyncio.timeout(SYNC_TIMEOUT):
            await informer.wait_synced()
        return informer

    def _change(self, change: Change[Object]) -> None:
        if self._informers and self.settled(change.id.group_kind):
            self._changed(change.id.namespace)

    def settled(self, kind: GroupKind) -> bool:
        """Whether the kind's first list is complete: before that, changes are only the list."""
        return kind in self._informers and self._informers[kind].synced
