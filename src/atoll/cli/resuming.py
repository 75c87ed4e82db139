"""`atoll cluster resume`: after a hub was restored from a backup, what it says now counts on this cluster."""

import typer

from atoll.cli.cluster import ClusterName
from atoll.cli.exits import ExitCode
from atoll.cli.printing import note, warn
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb


def register(clusters: typer.Typer) -> None:
    verb(clusters, "resume")(resume)


async def resume(session: Session, name: ClusterName, timeout: Timeout = "30s") -> ExitCode | None:
    """Have an agent in pull mode believe a hub that was restored from a backup.

    Such an agent refuses what is older than what it holds, and keeps what the hub doesn't know any more. Put the
    Applications right first: from now on what they say is what counts on this cluster. Objects of Applications that
    the hub doesn't know stay there, `Unclaimed`. Ends with 3 when the agent has not taken it after --timeout.
    """
    from atoll.cli.changing import MANAGER
    from atoll.fleet.resume import resume as confirm

    async with session.hub() as hub:
        left = await confirm(hub, name, timeout=parse_duration(timeout), manager=MANAGER)
    print(f"cluster/{name} resumed")
    if left:
        warn(f"the agent has not taken it yet: {left}")
        note("it will when it calls; see `atoll cluster describe`")
        return ExitCode.PARTIAL
    return None
