"""`atoll app preview`: what a change would do, before it is made. Nothing is written anywhere."""

from typing import TYPE_CHECKING, Annotated

import typer

from atoll.cli.application import files
from atoll.cli.application.diff import show
from atoll.cli.application.render import FileOption, OptionalName
from atoll.cli.exits import ExitCode, UsageError
from atoll.cli.printing import emit, table, warn
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.cli.application.foreseeing import ClusterForecast, Forecast
    from atoll.kube.client import Client


def register(app: typer.Typer) -> None:
    verb(app, "preview")(preview)


async def preview(
    session: Session,
    name: OptionalName = "",
    filename: FileOption = None,
    cluster: ClusterFilter = None,
    delete: Annotated[bool, typer.Option("--delete", help="What would go if NAME were deleted.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Without the differences of the objects.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORM", help="json: for programs.")] = "",
) -> ExitCode | None:
    """Show what a change would do on every cluster.

        atoll app preview -f shop.yaml

    For each cluster whether it is chosen and why; replicas before and after; each object as its member's own API server
    would make it, admission included; what would be deleted; in which order clusters would change. Values of Secrets
    are masked. Ends with 3 when something would be refused, or a member can't be asked.
    """
    from atoll.cli.application.foreseeing import foresee, foresee_end
    from atoll.cli.application.rendering import render_body, render_live
    from atoll.kube.resources import APPLICATIONS

    if output not in {"", "json"}:
        raise UsageError(f"no such output: {output!r}", "json, or nothing for people")
    if bool(name) == bool(filename) or (delete and not name):
        raise UsageError("preview what?", "give a file with -f, or a NAME, which with --delete would be deleted")
    async with session.hub() as hub:
        if delete:
            if cluster:
                raise UsageError("--delete is of all clusters: it does not go with --cluster")
            live = await hub.get(APPLICATIONS, name, session.namespace)
            orphan = (live.body().get("spec") or {}).get("deletion") == "orphan"
            found = [await foresee_end(session, hub, live, orphan=orphan)]
        else:
            documents = [files.one_application(filename, session.namespace)] if filename else []
            rendered = [await render_body(hub, d) for d in documents] or [
                await render_live(hub, session.namespace, name)
            ]
            found = [await foresee(session, hub, r, only=cluster or ()) for r in rendered]
    if output:
        emit([forecast.as_json() for forecast in found], output, single=True)
    else:
        for forecast in found:
            tell(forecast, brief=brief)
    return ExitCode.PARTIAL if any(_troubled(forecast) for forecast in found) else None


async def foretell(session: Session, hub: "Client", body: "Json") -> ExitCode | None:
    """What a server dry run of a verb adds: what the change would do on the members. PARTIAL as of `preview`."""
    from atoll.cli.application.foreseeing import foresee
    from atoll.cli.application.rendering import render_body

    forecast = await foresee(session, hub, await render_body(hub, files.in_namespace(body, session.namespace)))
    tell(forecast)
    return ExitCode.PARTIAL if _troubled(forecast) else None


def _troubled(forecast: "Forecast") -> bool:
    return bool(forecast.held) or any(c.refusal or c.unknown or _refused(c) for c in forecast.clusters)


def _refused(cluster: "ClusterForecast") -> bool:
    return any(change.trouble for change in cluster.changes)


def tell(forecast: "Forecast", *, brief: bool = False) -> None:
    """Print a forecast for people."""
    print(f"application/{forecast.key.name}: would be {forecast.what}")
    if forecast.held:
        print(f"nothing would be carried out: {forecast.held}")
        return
    rows = [(c.cluster, _fate(c), _replicas(c), _counts(c), c.refusal or c.unknown or c.why) for c in forecast.clusters]
    if rows:
        print(table(["CLUSTER", "FATE", "REPLICAS", "OBJECTS", "WHY"], rows, whole=True))
    for line in forecast.order:
        print(line)
    if not brief:
        from atoll.cli.application.changed import text_of

        for change in forecast.changes:
            show(text_of(change))
    print(summary(forecast))
    for warning in forecast.warnings:
        warn(warning)


def _fate(cluster: "ClusterForecast") -> str:
    if cluster.refusal:
        return "refused"
    if cluster.unknown:
        return "unknown"
    if not cluster.chosen:
        return "leaves" if cluster.placed else "no"
    if not cluster.placed:
        return "new"
    return "changes" if cluster.changes or cluster.moves else "stays"


def _replicas(cluster: "ClusterForecast") -> str:
    before, after = (str(n) if n is not None else "" for n in (cluster.before, cluster.after))
    return after if before == after or not before else f"{before} → {after or 0}"


def _counts(cluster: "ClusterForecast") -> str:
    made = sum(c.before is None and c.after is not None for c in cluster.changes)
    changed = sum(c.before is not None and c.after is not None for c in cluster.changes)
    gone = sum(c.deleted for c in cluster.changes)
    refused = sum(bool(c.trouble) for c in cluster.changes)
    parts = ((made, "new"), (changed, "changed"), (gone, "deleted"), (refused, "refused"))
    return ", ".join(f"{count} {word}" for count, word in parts if count)


def summary(forecast: "Forecast") -> str:
    """In one line: how much would change."""
    changing = sum(bool(c.changes) or c.moves for c in forecast.clusters)
    gone = sum(change.deleted for change in forecast.changes)
    refused = sum(bool(change.trouble) for change in forecast.changes)
    words = [f"{changing} of {len(forecast.clusters)} clusters change", f"{gone} objects are deleted"]
    return ", ".join(words + ([f"{refused} would be refused"] if refused else []))
