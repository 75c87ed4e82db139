"""`atoll app`: applications, from the first deploy to the last log line."""

import typer

from atoll.cli.application import (
    changes,
    create,
    deploy,
    describe,
    diff,
    events,
    explain,
    history,
    listing,
    logs,
    preview,
    promote,
    render,
    status,
    steering,
    tree,
)

app = typer.Typer(
    name="app",
    help="Applications, from the first deploy to the last log line.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
PARTS = (deploy, create, listing, describe, status, render, diff, preview, explain, tree, events, logs)
CHANGES = (changes, steering, history, promote)
for part in (*PARTS, *CHANGES):
    part.register(app)


def register(root: typer.Typer) -> None:
    root.add_typer(app)
