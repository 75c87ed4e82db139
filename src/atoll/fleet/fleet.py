"""The clusters that the hub owns, each in a task of its own."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, Self

from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Link, Reach, Target
from atoll.fleet.member import Member
from atoll.fleet.provider import Aware
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.runtime.supervise import keep


class Connection(Protocol):
    """How one cluster is reached: by a Link of ours, or by the agent that calls from it, which leaves no `member`."""

    reach: Reach
    member: Member | None
    latency: float
    last_beat: float

    def holdings(self) -> Collection[str]:
        """The UIDs of the applications that have objects of ours there, as far as is known."""
        ...

    async def clean(self) -> tuple[str, ...]:
        """Remove what the hub placed there for itself. Returns what stays, in words. Raises KubeError."""
        ...

    def renew(self, target: Target) -> bool:
        """Go on as `target`; False when that takes another connection."""
        ...

    async def run(self) -> None:
        """Until cancelled."""
        ...


class Fleet:
    """Who is here. `async with Fleet(...)` is the scope of every cluster's work.

    `changed(name)` is called when a cluster became reachable, was lost, or left. `owner(name, uid)` is the name of the
    cluster with this identity, which is `name` itself when no other has it: one cluster is worked on under one name.
    `connect(config)` makes a cluster's client.
    """

    def __init__(
        self,
        hub: HubIdentity,
        awares: Sequence[Aware],
        changed: Callable[[str], None],
        owner: Callable[[str, str], str],
        connect: Callable[[Config], Client] = Client,
    ) -> None:
        self._connect = connect
        self._hub = hub
        self._awares = awares
        self._changed = changed
        self._owner = owner
        self._refused: dict[str, Reach] = {}
        self._links: dict[str, tuple[Connection, asyncio.Task[None]]] = {}
        self._scope = asyncio.TaskGroup()
        self._over = False

    async def __aenter__(self) -> Self:
        await self._scope.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._over = True
        for _, task in self._links.values():
            task.cancel()
        await self._scope.__aexit__(*error)  # type: ignore[arg-type]  # the group takes what `async with` gives

    def join(self, target: Target) -> None:
        """Reach `target` from now on; an unchanged connection goes on, a changed one starts anew."""
        self._refused.pop(target.name, None)
        if target.name in self._links:
            link, task = self._links[target.name]
            if link.renew(target):
                return
            task.cancel()
        self._start(target.name, Link(target, self._hub, self._awares, self._changed, self._owner, self._connect))

    def host(self, name: str, connection: Connection) -> None:
        """Cluster `name` is reached by `connection` from now on; the one that it is reached by already goes on."""
        self._refused.pop(name, None)
        if name in self._links:
            current, task = self._links[name]
            if current is connection:
                return
            task.cancel()
        self._start(name, connection)

    def _start(self, name: str, link: Connection) -> None:
        if self._over:  # whoever is still at work while all ends; nobody would end what begins now
            return
        task = self._scope.create_task(keep(f"cluster {name}", link.run), name=f"cluster {name}")
        self._links[name] = link, task

    def leave(self, name: str) -> None:
        """Cluster `name` is worked on no longer."""
        self._refused.pop(name, None)
        if entry := self._links.pop(name, None):
            entry[1].cancel()
            self._changed(name)

    def refuse(self, name: str, reason: str, message: str) -> None:
        """Cluster `name` can't even be tried, and why."""
        before = self.reach(name)
        since = time.time() if before.reachable is not False else before.since
        reach = Reach(False, reason, message, since, before.uid, before.version)
        if entry := self._links.pop(name, None):
            entry[1].cancel()
        self._refused[name] = reach
        if reach != before:
            self._changed(name)

    def link(self, name: str) -> Connection | None:
        entry = self._links.get(name)
        return entry[0] if entry else None

    def reach(self, name: str) -> Reach:
        """How cluster `name` is reached; the default Reach when it is not here."""
        link = self.link(name)
        return link.reach if link else self._refused.get(name, Reach())

    def found_as(self, uid: str) -> frozenset[str]:
        """The clusters that had this identity when they were last heard of."""
        reached = {name for name, (link, _) in self._links.items() if link.reach.uid == uid}
        return frozenset(reached | {name for name, reach in self._refused.items() if reach.uid == uid})

    def member(self, name: str) -> Member | None:
        """Cluster `name`, when it can be reached now."""
        link = self.link(name)
        return link.member if link else None

    def holdings(self, name: str) -> Collection[str]:
        """The UIDs of the applications that have objects of ours on cluster `name`, as far as is known."""
        link = self.link(name)
        return link.holdings() if link else ()

    def names(self) -> tuple[str, ...]:
        return tuple(self._links)
