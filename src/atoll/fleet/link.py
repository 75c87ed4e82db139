"""One cluster's connection: from first contact, over heartbeats, to its loss, and again. One task scope, one owner."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Annotated

import msgspec
import structlog

from atoll.api.names import LABEL_APP, LABEL_HUB, SYSTEM_NAMESPACE
from atoll.fleet.identity import HubIdentity
from atoll.fleet.leave import clean_member
from atoll.fleet.member import Member
from atoll.fleet.provider import Aware
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.diagnosis import not_kubernetes
from atoll.kube.errors import ApiError, ConfigError, KubeError, TooManyRequests, Unreachable
from atoll.kube.resources import NAMESPACES
from atoll.runtime.supervise import cancel_and_wait, keep
from atoll.runtime.watchset import WatchSet
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

BEAT_EVERY = 5.0
BEAT_TIMEOUT = 4.0
BEATS_LOST = 2
"""Two lost beats, 5 s apart and 4 s long, are seen within 15 s of the first sign."""
RETRY_FIRST, RETRY_MOST = 0.5, 10.0


CREDENTIALS_UNUSABLE = "CredentialsUnusable"


class Target(msgspec.Struct, frozen=True):
    """Where a cluster is: `fingerprint` changes when the connection does; `uid` is known from its first contact on.

    `namespaces` are the only ones in which the hub may do anything there; none: it may everywhere. The token of a
    connection that is renewed by itself is no part of its fingerprint.
    """

    name: str
    config: Config
    fingerprint: str
    uid: str = ""
    namespaces: tuple[str, ...] = ()


class _Uid(msgspec.Struct):
    uid: Annotated[str, msgspec.Meta(min_length=1)]


class _Identified(msgspec.Struct):
    metadata: _Uid


class Reach(msgspec.Struct, frozen=True):
    """Whether a cluster can be reached, since when (epoch seconds), and if not, why: `reason` is one CamelCase word."""

    reachable: bool | None = None
    reason: str = "Connecting"
    message: str = "no contact yet"
    since: float = 0.0
    uid: str = ""
    version: str = ""


class LostError(Exception):
    """The heartbeats stopped; carries why."""


class Link:
    """Keeps one cluster engaged while it can be reached.

    `changed(name)` is called when `reach` or `member` changed, which is on transitions, not on heartbeats. `owner(name,
    uid)` is whose identity `uid` is: a cluster that is another's already isn't engaged.
    """

    def __init__(
        self,
        target: Target,
        hub: HubIdentity,
        awares: Sequence[Aware],
        changed: Callable[[str], None],
        owner: Callable[[str, str], str],
        connect: Callable[[Config], Client] = Client,
    ) -> None:
        self._connect = connect
        self.target = target
        self.reach = Reach(since=time.time())
        self.member: Member | None = None
        self.latency = 0.0
        """Seconds of the last heartbeat's round trip."""
        self.last_beat = 0.0
        """Epoch seconds of the last answered heartbeat; 0 when none was."""
        self._hub = hub
        self._awares = awares
        self._changed = changed
        self._owner = owner

    def holdings(self) -> Collection[str]:
        """The UIDs of the applications that have objects of ours there, as far as is known."""
        return self.member.watches.indexed() if self.member is not None else ()

    async def clean(self) -> tuple[str, ...]:
        """Remove what the hub placed there for itself. Returns what stays, in words. Raises KubeError."""
        if self.member is None:
            raise Unreachable(self.reach.reason, self.reach.message)
        return await clean_member(self.member.client, self._hub.id)

    def renew(self, target: Target) -> bool:
        """Go on as `target`, which differs in its token only. False when that takes a new connection."""
        old = self.target
        if (old.fingerprint, old.namespaces) != (target.fingerprint, target.namespaces):
            return False
        if old.uid not in {"", target.uid}:
            return False
        if old.config.token != target.config.token:
            if self.member is None:  # perhaps just because the old one has ended
                return False
            self.member.client.renew(target.config.token)
            self.target = msgspec.structs.replace(old, config=target.config)
        return True

    async def run(self) -> None:
        """Until cancelled: reach the cluster, engage everybody, watch the heartbeat; when it is lost, start over."""
        delay = RETRY_FIRST
        while True:
            began = time.monotonic()
            contact = asyncio.create_task(self._contact(), name=f"{self.target.name}/contact")
            try:
                await asyncio.wait([contact])
            finally:  # a task of its own: where it fails as we are cancelled, its errors would hide that
                await cancel_and_wait(contact)
                self.member = None
            try:
                contact.result()
            except* (LostError, KubeError) as group:
                self._lost(first_error(group))
            except* Exception as group:  # a mistake somewhere: whoever keeps this alive says so, and tries again
                self._lost(first_error(group))
                raise
            if time.monotonic() - began > RETRY_MOST * 3:
                delay = RETRY_FIRST
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, RETRY_MOST)

    async def _contact(self) -> None:
        async with self._connect(self.target.config) as client:
            version = await self._beat(client)
            uid = await self._identity(client)
            self._check(uid)
            self.reach = msgspec.structs.replace(self.reach, uid=uid)  # from now on it is this one's
            async with (
                WatchSet(
                    client,
                    f"{LABEL_HUB}={self._hub.id}",
                    lambda o: o.labels.get(LABEL_APP, ""),
                    namespaces=self.target.namespaces,
                    scope=self.target.name,
                    meter=metrics,
                ) as watches,
                asyncio.TaskGroup() as scope,
            ):
                self.member = Member(self.target.name, uid, version, client, self._hub, watches)
                self._set(Reach(True, "Reachable", "", time.time(), uid, version))
                for aware in self._awares:
                    name = f"{self.target.name}/{type(aware).__name__}"
                    scope.create_task(keep(name, partial(aware.engage, self.member)), name=name)
                scope.create_task(self._heartbeat(client), name=f"{self.target.name}/heartbeat")

    def _check(self, uid: str) -> None:
        """Raise LostError unless the cluster with this identity is the one that the name stands for, and no other's."""
        name, place = self.target.name, _identifying(self.target.config)
        if self.target.uid and uid != self.target.uid:
            raise LostError(
                "IdentityChanged",
                f"this is another cluster: its namespace {place} has UID {uid}, this name belongs to "
                f"{self.target.uid}; `atoll cluster leave {name} --force` frees the name",
            )
        if (owner := self._owner(name, uid)) != name:
            raise LostError(
                "SameClusterTwice",
                f"this cluster (UID of {place}: {uid}) is in the fleet already as {owner}; keep one of the two names",
            )

    async def _heartbeat(self, client: Client) -> None:
        lost = 0
        while True:
            await asyncio.sleep(BEAT_EVERY if not lost else 0.2)
            try:
                version = await self._beat(client)
            except TooManyRequests:
                lost = 0  # whoever says so is there
            except (Unreachable, ApiError) as error:
                lost += 1
                log.info("heartbeat lost", cluster=self.target.name, error=str(error), lost=lost)
                if lost >= BEATS_LOST:
                    raise
            else:
                lost = 0
                if version != self.reach.version:
                    self._set(msgspec.structs.replace(self.reach, version=version))

    @staticmethod
    async def _identity(client: Client) -> str:
        found = await client.request("GET", NAMESPACES.path(name=_identifying(client.config)), timeout=BEAT_TIMEOUT)
        try:
            return msgspec.convert(found, _Identified).metadata.uid
        except msgspec.ValidationError as error:
            raise not_kubernetes(client.config, msgspec.json.encode(found)) from error

    async def _beat(self, client: Client) -> str:
        began = time.perf_counter()
        answer = await client.request("GET", "/version", timeout=BEAT_TIMEOUT)
        self.latency, self.last_beat = time.perf_counter() - began, time.time()
        metrics.cluster_latency(self.target.name, self.latency)
        return str(answer.get("gitVersion", "")) if isinstance(answer, dict) else ""

    def _lost(self, error: BaseException) -> None:
        match error:
            case LostError(args=(reason, message)):
                pass
            case ConfigError():
                reason, message = CREDENTIALS_UNUSABLE, str(error)
            case Unreachable():
                reason, message = error.reason, str(error)
            case ApiError():
                reason, message = error.reason or "ApiError", str(error)
            case _:
                reason, message = type(error).__name__, str(error)
        same = self.reach.reachable is False
        self._set(
            msgspec.structs.replace(
                self.reach,
                reachable=False,
                reason=reason,
                message=message,
                since=self.reach.since if same else time.time(),
            )
        )

    def _set(self, reach: Reach) -> None:
        if reach == self.reach:
            return
        flipped = reach.reachable != self.reach.reachable
        self.reach = reach
        metrics.cluster_up(self.target.name, bool(reach.reachable))
        if flipped:
            log.info(
                "cluster", cluster=self.target.name, reachable=reach.reachable, reason=reach.reason, why=reach.message
            )
        self._changed(self.target.name)


def _identifying(config: Config) -> str:
    """The namespace whose UID tells a cluster from all others."""
    return "kube-system" if config.home == SYSTEM_NAMESPACE else config.home


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first single error in nested groups: that of the task that failed first."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
