"""`atoll app history`, `undo`: former revisions of an application, and the way back to one."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application.preview import foretell
from atoll.cli.application.status import AppName
from atoll.cli.changing import MANAGER, DryRun, DryRunOption, said
from atoll.cli.exits import CommandError, ExitCode, UsageError
from atoll.cli.printing import age, emit, table
from atoll.cli.session import Session
from atoll.cli.verbs import verb

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.cli.application.revisions import Former

RevisionOption = Annotated[int, typer.Option("--revision", metavar="N", help="Show what this one says.")]
DiffOption = Annotated[
    str, typer.Option("--diff", metavar="N[..M]", help="What differs between revision N and M, else the present one.")
]


def register(app: typer.Typer) -> None:
    verb(app, "history")(history)
    verb(app, "undo")(undo)


async def history(
    session: Session,
    name: AppName,
    revision: RevisionOption = 0,
    diff: DiffOption = "",
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="With --revision: yaml or json.")] = "",
) -> ExitCode | None:
    """List what an application was before; the last ten revisions are kept.

        atoll app history shop
        atoll app history shop --diff 1204
        atoll app history shop --revision 1204 -o yaml

    Values of Secrets are masked.
    """
    from atoll.cli.application.revisions import difference, formers, shown

    if output not in {"", "yaml", "json"}:
        raise UsageError(f"no such output: {output!r}", "yaml or json")
    if output and not revision:
        raise UsageError("-o goes with --revision", "atoll app history NAME lists their numbers")
    async with session.hub() as hub:
        found = await formers(hub, session.namespace, name)
    if diff:
        first, _, second = diff.partition("..")
        text = difference(_pick(found, first), _pick(found, second) if second else found[-1])
        if text:
            print(text, end="")
        return ExitCode.ERROR if text else None
    if revision:
        emit([shown(_pick(found, str(revision)))], output or "yaml", single=True)
        return None
    rows = [(f.revision, age(f.until) if f.until else "", f.state, f.summary) for f in found]
    print(table(["REVISION", "UNTIL", "STATE", "WHAT"], rows))
    return None


async def undo(
    session: Session,
    name: AppName,
    to_revision: Annotated[
        int, typer.Option("--to-revision", metavar="N", help="Which one; else the last good one before the present.")
    ] = 0,
    dry_run: DryRunOption = DryRun.NONE,
) -> ExitCode | None:
    """Go back to what an application was before.

    Its objects and differences become those of a former revision, as a change of its own: it goes from stage to stage
    as any other. Placement, replicas and the rest stay as they are.
    """
    from atoll.api.editing import merged
    from atoll.cli.application.revisions import formers, spec_of
    from atoll.kube.resources import APPLICATIONS

    async with session.hub() as hub:
        found = await formers(hub, session.namespace, name)
        former = _pick(found, str(to_revision)) if to_revision else _before(found, name)
        if former.content.digest == found[-1].content.digest:
            print(said("application", name, f"already is what revision {former.revision} was", dry_run))
            return None
        if former.content.templates:
            raise CommandError(
                "its objects live on the hub: an Application that selects them can't take them back",
                f"atoll app history {name} --revision {former.revision} -o yaml shows what they were",
            )
        live = await hub.get(APPLICATIONS, name, session.namespace)
        patch: Json = {
            "metadata": {"resourceVersion": live.resource_version},
            "spec": spec_of(former.content, session.namespace),
        }
        code: ExitCode | None = None
        if dry_run is not DryRun.CLIENT:
            dry = dry_run is DryRun.SERVER
            await hub.patch(APPLICATIONS, name, session.namespace, patch, type="merge", manager=MANAGER, dry_run=dry)
            if dry:
                body = live.body()
                code = await foretell(session, hub, body | {"spec": merged(body["spec"], patch["spec"])})
    print(said("application", name, f"goes back to revision {former.revision}", dry_run))
    return code


def _before(found: "list[Former]", name: str) -> "Former":
    """The newest that says something else than the present one, and was not given up."""
    present = found[-1]
    for former in reversed(found[:-1]):
        if former.content.digest != present.content.digest and former.state != "given up":
            return former
    raise CommandError(f"application {name} has no former revision", f"atoll app history {name}")


def _pick(found: "list[Former]", text: str) -> "Former":
    if not text.isdecimal():
        raise UsageError(f"not a revision: {text!r}", "a number, as `atoll app history` lists them")
    for former in found:
        if former.revision == int(text):
            return former
    known = ", ".join(str(f.revision) for f in found)
    raise CommandError(f"there is no revision {text}", f"there are {known}")
