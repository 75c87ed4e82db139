"""`atoll app status`: a row for each cluster and what is wrong there; with `-w` until all is ready."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.printing import age, check_output, emit, fields, one_line, paint, table
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Output, verb

if TYPE_CHECKING:
    from atoll.cli.application.view import View

AppName = Annotated[str, typer.Argument(metavar="NAME", help="The application's name.")]


def register(app: typer.Typer) -> None:
    verb(app, "status")(status)


async def status(
    session: Session,
    name: AppName,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on until it is ready.")] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="With -w: give up after, such as 5m; 0 never.")] = "0",
    output: Output = "",
) -> ExitCode | None:
    """Show how it does on each cluster, and what is wrong.

    With -w, shows it again at each change, and ends when it is ready. Ends with 1 when it never will be as it is,
    with 3 when the time ran out and it is ready on some clusters only.
    """
    from atoll.cli.application.view import read_view
    from atoll.cli.application.waiting import until_ready
    from atoll.kube.resources import APPLICATIONS

    check_output(output)
    if watch and output not in {"", "wide"}:
        raise UsageError(f"-w shows it to people: it does not go with -o {output}", "kubectl get -w does")
    async with session.hub() as hub:
        if not watch:
            item = await hub.get(APPLICATIONS, name, session.namespace)
            if output not in {"", "wide"}:
                emit([item.body()], output, single=True)
            else:
                print(text(read_view(item)))
            return None
        screen = Screen()
        try:
            return await until_ready(
                hub, session.namespace, name, parse_duration(timeout), lambda v: screen.show(text(v))
            )
        finally:
            screen.close()


def text(view: "View") -> str:
    """What `status` shows."""
    summary = view.status.summary
    facts: dict[str, object] = {"Name": f"{view.namespace}/{view.name}", "State": view.state}
    if summary:
        facts["Clusters"] = f"{summary.clusters}, {summary.applied} applied, {summary.healthy} healthy"
        facts["Replicas"] = f"{summary.ready} ready" if summary.ready else ""
    if view.status.rollout is not None and view.status.rollout.phase != "Complete":
        facts["Rollout"] = f"{view.status.rollout.phase}, revision {view.status.rollout.revision}"
    if view.message:
        facts["Message"] = view.message
    if not view.current:
        facts["Note"] = "the hub has not yet seen the last change"
    lines = [fields(facts).replace(f" {view.state}", f" {paint(view.state)}", 1)]
    if rows := cluster_rows(view):
        lines += ["", table(["CLUSTER", "STATE", "HEALTH", "READY", "SINCE", "MESSAGE"], rows, whole=True)]
    if stages := stage_rows(view):
        lines += ["", table(["STAGE", "STATE", "UPDATED", "SINCE", "MESSAGE"], stages, whole=True)]
    if view.status.truncated:
        lines.append(f"… and {view.status.truncated} clusters more, which are healthy")
    if problems := problem_rows(view):
        lines += ["", table(["CLUSTER", "OBJECT", "REASON", "COUNT", "SINCE", "MESSAGE"], problems, whole=True)]
    return "\n".join(lines)


def cluster_rows(view: "View") -> list[tuple[object, ...]]:
    return [
        (r.name, r.state, r.health, r.ready, age(r.since) if r.since else "", r.message) for r in view.status.clusters
    ]


def stage_rows(view: "View") -> list[tuple[object, ...]]:
    """The stages of a rollout that is on its way."""
    rollout = view.status.rollout
    if rollout is None or rollout.phase == "Complete":
        return []
    return [
        (f"stage {s.name}", s.state, f"{s.updated}/{s.clusters}", age(s.since) if s.since else "", s.message)
        for s in rollout.stages
    ]


def problem_rows(view: "View") -> list[tuple[object, ...]]:
    return [
        (row.name, p.object, p.reason, p.count, age(p.since) if p.since else "", p.message)
        for row in view.status.clusters
        for p in row.problems
    ]


def failure(view: "View") -> Iterator[str]:
    """Why it isn't ready, one by one: what a script's log needs to say."""
    for row in view.status.clusters:
        for p in row.problems:
            yield f"{row.name}: {p.object}: {p.reason}: {one_line(p.message)}"
        if not row.problems and row.message:
            yield f"{row.name}: {row.state}: {row.message}"


def not_ready(view: "View") -> CommandError:
    """The error of a wait that ended early; partial success has an exit code of its own."""
    summary = view.status.summary
    some = summary is not None and summary.healthy > 0 and view.current
    reasons = "; ".join(failure(view)) or view.message or "the hub has said nothing of it yet: does `atoll hub` run?"
    return CommandError(
        f"application {view.name} is not ready: {reasons}", code=ExitCode.PARTIAL if some else ExitCode.ERROR
    )


class Screen:
    """Shows a text that changes: redrawn in place on a terminal, else one after the other."""

    def __init__(self) -> None:
        self._last = ""
        self._live: object = None
        if sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop")
            self._live.start()

    def show(self, text: str) -> None:
        if text == self._last:
            return
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text.from_ansi(text), refresh=True)  # type: ignore[attr-defined]
        else:
            print(text if not self._last else f"\n{text}", flush=True)
        self._last = text

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()  # type: ignore[attr-defined]
