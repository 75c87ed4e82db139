"""The logs of an application's Pods on one member, as they are or as they come."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator

from atoll.inquire.looking import look
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object
from atoll.pull.protocol import Line, Logs, Trouble

LOOK_AGAIN = 2.0
"""Seconds between two looks for Pods that came, while logs are followed."""
WAITING = 256
"""Lines that may wait for who reads; then the streams wait."""


async def read_logs(member: Client, cluster: str, hub_id: str, asked: Logs) -> AsyncGenerator[Line | Trouble, None]:
    """The lines, Pod after Pod; or, followed, as they come and for ever. Raises KubeError when no Pod can be found."""
    if asked.follow:
        async for told in _follow(member, cluster, hub_id, asked):
            yield told
        return
    for pod in await pods_of(member, cluster, hub_id, asked):
        for container in containers(pod, asked.container):
            try:
                async for line in _lines(member, pod, container, asked):
                    yield line
            except KubeError as error:
                yield Trouble(str(error), f"{pod.name}/{container}")


async def pods_of(member: Client, cluster: str, hub_id: str, asked: Logs) -> list[Object]:
    """The Pods that are meant, by name."""
    there = await look(member, cluster, hub_id, asked.uid)
    return sorted((pod for pod in there.pods if pod.name.startswith(asked.workload)), key=lambda pod: pod.name)


def containers(pod: Object, only: str) -> list[str]:
    """The containers of a Pod, those that run first ahead; `only` the one of this name, if given."""
    spec = pod.body().get("spec") or {}
    names = [c["name"] for part in ("initContainers", "containers") for c in spec.get(part) or ()]
    return [name for name in names if only in {"", name}]


async def _lines(
    member: Client, pod: Object, container: str, asked: Logs, *, since: int | None = None
) -> AsyncGenerator[Line, None]:
    async for line in member.logs(
        pod.name,
        pod.namespace,
        container=container,
        follow=asked.follow,
        tail=asked.tail if since is None else None,
        previous=asked.previous,
        since_seconds=asked.since if since is None else since,
    ):
        yield Line(pod.name, container, line.decode(errors="replace"))


async def _follow(member: Client, cluster: str, hub_id: str, asked: Logs) -> AsyncGenerator[Line | Trouble, None]:
    lines: asyncio.Queue[Line | Trouble] = asyncio.Queue(WAITING)
    try:
        async with asyncio.TaskGroup() as scope:
            seeking = scope.create_task(_seek(member, cluster, hub_id, asked, lines))
            try:
                while True:
                    yield await lines.get()
            finally:
                seeking.cancel()
    except* GeneratorExit:  # nobody listens any more
        pass


async def _seek(member: Client, cluster: str, hub_id: str, asked: Logs, lines: "asyncio.Queue[Line | Trouble]") -> None:
    """For ever: streams of the containers there are, and of those that come.

    A stream that broke is begun again where it was left (a line may come twice); one that ended, when its container
    has been started again.
    """
    streams: dict[tuple[str, str], Stream] = {}
    told = False
    async with asyncio.TaskGroup() as scope:
        while True:
            try:
                for pod in await pods_of(member, cluster, hub_id, asked):
                    for container, starts in _started(pod, asked.container):
                        old = streams.get((pod.uid, container))
                        if old is None or old.over(starts):
                            work = _copy(member, pod, container, asked, lines, None if old is None else old.age)
                            streams[pod.uid, container] = Stream(scope.create_task(work), starts)
                told = False
            except KubeError as error:
                if not told:
                    await lines.put(Trouble(f"{error}; trying again"))
                    told = True
            await asyncio.sleep(LOOK_AGAIN)


async def _copy(
    member: Client,
    pod: Object,
    container: str,
    asked: Logs,
    lines: "asyncio.Queue[Line | Trouble]",
    since: int | None,
) -> bool:
    """One stream, to its end. Whether it ended well."""
    try:
        async for line in _lines(member, pod, container, asked, since=since):
            await lines.put(line)
    except KubeError:
        return False
    return True


class Stream:
    """The log of one container's life."""

    def __init__(self, task: "asyncio.Task[bool]", starts: int) -> None:
        self.task = task
        self.starts = starts
        self.ended = 0.0
        task.add_done_callback(self._end)

    def _end(self, _: object) -> None:
        self.ended = time.monotonic()

    def over(self, starts: int) -> bool:
        """It has to be begun again: it broke, or the container was started since."""
        return self.task.done() and (not self.task.result() or starts != self.starts)

    @property
    def age(self) -> int:
        """Seconds, rounded up, since it ended."""
        return int(time.monotonic() - self.ended) + 1


def _started(pod: Object, only: str) -> Iterator[tuple[str, int]]:
    """The containers that have been started, and how often."""
    status = pod.body().get("status") or {}
    wanted = containers(pod, only)
    for part in ("initContainerStatuses", "containerStatuses"):
        for row in status.get(part) or ():
            if row.get("name") in wanted and not (row.get("state") or {}).get("waiting"):
                yield row["name"], int(row.get("restartCount") or 0) + 1
