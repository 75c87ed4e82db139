"""Watches of many kinds under one selector: all that a hub has on one member."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import structlog

from atoll.api.objects import GroupKind, ObjectId
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden, KindNotServed, KubeError, NotFound, Unauthorized, Unreachable
from atoll.kube.objects import Object, Resource
from atoll.runtime.changes import Change, Handler, Subscribers
from atoll.runtime.informer import Informer
from atoll.runtime.meter import SILENT, Meter

log = structlog.get_logger(__name__)

REFUSALS = (Unauthorized, Forbidden)
"""Waiting doesn't help: `ensure` raises them at once, while the informer goes on trying."""


class _Watch(NamedTuple):
    informer: Informer[Object]
    task: asyncio.Task[None]


class WatchSet:
    """Objects of the kinds that were asked for, all with `labels`, indexed by what `index(object)` says.

    `async with WatchSet(...)` is the scope of its watches. `on_error(resource, error)` is called when a watch breaks. A
    kind that is no longer served (404) is dropped: its objects are told as gone, and `listed` is False.
    """

    def __init__(
        self,
        client: Client,
        labels: str,
        index: Callable[[Object], str | None],
        on_error: Callable[[Resource, KubeError], None] | None = None,
        *,
        scope: str = "",
        meter: Meter = SILENT,
    ) -> None:
        self._client = client
        self._labels = labels
        self._index = index
        self._on_error = on_error
        self._scope, self._meter = scope, meter
        self._watches: dict[GroupKind, _Watch] = {}
        self._objects: dict[GroupKind, dict[ObjectId, Object]] = {}
        self._by_index: dict[str, dict[ObjectId, Object]] = {}
        self._subscribers: Subscribers[Object] = Subscribers()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watch in self._watches.values():
            watch.task.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    # Kinds

    async def ensure(self, resource: Resource, timeout: float = 30.0) -> None:
        """Watch `resource`, and wait until its objects are known.

        A kind that is watched in another version is from now on watched in this one. Raises KindNotServed when the
        server answers 404. Raises Unauthorized and Forbidden at once, and any other error that stood in the way for
        `timeout` seconds; after these three the informer goes on trying.
        """
        watch = self._watches.get(resource.group_kind)
        if watch is None or watch.informer.resource.version != resource.version:
            watch = self._start(resource)
        informer = watch.informer
        try:
            async with asyncio.timeout(timeout):
                while not informer.synced:
                    if isinstance(informer.last_error, REFUSALS):
                        raise informer.last_error.with_traceback(None)
                    await informer.wait_attempt()
                    if self._watches.get(resource.group_kind) is not watch:
                        raise KindNotServed(resource.group_kind, resource.version)
        except TimeoutError:
            if informer.last_error is not None:
                raise informer.last_error.with_traceback(None) from None
            raise Unreachable("Timeout", f"listing {resource.plural} took longer than {timeout:g} s") from None

    def listed(self, kind: GroupKind) -> bool:
        """Whether all objects of `kind` are known, and followed now: only then does an absence prove anything."""
        watch = self._watches.get(kind)
        return watch is not None and watch.informer.fresh

    def kinds(self) -> frozenset[GroupKind]:
        """The kinds that are watched, listed or not."""
        return frozenset(self._watches)

    def error(self, kind: GroupKind) -> KubeError | None:
        """Why `kind` isn't followed now, when it is watched."""
        watch = self._watches.get(kind)
        return None if watch is None else watch.informer.last_error

    def stop(self, kind: GroupKind) -> None:
        """Watch `kind` no longer; its objects are told as gone."""
        watch = self._watches.pop(kind, None)
        if watch is not None:
            watch.task.cancel()
            for identity in tuple(self._objects.get(kind, ())):
                self._put(identity, None)

    # Objects

    def get(self, identity: ObjectId) -> Object | None:
        return self._objects.get(identity.group_kind, {}).get(identity)

    def of(self, index_value: str) -> list[Object]:
        """The objects of all kinds for which `index` gave this value."""
        return list(self._by_index.get(index_value, {}).values())

    def all(self) -> list[Object]:
        return [found for objects in self._objects.values() for found in objects.values()]

    def subscribe(self, handler: Handler[Object]) -> Callable[[], None]:
        """Call `handler` with each change of any kind, in order; what is there already is told at once as new.

        What a handler raises is logged and hurts nobody else. The answer unsubscribes.
        """
        return self._subscribers.add(handler, [(found.id, found) for found in self.all()])

    # Inside

    def _start(self, resource: Resource) -> _Watch:
        kind = resource.group_kind
        if replaced := self._watches.pop(kind, None):
            replaced.task.cancel()  # its objects stay until the new version's first list says otherwise
        informer: Informer[Object] = Informer(
            self._client,
            resource,
            labels=self._labels,
            scope=self._scope,
            meter=self._meter,
            on_attempt=lambda: self._attempted(watch),
        )
        informer.subscribe(lambda change: self._follow(watch, change))
        watch = _Watch(informer, self._tasks.create_task(informer.run(), name=f"{self._scope} watch {kind}"))
        self._watches[kind] = watch
        return watch

    def _follow(self, watch: _Watch, change: Change[Object]) -> None:
        if self._watches.get(change.id.group_kind) is watch:
            self._put(change.id, change.new)

    def _attempted(self, watch: _Watch) -> None:
        """Contact was made or broke."""
        resource, error = watch.informer.resource, watch.informer.last_error
        kind = resource.group_kind
        if self._watches.get(kind) is not watch:
            return
        if error is None:
            for identity in tuple(self._objects.get(kind, ())):
                if watch.informer.get(identity) is None:
                    self._put(identity, None)
            return
        if isinstance(error, NotFound):
            log.info("kind is not served any more", kind=str(kind), cluster=self._scope)
            self._client.discovery.doubt()
            self.stop(kind)
        if self._on_error is not None:
            self._on_error(resource, error)

    def _put(self, identity: ObjectId, new: Object | None) -> None:
        objects = self._objects.setdefault(identity.group_kind, {})
        old = objects.pop(identity, None)
        if old is not None and (value := self._index(old)) is not None:
            self._by_index[value].pop(identity, None)
            if not self._by_index[value]:
                del self._by_index[value]
        if new is not None:
            objects[identity] = new
            if (value := self._index(new)) is not None:
                self._by_index.setdefault(value, {})[identity] = new
        if old is not None or new is not None:
            self._subscribers.tell(Change(identity, old, new))
