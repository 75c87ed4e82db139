"""`atoll app`: applications, from the first deploy to the last log line."""

import typer

from atoll.cli.application import (
    changes,
    create,
    deploy,
    describe,
    diff,
    events,
    listing,
    logs,
    promote,
    render,
    status,
    tree,
)

app = typer.Typer(
    name="app",
    help="Applications, from the first deploy to the last log line.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for part in (deploy, create, listing, describe, status, render, diff, tree, events, logs, changes, promote):
    part.register(app)


def register(root: typer.Typer) -> None:
    root.add_typer(app)
