"""`atoll what-if`: where all applications would go if a cluster or a region were lost, or a cluster came."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.printing import emit, note, table
from atoll.cli.session import Session
from atoll.cli.verbs import AllNamespaces, verb

if TYPE_CHECKING:
    from atoll.cli.foreseen import Fate

Lost = Annotated[list[str] | None, typer.Option("--lose-cluster", metavar="NAME", help="It is gone; repeatable.")]
Region = Annotated[list[str] | None, typer.Option("--lose-region", metavar="REGION", help="All its clusters are gone.")]
Added = Annotated[
    list[str] | None, typer.Option("--add-cluster", metavar="FILE", help="A Cluster in a file, as if it had joined.")
]


def register(app: typer.Typer) -> None:
    verb(app, "what-if")(what_if)


async def what_if(
    session: Session,
    lose_cluster: Lost = None,
    lose_region: Region = None,
    add_cluster: Added = None,
    all_namespaces: AllNamespaces = False,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="json: for programs, a List.")] = "",
) -> ExitCode | None:
    """Show where applications would go if clusters were lost or came.

        atoll what-if --lose-region eu-west-1 -A

    The hub's own planning is done here on a changed picture of the fleet; nothing is changed. Ends with 3 when some
    application would be nowhere, or not as its replicas say.
    """
    from atoll.cli.foreseen import clusters_in, fates

    if output not in {"", "json"}:
        raise UsageError(f"no such output: {output!r}", "json, or nothing for people")
    if not (lose_cluster or lose_region or add_cluster):
        raise UsageError("what if what?", "--lose-cluster NAME, --lose-region R or --add-cluster FILE")
    added = clusters_in(add_cluster or [])
    async with session.hub() as hub:
        found = await fates(
            hub,
            "" if all_namespaces else session.namespace,
            lost=frozenset(lose_cluster or ()),
            regions=frozenset(lose_region or ()),
            added=added,
        )
    if output:
        emit([fate.as_json() for fate in found], output)
    else:
        tell(found)
    return ExitCode.PARTIAL if any(fate.trouble for fate in found) else None


def tell(found: "list[Fate]") -> None:
    """Print what moves, and what would not be as it asks."""
    rows = [(str(fate.key), move.cluster, move.before, move.after, move.why) for fate in found for move in fate.moves]
    if rows:
        print(table(["APPLICATION", "CLUSTER", "BEFORE", "AFTER", "WHY"], rows, whole=True))
    moving = sum(bool(fate.moves) for fate in found)
    print(f"{moving} of {len(found)} applications change")
    for fate in found:
        if fate.trouble:
            note(f"{fate.key}: {fate.trouble}")
