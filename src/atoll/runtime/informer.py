"""An informer: a copy of one kind of one cluster, kept up to date by a list and a watch.

List, then watch from the list's version; when the watch ends, watch on from the last version seen; when the server has
forgotten that version (410), list again and tell the difference. So nobody misses a change, and nobody is told twice.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog

from atoll.api.objects import ObjectId
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, KubeError, TooManyRequests, Unavailable, Unreachable
from atoll.kube.objects import Object, Resource
from atoll.runtime.changes import Change, Handler, Subscribers
from atoll.runtime.meter import SILENT, Meter
from atoll.runtime.mirror import Mirror, WentBackError
from atoll.runtime.ratelimit import Backoff
from atoll.runtime.supervise import being_cancelled

__all__ = ["Change", "Informer"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

PASSING = (Unreachable, TooManyRequests, Unavailable)
"""What says nothing about the version that we watch from: the same watch is tried again."""
HEALTHY = 10.0
"""A watch that lived so many seconds starts the back-off anew."""
IDLE = 180.0
"""Seconds of silence after which a watch is given up. Bookmarks come about once a minute, later from a busy server: two
may be missed. A dead connection is found sooner, by TCP's keep-alive and by whoever sends heartbeats."""
SHORT = 1.0
"""A watch that the server ends within so many seconds, without an event, counts as failed."""


class Informer(Generic[T]):
    """Holds what `transform` makes of each object; without one, the objects themselves with their bytes undecoded.

    Nothing happens until `run()` runs; it ends by cancellation only. While contact is lost the copy stays as it was;
    `last_error` says why. `labels` and `fields` are selectors: an object that leaves them is told as gone. `on_attempt`
    is called when contact was made or broke.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        transform: Callable[[Object], T] | None = None,
        scope: str = "",
        meter: Meter = SILENT,
        page: int = 500,
        watch_timeout: int = 300,
        idle: float = IDLE,
        backoff: Backoff | None = None,
        on_attempt: Callable[[], None] | None = None,
    ) -> None:
        self.resource = resource
        self.last_error: KubeError | None = None
        self.connected_since: float | None = None
        """Epoch seconds since when the copy follows the server; None while it doesn't."""
        self.on_attempt = on_attempt
        self.restarts = 0
        """How often a list or a watch broke."""
        self._client = client
        self._namespace, self._labels, self._fields = namespace, labels, fields
        self._mirror: Mirror[T] = Mirror(transform)
        self._subscribers: Subscribers[T] = Subscribers()
        self._page, self._watch_timeout, self._idle = page, watch_timeout, idle
        self._backoff = backoff or Backoff(0.2, 30.0)
        self._kind = str(resource.group_kind)
        self._counted = 0
        self._scope, self._meter = scope, meter
        self._synced = asyncio.Event()
        self._attempt = asyncio.Event()

    # Reading

    @property
    def synced(self) -> bool:
        """Whether a list was ever complete: before that, nothing can be said about what is missing."""
        return self._synced.is_set()

    @property
    def fresh(self) -> bool:
        """Whether the copy is complete and follows the server now."""
        return self.synced and self.connected_since is not None

    @property
    def version(self) -> str:
        """The resourceVersion up to which the copy has followed the server; "" when a new list is needed."""
        return self._mirror.version

    async def wait_synced(self) -> None:
        await self._synced.wait()

    async def wait_attempt(self) -> None:
        """Until contact is made, or breaks: `last_error` says which."""
        await self._attempt.wait()

    def get(self, identity: ObjectId) -> T | None:
        return self._mirror.get(identity)

    def items(self) -> list[tuple[ObjectId, T]]:
        return self._mirror.items()

    def values(self) -> list[T]:
        return self._mirror.values()

    def __len__(self) -> int:
        return len(self._mirror)

    def subscribe(self, handler: Handler[T]) -> Callable[[], None]:
        """Call `handler` with each change, in order, when the copy has it; what is there already is told now, as new.

        Handlers are quick and synchronous; what one raises is logged and hurts nobody else. The answer unsubscribes.
        """
        return self._subscribers.add(handler, self.items())

    def saw(self, answer: Object) -> None:
        """Take the answer to an own write at once, as the watch would bring it later; then it isn't told again.

        The caller knows that the object is of this kind and namespace and matches the selectors.
        """
        self._tell(self._mirror.wrote(answer))

    # Following

    async def run(self) -> None:
        """Follow the server until cancelled."""
        try:
            while True:
                pause = await self._follow()
                await asyncio.sleep(pause)
        finally:
            self.connected_since = None
            self._meter.informer_objects(self._scope, self._kind, -self._counted)
            self._counted = 0

    async def _follow(self) -> float:
        """One watch, and a list before it if one is needed; the answer is the pause until the next, in seconds."""
        began = time.monotonic()
        version = self._mirror.version
        try:
            if not version:
                await self._list()
                began, version = time.monotonic(), self._mirror.version
            await self._watch()
        except asyncio.CancelledError as error:
            if being_cancelled():
                raise
            self._broken(error)
        except Exception as error:
            self._broken(error)
        else:
            if time.monotonic() - began >= SHORT or self._mirror.version != version:
                self._backoff.reset()
                return 0.0
            return self._backoff.next()
        if time.monotonic() - began >= HEALTHY:
            self._backoff.reset()
        asked = self.last_error.retry_after if isinstance(self.last_error, ApiError) else None
        return max(self._backoff.next(), asked or 0.0)

    async def _list(self) -> None:
        listing = await self._client.list(
            self.resource, self._namespace, labels=self._labels, fields=self._fields, limit=self._page
        )
        self._tell(self._mirror.listed(listing))
        self._synced.set()
        self._connected()

    async def _watch(self) -> None:
        events = self._client.watch(
            self.resource,
            self._mirror.version,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            timeout=max(1, int(self._watch_timeout * random.uniform(0.75, 1.0))),  # not all informers at once
            idle=self._idle,
            opened=self._connected,
            known=self._mirror.echo,
        )
        async with contextlib.aclosing(events):
            async for event in events:
                self._tell(self._mirror.saw(event))

    def _tell(self, changes: Iterable[Change[T]]) -> None:
        for change in changes:
            self._subscribers.tell(change)
        if len(self._mirror) != self._counted:
            self._meter.informer_objects(self._scope, self._kind, len(self._mirror) - self._counted)
            self._counted = len(self._mirror)

    # Health

    def _connected(self) -> None:
        if self.connected_since is None:
            self.connected_since = time.time()
            self.last_error = None
            self._attempted()

    def _broken(self, error: BaseException) -> None:
        """Remember why, and whether a new list is needed."""
        if not isinstance(error, PASSING):
            self._mirror.version = ""
        if not isinstance(error, KubeError | WentBackError):
            log.error("informer failed", kind=self._kind, cluster=self._scope, exc_info=error)
        self.last_error = error if isinstance(error, KubeError) else _wrapped(error)
        self.connected_since = None
        self.restarts += 1
        self._meter.watch_restarted(self._scope, self._kind, type(error).__name__)
        log.info("watch broke", kind=self._kind, cluster=self._scope, error=str(error))
        self._attempted()

    def _attempted(self) -> None:
        self._attempt.set()
        self._attempt = asyncio.Event()
        if self.on_attempt is not None:
            self.on_attempt()


def _wrapped(error: BaseException) -> KubeError:
    wrapped = KubeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
