"""Watches of many kinds under one selector: all that a hub has on one member."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from atoll.api.objects import GroupKind, ObjectId
from atoll.kube.client import Client
from atoll.kube.errors import KindNotServed, KubeError, NotFound, Unreachable
from atoll.kube.objects import Object, Resource
from atoll.runtime.changes import Change, Handler, Subscribers
from atoll.runtime.informer import Informer
from atoll.runtime.kindwatch import KindWatch
from atoll.runtime.meter import SILENT, Meter

log = structlog.get_logger(__name__)

JOINED = 5.0
"""Seconds that somebody waits for a first list that another has been waiting for before."""


class WatchSet:
    """Objects of the kinds that were asked for, all with `labels`, indexed by what `index(object)` says.

    `async with WatchSet(...)` is the scope of its watches. `labels` is `key=value`, or several with commas, `!key`
    among them; with such a one, `saw` isn't to be called.
    `on_error(resource, error)` is called when a watch breaks. A kind that is no longer served (404) is dropped: its
    objects are told as gone, and `listed` is False.

    With `namespaces`, only these may be read: each kind is watched in each of them by itself. What is cluster-scoped is
    asked for all the same, and told as what the server says to that.
    """

    def __init__(
        self,
        client: Client,
        labels: str,
        index: Callable[[Object], str | None],
        on_error: Callable[[Resource, KubeError], None] | None = None,
        *,
        namespaces: Iterable[str] = (),
        scope: str = "",
        meter: Meter = SILENT,
    ) -> None:
        self.namespaces = tuple(dict.fromkeys(namespaces))
        """The only ones that may be read; none: all."""
        self._client = client
        self._labels = labels
        self._selector = [tuple(term.split("=", 1)) for term in labels.split(",") if "=" in term]
        self._index = index
        self._on_error = on_error
        self._scope, self._meter = scope, meter
        self._watches: dict[GroupKind, KindWatch] = {}
        self._objects: dict[GroupKind, dict[ObjectId, Object]] = {}
        self._by_index: dict[str, Object | dict[ObjectId, Object]] = {}
        """A single object by itself: most values have one."""
        self._subscribers: Subscribers[Object] = Subscribers()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watch in self._watches.values():
            watch.cancel()
        await self._tasks.__aexit__(kind, error, trace)

    # Kinds

    async def ensure(self, resource: Resource, timeout: float = 30.0) -> None:
        """Watch `resource`, and wait until its objects are known.

        A kind that is watched in another version is from now on watched in this one. Raises KindNotServed when the
        server answers 404. Raises Unauthorized and Forbidden at once, when they are the answer for every namespace, and
        any other error that stood in the way for `timeout` seconds; after these three the informers go on trying. Who
        isn't the first to ask waits for one attempt, `JOINED` seconds at most: many don't all wait for what fails.
        """
        watch = self._watches.get(resource.group_kind)
        first = watch is None or watch.resource.version != resource.version
        if watch is None or first:
            watch = self._start(resource)
        seconds = timeout if first else min(timeout, JOINED)
        try:
            async with asyncio.timeout(seconds):
                while (informer := watch.pending()) is not None:
                    if not first and informer.last_error is not None:
                        raise informer.last_error.with_traceback(None)
                    await informer.wait_attempt()
                    if self._watches.get(resource.group_kind) is not watch:
                        raise KindNotServed(resource.group_kind, resource.version)
        except TimeoutError:
            if (error := watch.error) is not None:
                raise error.with_traceback(None) from None
            raise Unreachable("Timeout", f"listing {resource.plural} took longer than {seconds:g} s") from None
        if not watch.synced and (refusal := watch.refusal()) is not None:
            raise refusal.with_traceback(None)

    def listed(self, kind: GroupKind, namespace: str | None = None) -> bool:
        """Whether all objects of `kind`, or those in `namespace`, are known, and followed now: only then does an
        absence prove anything.
        """
        watch = self._watches.get(kind)
        if watch is None or namespace is None:
            return watch is not None and watch.fresh
        part = watch.part(namespace)
        return part is not None and part.fresh

    def unlisted(self, kind: GroupKind) -> tuple[tuple[str, KubeError | None], ...]:
        """The namespaces in which `kind` is watched and not all known and followed now, and why; "" is all of them."""
        watch = self._watches.get(kind)
        return () if watch is None else tuple(watch.unlisted())

    def excludes(self, namespace: str) -> bool:
        """Whether `namespace` is one that may not be read."""
        return bool(self.namespaces and namespace) and namespace not in self.namespaces

    def kinds(self) -> frozenset[GroupKind]:
        """The kinds that are watched, listed or not."""
        return frozenset(self._watches)

    def error(self, kind: GroupKind, namespace: str | None = None) -> KubeError | None:
        """Why `kind`, or what of it is in `namespace`, isn't followed now, when it is watched."""
        watch = self._watches.get(kind)
        if watch is None or namespace is None:
            return None if watch is None else watch.error
        part = watch.part(namespace)
        return None if part is None else part.last_error

    def stop(self, kind: GroupKind) -> None:
        """Watch `kind` no longer; its objects are told as gone."""
        watch = self._watches.pop(kind, None)
        if watch is not None:
            watch.cancel()
            for identity in tuple(self._objects.get(kind, ())):
                self._put(identity, None)

    # Objects

    def get(self, identity: ObjectId) -> Object | None:
        return self._objects.get(identity.group_kind, {}).get(identity)

    def of(self, index_value: str) -> list[Object]:
        """The objects of all kinds for which `index` gave this value."""
        found = self._by_index.get(index_value, {})
        return [found] if isinstance(found, Object) else list(found.values())

    def counts(self) -> dict[str, int]:
        """How many objects `index` gave each value."""
        return {value: 1 if isinstance(found, Object) else len(found) for value, found in self._by_index.items()}

    def indexed(self) -> Collection[str]:
        """The values that `index` gave, now and later: asking for one costs the same however many there are."""
        return self._by_index.keys()

    def all(self) -> list[Object]:
        return [found for objects in self._objects.values() for found in objects.values()]

    def subscribe(self, handler: Handler[Object]) -> Callable[[], None]:
        """Call `handler` with each change of any kind, in order; what is there already is told at once as new.

        What a handler raises is logged and hurts nobody else. The answer unsubscribes.
        """
        return self._subscribers.add(handler, [(found.id, found) for found in self.all()])

    def saw(self, answer: Object) -> None:
        """Take the answer to an own write, when it is newer than what is known; subscribers are told before this
        returns, and not again when the watch brings it. What isn't watched, or lacks the labels, is passed over.
        """
        watch = self._watches.get(answer.group_kind)
        part = None if watch is None else watch.part(answer.namespace)
        if part is not None and all(answer.labels.get(key) == value for key, value in self._selector):
            part.saw(answer)

    # Inside

    def _start(self, resource: Resource) -> KindWatch:
        kind = resource.group_kind
        if replaced := self._watches.pop(kind, None):
            replaced.cancel()  # its objects stay until the new version's first lists say otherwise
        apart = self.namespaces if self.namespaces and resource.namespaced else ("",)
        informers = {namespace: self._informer(resource, namespace) for namespace in apart}
        watch = self._watches[kind] = KindWatch(resource, informers)
        for namespace, informer in informers.items():
            informer.subscribe(lambda change: self._follow(watch, change))
            informer.on_attempt = partial(self._attempted, watch, namespace, informer)
        watch.tasks = tuple(
            self._tasks.create_task(informer.run(), name=f"{self._scope} watch {kind} {namespace}".rstrip())
            for namespace, informer in informers.items()
        )
        return watch

    def _informer(self, resource: Resource, namespace: str) -> Informer[Object]:
        return Informer(
            self._client, resource, namespace=namespace, labels=self._labels, scope=self._scope, meter=self._meter
        )

    def _follow(self, watch: KindWatch, change: Change[Object]) -> None:
        if self._watches.get(change.id.group_kind) is watch:
            self._put(change.id, change.new)

    def _attempted(self, watch: KindWatch, namespace: str, informer: Informer[Object]) -> None:
        """Contact was made or broke."""
        resource, error = watch.resource, informer.last_error
        kind = resource.group_kind
        if self._watches.get(kind) is not watch:
            return
        if error is None:
            for identity in tuple(self._objects.get(kind, ())):
                if namespace in {"", identity.namespace} and informer.get(identity) is None:
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
            self._index_no_longer(value, identity)
        if new is not None:
            objects[identity] = new
            if (value := self._index(new)) is not None:
                self._index_at(value, identity, new)
        if old is not None or new is not None:
            self._subscribers.tell(Change(identity, old, new))

    def _index_at(self, value: str, identity: ObjectId, new: Object) -> None:
        found = self._by_index.get(value)
        if found is None:
            self._by_index[value] = new
        elif isinstance(found, Object):
            self._by_index[value] = {found.id: found, identity: new}
        else:
            found[identity] = new

    def _index_no_longer(self, value: str, identity: ObjectId) -> None:
        found = self._by_index.get(value)
        if isinstance(found, dict) and len(found) > 1:
            found.pop(identity, None)
        else:
            self._by_index.pop(value, None)
