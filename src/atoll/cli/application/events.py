"""`atoll app events`: the hub's events about an application and the members' about its objects, by time."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from atoll.cli.application.status import AppName
from atoll.cli.exits import ExitCode
from atoll.cli.printing import age, check_output, emit, note, table, warn
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, NoHeaders, Output, verb

if TYPE_CHECKING:
    from atoll.kube.objects import Object

HUB = "(hub)"


class Row(msgspec.Struct, frozen=True):
    """One event; `last` is RFC 3339."""

    cluster: str
    last: str
    type: str
    reason: str
    about: str
    message: str
    count: int = 1

    def cells(self) -> tuple[object, ...]:
        times = f" (×{self.count})" if self.count > 1 else ""
        return (age(self.last), self.type, self.reason, self.about, self.message + times)


def register(app: typer.Typer) -> None:
    verb(app, "events")(events)


async def events(
    session: Session,
    name: AppName,
    cluster: ClusterFilter = None,
    output: Output = "",
    no_headers: NoHeaders = False,
) -> ExitCode | None:
    """Show what happened, on the hub and on all members.

    The latest stands last.
    Looks into the members; ends with 3 when one of them can't be reached.
    """
    from atoll.cli.application.members import each_cluster, events_there
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS, EVENTS

    check_output(output)
    async with session.hub() as hub:
        view = read_view(await hub.get(APPLICATIONS, name, session.namespace))
        own = (await hub.list(EVENTS, view.namespace, fields=f"involvedObject.uid={view.uid}")).items
        found: dict[str, list[Object]] = {}
        failed: dict[str, str] = {}
        if view.placed or cluster:
            found, failed = await each_cluster(
                session, hub, cluster or view.placed, lambda _, ask: events_there(ask, view.uid)
            )
    everything = {HUB: list(own), **found}
    if output not in {"", "wide"}:
        emit([item.body() for items in everything.values() for item in items], output)
    else:
        rows = sorted((r for where, items in everything.items() for r in event_rows(where, items)), key=_time)
        if rows:
            titles = ["LAST SEEN", "CLUSTER", "TYPE", "REASON", "OBJECT", "MESSAGE"]
            cells = [(row.cells()[0], row.cluster, *row.cells()[1:]) for row in rows]
            print(table(titles, cells, headers=not no_headers, whole=True))
        else:
            note("no events")
    for where, why in failed.items():
        warn(f"{where}: {why}")
    return ExitCode.PARTIAL if failed else None


def event_rows(cluster: str, items: "Iterable[Object]") -> list[Row]:
    """Events as rows, the latest last. Old and new style events keep their times in different fields."""
    rows = []
    for item in items:
        body = item.body()
        about: dict[str, Any] = body.get("involvedObject") or {}
        series: dict[str, Any] = body.get("series") or {}
        last = series.get("lastObservedTime") or body.get("lastTimestamp") or body.get("eventTime") or item.created
        rows.append(
            Row(
                cluster,
                str(last),
                str(body.get("type") or ""),
                str(body.get("reason") or ""),
                f"{about.get('kind', '')}/{about.get('name', '')}",
                str(body.get("message") or ""),
                int(series.get("count") or body.get("count") or 1),
            )
        )
    return sorted(rows, key=_time)


def _time(row: Row) -> float:
    try:
        return datetime.fromisoformat(row.last).timestamp()
    except ValueError:
        return 0.0
