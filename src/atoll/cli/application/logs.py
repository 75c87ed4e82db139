"""`atoll app logs`: of all Pods on all clusters, together."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application.status import AppName
from atoll.cli.exits import ExitCode
from atoll.cli.printing import clean, note, warn
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.fleet.asking import Ask
    from atoll.pull.protocol import Logs


def register(app: typer.Typer) -> None:
    verb(app, "logs")(logs)


async def logs(
    session: Session,
    name: AppName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, from new Pods, too.")] = False,
    cluster: ClusterFilter = None,
    workload: Annotated[str, typer.Option(metavar="NAME", help="Only Pods whose name begins so.")] = "",
    container: Annotated[str, typer.Option(metavar="NAME", help="Only this container; else all.")] = "",
    tail: Annotated[int | None, typer.Option(metavar="N", min=0, help="Only the last lines of each.")] = None,
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
    from atoll.cli.application.members import clusters_of, each_cluster
    from atoll.cli.application.view import read_view
    from atoll.fleet.asking import Ask
    from atoll.kube.resources import APPLICATIONS
    from atoll.pull.protocol import Logs

    seconds = max(1, round(parse_duration(since))) if since else None
    async with session.hub() as hub:
        view = read_view(await hub.get(APPLICATIONS, name, session.namespace))
        question = Logs(view.uid, workload, container, follow, tail, seconds, previous)
        where = clusters_of(view, cluster)

        async def work(one: str, ask: Ask) -> int:
            alone = prefix is None and not follow and len(where) == 1 and await _single(one, ask, question)
            return await _print(one, ask, question, headed=not alone if prefix is None else prefix)

        found, failed = await each_cluster(session, hub, where, work, at_once=None if follow else 1)
    for one, why in failed.items():
        warn(f"{one}: {why}")
    return ExitCode.PARTIAL if failed or any(found.values()) else None


async def _single(cluster: str, ask: "Ask", question: "Logs") -> bool:
    """Whether one container is meant, so that lines need no head."""
    from atoll.cli.application.members import there
    from atoll.inquire.logs import containers

    pods = [pod for pod in (await there(cluster, ask, question.uid)).pods if pod.name.startswith(question.workload)]
    return sum(len(containers(pod, question.container)) for pod in pods) == 1


async def _print(cluster: str, ask: "Ask", question: "Logs", *, headed: bool) -> int:
    """Print what comes; how many containers could not be read."""
    from atoll.pull.protocol import Line, Trouble

    failed = 0
    async for told in ask(question):
        match told:
            case Line():
                head = f"[{cluster}/{told.pod}/{told.container}] " if headed else ""
                print(head + clean(told.text), flush=question.follow)
            case Trouble():
                failed += not question.follow
                note(f"warning: {'/'.join(part for part in (cluster, told.where) if part)}: {told.text}")
    return failed
