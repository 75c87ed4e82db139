"""`atoll app render`: the objects as each cluster gets them, before anything is sent."""

from statistics import mode
from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application import files
from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.printing import emit, note, table, warn
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.cli.application.rendering import Rendered

FileOption = Annotated[
    list[str] | None,
    typer.Option("--filename", "-f", metavar="FILE", help="An Application in a file, there already or not."),
]
OptionalName = Annotated[str, typer.Argument(metavar="[NAME]", help="An application on the hub.", show_default=False)]


def register(app: typer.Typer) -> None:
    verb(app, "render")(render)


async def render(
    session: Session,
    name: OptionalName = "",
    filename: FileOption = None,
    cluster: ClusterFilter = None,
    why: Annotated[bool, typer.Option("--why", help="Which clusters are chosen and why; no objects.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="yaml, json or name.")] = "yaml",
) -> ExitCode | None:
    """Show what each cluster would get.

    Placement, replicas and differences are worked out, nothing is sent.
    Of an application on the hub by its name, or with -f of one in a file. Ends with 3 when some cluster is refused.
    """
    from atoll.cli.application.rendering import render_body, render_live

    if output not in {"yaml", "json", "name"}:
        raise UsageError(f"no such output: {output!r}", "one of: yaml, json, name")
    async with session.hub() as hub:
        if filename:
            rendered = await render_body(hub, files.one_application(filename, session.namespace))
        elif name:
            rendered = await render_live(hub, session.namespace, name)
        else:
            raise UsageError("render what?", "give a NAME, or a file with -f")
    plan = rendered.plan
    if why:
        rows = [(v.cluster, "yes" if v.chosen else "no", _replicas(rendered, v.cluster), v.why) for v in plan.verdicts]
        print(table(["CLUSTER", "CHOSEN", "REPLICAS", "WHY"], rows, whole=True))
    else:
        _print_objects(rendered, chosen(rendered, cluster), output)
    for warning in plan.warnings:
        warn(warning)
    for refusal in plan.refusals.values():
        note(f"error: {refusal.cluster}: {refusal.path}: {refusal.message}")
    return ExitCode.PARTIAL if plan.refusals else None


def chosen(rendered: "Rendered", wanted: list[str] | None) -> list[str]:
    """The clusters to show, by name. Raises CommandError for one that the application doesn't go to."""
    plan = rendered.plan
    if not wanted:
        return sorted(plan.deliveries)
    for name in wanted:
        if name not in plan.deliveries and name not in plan.refusals:
            why = next((v.why for v in plan.verdicts if v.cluster == name), "there is no such cluster")
            raise CommandError(f"the application does not go to {name}: {why}")
    return [name for name in wanted if name in plan.deliveries]


def _replicas(rendered: "Rendered", cluster: str) -> str:
    """The number that most workloads have, after those that have another."""
    share = rendered.plan.shares.get(cluster)
    if share is None or not share.replicas:
        return ""
    usual = mode(share.replicas.values())
    others = [f"{workload}={count}" for workload, count in share.replicas.items() if count != usual]
    return ", ".join([*others, str(usual)] if not others else [*others, f"others={usual}"])


def _print_objects(rendered: "Rendered", clusters: list[str], output: str) -> None:
    objects = {cluster: rendered.plan.deliveries[cluster].objects for cluster in clusters}
    if output == "json":
        emit([{cluster: [m.body for m in manifests] for cluster, manifests in objects.items()}], "json", single=True)
        return
    for number, (cluster, manifests) in enumerate(objects.items()):
        if output == "name":
            for m in manifests:
                print(f"{cluster} {m.id}" + (f" -n {m.id.namespace}" if m.id.namespace else ""))
            continue
        from atoll.api.manifests import dump

        print(("---\n" if number else "") + f"# cluster: {cluster}\n{dump(m.body for m in manifests)}", end="")
