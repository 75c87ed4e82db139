"""`atoll app logs`: of all Pods on all clusters, together."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from atoll.cli.application.status import AppName
from atoll.cli.exits import ExitCode
from atoll.cli.printing import clean, note, warn
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.kube.client import Client
    from atoll.kube.objects import Object


def register(app: typer.Typer) -> None:
    verb(app, "logs")(logs)


class Wanted(msgspec.Struct, frozen=True):
    """Which lines, and how they are shown. `since` in seconds; `prefix` None: only where it tells something."""

    follow: bool
    tail: int | None
    since: int | None
    previous: bool
    container: str
    prefix: bool | None


async def logs(
    session: Session,
    name: AppName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, from new Pods, too.")] = False,
    cluster: ClusterFilter = None,
    workload: Annotated[str, typer.Option(metavar="NAME", help="Only Pods whose name begins so.")] = "",
    container: Annotated[str, typer.Option(metavar="NAME", help="Only this container; else all.")] = "",
    tail: Annotated[int | None, typer.Option(metavar="N", help="Only the last lines of each.")] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="Only the last, such as 5m.")] = "",
    previous: Annotated[bool, typer.Option("--previous", help="Of the container that ended before.")] = False,
    prefix: Annotated[
        bool | None, typer.Option("--prefix/--no-prefix", help="Cluster, Pod and container ahead of each line.")
    ] = None,
) -> ExitCode | None:
    """Print the logs of its Pods on all clusters.

    Lines are headed by where they come from unless there is one Pod only. Ends with 3 when a cluster or a Pod
    could not be read.
    """
    from atoll.cli.application.members import clusters_of, each_cluster, hub_id
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS

    wanted = Wanted(
        follow=follow,
        tail=tail,
        since=int(parse_duration(since)) if since else None,
        previous=previous,
        container=container,
        prefix=prefix,
    )
    async with session.hub() as hub:
        view = read_view(await hub.get(APPLICATIONS, name, session.namespace))
        identity = await hub_id(hub)

        async def work(where: str, member: "Client") -> int:
            if follow:
                return await _follow(member, where, identity, view.uid, workload, wanted)
            pods = await _pods(member, where, identity, view.uid, workload)
            return await _print_all(
                member, where, pods, wanted, alone=len(pods) == 1 and len(cluster or view.placed) == 1
            )

        found, failed = await each_cluster(
            session, hub, clusters_of(view, cluster), work, at_once=None if follow else 1
        )
    for where, why in failed.items():
        warn(f"{where}: {why}")
    return ExitCode.PARTIAL if failed or any(found.values()) else None


async def _pods(member: "Client", cluster: str, hub_id: str, uid: str, workload: str) -> "list[Object]":
    from atoll.cli.application.members import look

    there = await look(member, cluster, hub_id, uid)
    return sorted((p for p in there.pods if p.name.startswith(workload)), key=lambda p: p.name)


def _containers(pod: "Object", only: str) -> list[str]:
    spec = pod.body().get("spec") or {}
    names = [c["name"] for part in ("initContainers", "containers") for c in spec.get(part) or ()]
    return [n for n in names if only in {"", n}]


async def _print_all(member: "Client", cluster: str, pods: "list[Object]", wanted: Wanted, *, alone: bool) -> int:
    """Pod after Pod; how many could not be read."""
    failed = 0
    for pod in pods:
        containers = _containers(pod, wanted.container)
        for container in containers:
            head = "" if wanted.prefix is False or (wanted.prefix is None and alone and len(containers) == 1) else "yes"
            failed += await _print_one(member, cluster, pod, container, wanted, prefix=bool(head))
    return failed


async def _print_one(
    member: "Client", cluster: str, pod: "Object", container: str, wanted: Wanted, *, prefix: bool
) -> int:
    from atoll.kube.errors import KubeError

    head = f"[{cluster}/{pod.name}/{container}] " if prefix else ""
    try:
        async for line in member.logs(
            pod.name,
            pod.namespace,
            container=container,
            follow=wanted.follow,
            tail=wanted.tail,
            previous=wanted.previous,
            since_seconds=wanted.since,
        ):
            print(head + clean(line.decode(errors="replace")), flush=wanted.follow)
    except KubeError as error:
        if not wanted.follow:
            note(f"warning: {cluster}/{pod.name}/{container}: {error}")
        return 1
    return 0


LOOK_AGAIN = 2.0


async def _follow(member: "Client", cluster: str, hub_id: str, uid: str, workload: str, wanted: Wanted) -> int:
    """For ever: streams of the containers there are, and of those that come.

    A stream that broke is begun again where it was left (a line may come twice); one that ended, when its container
    has been started again.
    """
    from atoll.kube.errors import KubeError

    streams: dict[tuple[str, str], Stream] = {}
    told = False
    async with asyncio.TaskGroup() as group:
        while True:
            try:
                for pod in await _pods(member, cluster, hub_id, uid, workload):
                    for container in _containers(pod, wanted.container):
                        key, starts = (pod.uid, container), _starts(pod, container)
                        old = streams.get(key)
                        if not starts or (old is not None and not old.over(starts)):
                            continue
                        lines = wanted if old is None else msgspec.structs.replace(wanted, since=old.age, tail=None)
                        work = _print_one(member, cluster, pod, container, lines, prefix=wanted.prefix is not False)
                        streams[key] = Stream(group.create_task(work), starts)
                told = False
            except KubeError as error:
                if not told:
                    warn(f"{cluster}: {error}; trying again")
                    told = True
            await asyncio.sleep(LOOK_AGAIN)


class Stream:
    """The log of one container's life."""

    def __init__(self, task: asyncio.Task[int], starts: int) -> None:
        self.task = task
        self.starts = starts
        self.ended = 0.0
        task.add_done_callback(self._end)

    def _end(self, _: object) -> None:
        self.ended = time.monotonic()

    def over(self, starts: int) -> bool:
        """It has to be begun again: it broke, or the container was started since."""
        return self.task.done() and (self.task.result() != 0 or starts != self.starts)

    @property
    def age(self) -> int:
        """Seconds, rounded up, since it ended."""
        return int(time.monotonic() - self.ended) + 1


def _starts(pod: "Object", container: str) -> int:
    """How often the container has been started; 0 before it was."""
    status = pod.body().get("status") or {}
    for part in ("initContainerStatuses", "containerStatuses"):
        for row in status.get(part) or ():
            if row.get("name") == container and not (row.get("state") or {}).get("waiting"):
                return int(row.get("restartCount") or 0) + 1
    return 0
