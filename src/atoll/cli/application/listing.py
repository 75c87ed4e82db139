"""`atoll app list`."""

from typing import Annotated

import typer

from atoll.cli.printing import age, check_output, emit, note, table
from atoll.cli.session import Session
from atoll.cli.verbs import AllNamespaces, NoHeaders, Output, verb


def register(app: typer.Typer) -> None:
    verb(app, "list")(list_applications)


async def list_applications(
    session: Session,
    all_namespaces: AllNamespaces = False,
    selector: Annotated[str, typer.Option("--selector", "-l", metavar="K=V,…", help="Only with these labels.")] = "",
    output: Output = "",
    no_headers: NoHeaders = False,
) -> None:
    """List applications.

    On how many clusters each is applied and healthy, and its ready replicas.
    """
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS

    check_output(output)
    namespace = "" if all_namespaces else session.namespace
    async with session.hub() as hub:
        items = (await hub.list(APPLICATIONS, namespace, labels=selector)).items
    if output not in {"", "wide"}:
        emit([item.body() for item in items], output)
        return
    if not items:
        note(f"no applications in {'any namespace' if all_namespaces else f'namespace {namespace}'}")
        return
    wide = output == "wide"
    titles = ["NAME", "CLUSTERS", "APPLIED", "HEALTHY", "READY", "STATE", *(["MESSAGE"] if wide else []), "AGE"]
    rows = []
    for view in map(read_view, items):
        summary = view.status.summary
        counts = [summary.clusters, summary.applied, summary.healthy, summary.ready] if summary else [""] * 4
        row = [view.name, *counts, view.state, *([view.message] if wide else []), age(view.created)]
        rows.append([view.namespace, *row] if all_namespaces else row)
    print(table(["NAMESPACE", *titles] if all_namespaces else titles, rows, headers=not no_headers, cut=not wide))
