"""`atoll app diff`: what the members would change, asked from their own API servers."""

import sys

import typer

from atoll.cli.application import files
from atoll.cli.application.render import FileOption, OptionalName, chosen
from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.printing import clean, colours, warn
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, verb

_COLOURS = {"+": "32", "-": "31", "@": "36"}


def register(app: typer.Typer) -> None:
    verb(app, "diff", failed=ExitCode.DIFF_FAILED)(diff)


async def diff(
    session: Session, name: OptionalName = "", filename: FileOption = None, cluster: ClusterFilter = None
) -> ExitCode | None:
    """Show what a delivery would change on the members.

    Secrets' values are masked.
    Of an application on the hub by its name, or with -f of one in a file, before it is deployed. Each member's own API
    server works the result out (a dry run). Ends with 0 when nothing differs, 1 when something does, 3 when a member
    could not be asked, 4 when it failed.
    """
    from atoll.cli.application.changed import text_of
    from atoll.cli.application.members import changes_there, each_cluster
    from atoll.cli.application.rendering import render_body, render_live
    from atoll.cli.application.view import read_view
    from atoll.fleet.asking import Ask
    from atoll.pull.protocol import Change, Compare

    async with session.hub() as hub:
        if filename:
            rendered = await render_body(hub, files.one_application(filename, session.namespace))
        elif name:
            rendered = await render_live(hub, session.namespace, name)
        else:
            raise UsageError("diff what?", "give a NAME, or a file with -f")
        plan = rendered.plan
        targets = chosen(rendered, cluster)
        leaving = (
            []
            if cluster or not rendered.live
            else [c for c in read_view(rendered.live).placed if c not in plan.deliveries and c not in plan.refusals]
        )

        async def work(where: str, ask: Ask) -> list[Change]:
            return await changes_there(ask, Compare(plan.deliveries[where]))

        found, failed = await each_cluster(session, hub, targets, work) if targets else ({}, {})
    differs = bool(leaving)
    for changes in found.values():
        for change in changes:
            differs = True
            show(text_of(change))
    for where in leaving:
        print(f"# {where}: everything of this application would be removed")
    for refusal in plan.refusals.values():
        warn(f"{refusal.cluster}: {refusal.path}: {refusal.message}")
    for where, why in failed.items():
        warn(f"{where}: {why}")
    if failed or plan.refusals:
        return ExitCode.PARTIAL
    return ExitCode.ERROR if differs else None


def show(text: str) -> None:
    for line in text.splitlines():
        code = _COLOURS.get(line[:1]) if colours(sys.stdout) else None
        print(f"\x1b[{code}m{clean(line)}\x1b[0m" if code else clean(line))
