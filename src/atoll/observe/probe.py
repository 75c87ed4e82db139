"""A closer look at what is not healthy: its Pods, by its own selector, and the warnings of its namespace.

A probe costs the member a list and a watch, so there is one only while its object is unhealthy, only so many at once,
and none for what is healthy again within a moment. Where more objects ask than there is room for, each has its turn and
keeps what was seen in it.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from atoll.api.objects import Json, ObjectId
from atoll.kube.client import Client
from atoll.kube.objects import Object
from atoll.kube.resources import EVENTS, PODS
from atoll.observe.evidence import CHILDREN, Complaint, PodView, complaint, pod_view, selector_of
from atoll.runtime.informer import Change, Informer
from atoll.runtime.supervise import keep

AT_ONCE = 20
"""Probes of one cluster that run at the same time."""
MOMENT = 0.7
"""Seconds for which an object may be on its way before it is looked at; a Degraded one is looked at immediately."""
TURN = 30.0
"""Seconds that a probe may keep its place while others wait for one."""


class Asking(NamedTuple):
    """Which object is looked at: an application's UID and the object."""

    uid: str
    about: ObjectId


class Seen(NamedTuple):
    """What a probe has seen so far."""

    pods: tuple[PodView, ...] = ()
    events: tuple[Complaint, ...] = ()


class Probe:
    """The look at one object. `seen` outlives its turn."""

    def __init__(self, asking: Asking, selector: str, due: float) -> None:
        self.asking = asking
        self.selector = selector
        self.due = due
        self.started = 0.0
        self.task: asyncio.Task[None] | None = None
        self.pods: Informer[PodView] | None = None
        self.last = Seen()

    def seen(self, warnings: "Warnings | None") -> Seen:
        """What is known now, or was at the end of its turn."""
        if self.pods is None or warnings is None:
            return self.last
        pods = tuple(self.pods.values()) if self.pods.synced else self.last.pods
        self.last = Seen(pods, tuple(warnings.about(self.asking.about, pods)))
        return self.last


class Warnings:
    """The warning Events of one namespace, by what they are about; shared by all probes there."""

    def __init__(self, client: Client, namespace: str, changed: Callable[[], None]) -> None:
        self._by_object: dict[tuple[str, str], dict[ObjectId, Complaint]] = {}
        self._changed = changed
        self.users: set[Asking] = set()
        self.task: asyncio.Task[None] | None = None
        self.informer: Informer[Complaint] = Informer(
            client, EVENTS, namespace=namespace, fields="type=Warning", transform=_complaint
        )
        self.informer.subscribe(self._take)

    def _take(self, change: Change[Complaint]) -> None:
        if change.old is not None:
            self._by_object.get((change.old.kind, change.old.name), {}).pop(change.id, None)
        if change.new is not None:
            self._by_object.setdefault((change.new.kind, change.new.name), {})[change.id] = change.new
        self._changed()

    def about(self, about: ObjectId, pods: tuple[PodView, ...]) -> Iterator[Complaint]:
        """Warnings about the object, its Pods that aren't ready, and what stands between."""
        between = CHILDREN.get(about.group_kind)
        names = [(about.kind, about.name), *(("Pod", pod.name) for pod in pods if not pod.ready)]
        if between:
            names += [n for n in self._by_object if n[0] == between and n[1].startswith(about.name + "-")]
        for name in dict.fromkeys(names):
            yield from self._by_object.get(name, {}).values()


class Probes:
    """The probes of one cluster. `changed(asking)` is called when one has seen something new."""

    def __init__(self, client: Client, changed: Callable[[Asking], None], *, at_once: int = AT_ONCE) -> None:
        self._client = client
        self._changed = changed
        self._at_once = at_once
        self._probes: dict[Asking, Probe] = {}
        """In the order of their turns."""
        self._running: dict[Asking, Probe] = {}
        self._warnings: dict[str, Warnings] = {}
        self._wake = asyncio.Event()

    def want(self, asking: Asking, body: Json, *, urgent: bool) -> None:
        """Look at the object from now on. Cluster-scoped objects speak for themselves."""
        if not asking.about.namespace:
            return
        selector, now = selector_of(asking.about, body), asyncio.get_running_loop().time()
        probe = self._probes.get(asking)
        if probe is not None and probe.selector == selector:
            if urgent and probe.due > now:
                probe.due = now
                self._wake.set()
            return
        self.drop(asking)
        self._probes[asking] = Probe(asking, selector, now if urgent else now + MOMENT)
        self._wake.set()

    def drop(self, asking: Asking) -> None:
        """The object is healthy again, or gone."""
        if probe := self._probes.pop(asking, None):
            self._stop(probe)
            self._wake.set()

    def drop_all(self, uid: str) -> None:
        for asking in [a for a in self._probes if a.uid == uid]:
            self.drop(asking)

    def seen(self, asking: Asking) -> Seen:
        probe = self._probes.get(asking)
        return probe.seen(self._warnings.get(asking.about.namespace)) if probe else Seen()

    @property
    def running(self) -> int:
        return len(self._running)

    async def run(self) -> None:
        """Give each probe its place until cancelled."""
        async with asyncio.TaskGroup() as scope:
            while True:
                self._wake.clear()
                pause = self._place(scope, asyncio.get_running_loop().time())
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _place(self, scope: asyncio.TaskGroup, now: float) -> float | None:
        """Start what is due and has room. Returns after how many seconds to look again; None: when woken."""
        waiting = [p for p in self._probes.values() if p.asking not in self._running]
        due = [p for p in waiting if p.due <= now]
        for probe in list(self._running.values()):
            if len(due) > self._at_once - len(self._running) and now - probe.started >= TURN:
                self._stop(probe)
                self._probes[probe.asking] = self._probes.pop(probe.asking)  # its next turn comes after all others'
        room = self._at_once - len(self._running)
        for probe in due[: max(0, room)]:
            self._start(scope, probe, now)
        pauses = [p.due - now for p in waiting if p.due > now]
        if len(due) > room:
            pauses += [max(0.01, p.started + TURN - now) for p in self._running.values()]
        return min(pauses, default=None)

    def _start(self, scope: asyncio.TaskGroup, probe: Probe, now: float) -> None:
        asking, namespace = probe.asking, probe.asking.about.namespace
        probe.started = now
        self._running[asking] = probe
        warnings = self._warnings.get(namespace)
        if warnings is None:
            warnings = self._warnings[namespace] = Warnings(self._client, namespace, lambda: self._warned(namespace))
            warnings.task = scope.create_task(keep(f"events {namespace}", warnings.informer.run))
        warnings.users.add(asking)
        probe.pods = Informer(
            self._client, PODS, namespace=namespace, labels=probe.selector, transform=lambda pod: pod_view(pod.body())
        )
        probe.pods.subscribe(lambda _: self._changed(asking))
        if probe.selector:
            probe.task = scope.create_task(keep(f"pods of {asking.about}", probe.pods.run))

    def _stop(self, probe: Probe) -> None:
        if self._running.pop(probe.asking, None) is None:
            return
        namespace = probe.asking.about.namespace
        warnings = self._warnings[namespace]
        probe.seen(warnings)
        if probe.task is not None:
            probe.task.cancel()
        probe.pods = probe.task = None
        warnings.users.discard(probe.asking)
        if not warnings.users:
            del self._warnings[namespace]
            if warnings.task is not None:
                warnings.task.cancel()

    def _warned(self, namespace: str) -> None:
        if warnings := self._warnings.get(namespace):
            for asking in warnings.users:
                self._changed(asking)


def _complaint(event: Object) -> Complaint:
    return complaint(event.body())
