"""`atoll migrate`: from another system to Atoll, and back, while everything keeps running."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.printing import emit, note, table
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb

if TYPE_CHECKING:
    from atoll.cli.migration.report import Report

migrate = typer.Typer(
    name="migrate",
    help="From another system to Atoll, and back, while everything keeps running.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", metavar="NAME", help="Only this one; repeatable.")
]
Into = Annotated[
    str,
    typer.Option(
        metavar="NAMESPACE",
        help="Where Applications of cluster-scoped objects go; it needs the label atoll.dev/reach: cluster.",
    ),
]


def register(app: typer.Typer) -> None:
    verb(migrate, "kubefed")(kubefed)
    app.add_typer(migrate)


async def kubefed(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and what has no equal.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    back: Annotated[bool, typer.Option("--back", help="The other way: to KubeFed's objects again.")] = False,
    namespace: Namespaces = None,
    kubefed_namespace: Annotated[
        str, typer.Option(metavar="NAMESPACE", help="Where KubeFed's control plane is.")
    ] = "kube-federation-system",
    cluster_scoped_into: Into = "",
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Go on where members' objects would change, as the report shows.")
    ] = False,
    discard_changes: Annotated[
        bool, typer.Option("--discard-changes", help="With --back: Applications that were changed since go back, too.")
    ] = False,
    timeout: Timeout = "60s",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FORM", help="json or yaml: the report; applications: as YAML.")
    ] = "",
) -> ExitCode | None:
    """Make Applications and Clusters of KubeFed's objects, without touching a Pod.

        atoll migrate kubefed --dry-run
        atoll migrate kubefed --apply -n shop

    Each federated object becomes an Application that takes the members' objects over as they are. Where these would
    not be the same, nothing is done to the object, and the report says why. It may be cut off and begun again at any
    point. Ends with 3 when some objects were left out.
    """
    from atoll.cli.migration.running import Run

    if dry_run == apply:
        raise UsageError("migrate in earnest?", "give one of --dry-run and --apply")
    if output not in {"", "json", "yaml", "applications"}:
        raise UsageError(f"no such output: {output!r}", "json, yaml or applications, or nothing for people")
    async with session.hub() as hub:
        run = Run(
            session,
            hub,
            control_namespace=kubefed_namespace,
            home=cluster_scoped_into,
            namespaces=tuple(namespace or filter(None, [session.options.namespace])),
            timeout=parse_duration(timeout),
            say=note,
        )
        if back:
            report = await run.back(apply=apply, discard=discard_changes)
        else:
            report = await run.there(apply=apply, accept=accept_changes)
    if output == "applications":
        emit([row.application for row in report.objects if row.application], "yaml")
    elif output:
        emit([report.as_json()], output, single=True)
    else:
        _tell(report)
    if report.failed:
        raise CommandError("; ".join(report.failed), "run it again: it goes on where it was")
    return ExitCode.PARTIAL if report.left_out else None


def _tell(report: "Report") -> None:
    if report.objects:
        rows = [(row.object, row.name, ",".join(row.clusters), row.state) for row in report.objects]
        print(table(["OBJECT", "APPLICATION", "CLUSTERS", "STATE"], rows))
    findings = report.findings
    if findings:
        print()
        print(f"{len(findings)} things have no equal, or need a look:")
    for finding in findings:
        print(f"- {finding.object}: {finding.field}: {finding.why}" + (" (left out)" if finding.refuses else ""))
        for line in finding.do.splitlines():
            print(f"    {line}")
    for diff in report.changes:
        print(diff, end="")
    print(report.summary)
