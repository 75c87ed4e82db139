"""`atoll app suspend`, `resume` and `delete`."""

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atoll.cli.application.preview import foretell, tell
from atoll.cli.changing import MANAGER, DryRun, DryRunOption, said
from atoll.cli.exits import CommandError, ExitCode
from atoll.cli.printing import note
from atoll.cli.session import Session, parse_duration
from atoll.cli.verbs import Timeout, verb

if TYPE_CHECKING:
    from atoll.kube.client import Client

Names = Annotated[list[str], typer.Argument(metavar="NAME…", help="The applications' names.")]


def register(app: typer.Typer) -> None:
    verb(app, "suspend")(suspend)
    verb(app, "resume")(resume)
    verb(app, "delete")(delete)


async def suspend(session: Session, names: Names, dry_run: DryRunOption = DryRun.NONE) -> None:
    """Stop delivering; what runs goes on, and its status."""
    await _set_suspend(session, names, suspended=True, dry_run=dry_run)


async def resume(session: Session, names: Names, dry_run: DryRunOption = DryRun.NONE) -> ExitCode | None:
    """Go on delivering a suspended application, or changing clusters after a pause of its rollout."""
    return await _set_suspend(session, names, suspended=False, dry_run=dry_run)


async def _set_suspend(session: Session, names: list[str], *, suspended: bool, dry_run: DryRun) -> ExitCode | None:
    from atoll.api.defaults import only_pauses
    from atoll.api.editing import merged
    from atoll.kube.resources import APPLICATIONS

    word = "suspended" if suspended else "resumed"
    code: ExitCode | None = None
    async with session.hub() as hub:
        for name in names:
            spec = (await hub.get(APPLICATIONS, name, session.namespace)).body().get("spec") or {}
            paused = bool((spec.get("rollout") or {}).get("paused")) and not suspended
            if bool(spec.get("suspend")) == suspended and not paused:
                print(said("application", name, f"already {word}" if suspended else "not suspended", dry_run))
                continue
            patch: dict[str, Any] = {"spec": {"suspend": True if suspended else None}}
            if paused:
                patch["spec"]["rollout"] = None if only_pauses(spec["rollout"]) else {"paused": None}
            if dry_run is not DryRun.CLIENT:
                await hub.patch(
                    APPLICATIONS,
                    name,
                    session.namespace,
                    patch,
                    type="merge",
                    manager=MANAGER,
                    dry_run=dry_run is DryRun.SERVER,
                )
            print(said("application", name, word, dry_run))
            if dry_run is DryRun.SERVER and not suspended:
                live = (await hub.get(APPLICATIONS, name, session.namespace)).body()
                code = await foretell(session, hub, live | {"spec": merged(spec, patch["spec"])}) or code
    return code


async def delete(
    session: Session,
    names: Names,
    orphan: Annotated[
        bool, typer.Option("--orphan", help="Its objects stay on the members, as if applied by hand.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is gone everywhere.")] = True,
    timeout: Timeout = "2m",
    ignore_not_found: Annotated[bool, typer.Option("--ignore-not-found", help="Gone already is no error.")] = False,
    dry_run: DryRunOption = DryRun.NONE,
) -> ExitCode | None:
    """Delete applications, and their objects on all members."""
    seconds = parse_duration(timeout)
    async with session.hub() as hub:
        doomed: list[tuple[str, str]] = []
        for name in names:
            if dry_run is DryRun.SERVER:
                await _foretell_end(session, hub, name, orphan=orphan)
            uid = await _delete(
                hub, session.namespace, name, orphan=orphan, dry_run=dry_run, missing_ok=ignore_not_found
            )
            if uid:
                doomed.append((name, uid))
        if not wait or dry_run is not DryRun.NONE:
            return None
        from atoll.cli.application.waiting import until_gone

        failed = []
        for name, uid in doomed:
            try:
                await until_gone(hub, session.namespace, name, uid, seconds)
            except CommandError as error:
                if len(doomed) == 1:
                    raise
                note(f"error: {error}")
                failed.append(name)
        if failed:
            raise CommandError(
                f"{len(failed)} of {len(doomed)} are not gone: {', '.join(failed)}", code=_code(failed, doomed)
            )
    return None


async def _foretell_end(session: Session, hub: "Client", name: str, *, orphan: bool) -> None:
    """What would go, object by object."""
    from atoll.cli.application.foreseeing import foresee_end
    from atoll.kube.errors import NotFound
    from atoll.kube.resources import APPLICATIONS

    with contextlib.suppress(NotFound):  # which the deletion itself will say
        live = await hub.get(APPLICATIONS, name, session.namespace)
        stays = orphan or (live.body().get("spec") or {}).get("deletion") == "orphan"
        tell(await foresee_end(session, hub, live, orphan=stays), brief=True)


def _code(failed: list[str], doomed: list[tuple[str, str]]) -> ExitCode:
    return ExitCode.PARTIAL if len(failed) < len(doomed) else ExitCode.ERROR


async def _delete(hub: "Client", namespace: str, name: str, *, orphan: bool, dry_run: DryRun, missing_ok: bool) -> str:
    """Ask for the deletion; the UID of what is being deleted, "" when it was not there."""
    from atoll.kube.errors import NotFound
    from atoll.kube.resources import APPLICATIONS

    try:
        live = await hub.get(APPLICATIONS, name, namespace)
    except NotFound:
        if not missing_ok:
            raise
        return ""
    if dry_run is not DryRun.CLIENT:
        dry = dry_run is DryRun.SERVER
        if orphan:
            patch = {"metadata": {"uid": live.uid}, "spec": {"deletion": "orphan"}}
            await hub.patch(APPLICATIONS, name, namespace, patch, type="merge", manager=MANAGER, dry_run=dry)
        await hub.delete(APPLICATIONS, name, namespace, uid=live.uid, dry_run=dry)
    print(said("application", name, "deleted, its objects stay" if orphan else "deleted", dry_run))
    return live.uid
