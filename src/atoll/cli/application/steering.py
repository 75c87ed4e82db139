"""`atoll app approve`, `pause`, `abort` and `retry`: a person's word about a rollout."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atoll.cli.application.status import AppName
from atoll.cli.changing import MANAGER, DryRun, DryRunOption, said
from atoll.cli.exits import CommandError, ExitCode
from atoll.cli.printing import warn
from atoll.cli.session import Session
from atoll.cli.verbs import verb

if TYPE_CHECKING:
    from atoll.api.rollout import RolloutStatus
    from atoll.cli.application.view import View
    from atoll.kube.client import Client

StageOption = Annotated[
    str, typer.Option("--stage", metavar="NAME", help="The stage to approve; else the one that waits.")
]


def register(app: typer.Typer) -> None:
    verb(app, "approve")(approve)
    verb(app, "pause")(pause)
    verb(app, "abort")(abort)
    verb(app, "retry")(retry)


async def approve(
    session: Session, name: AppName, stage: StageOption = "", dry_run: DryRunOption = DryRun.NONE
) -> ExitCode | None:
    """Let a rollout enter the stage that waits for a person's approval.

    The approval is for the revision that is being rolled out now, and for no later one.
    """
    from atoll.api.names import ANNOTATION_APPROVED

    async with session.hub() as hub:
        view, rollout = await _rollout(hub, session, name)
        waiting = [s.name for s in rollout.stages if s.state == "Approval"]
        known = [s.name for s in rollout.stages]
        if stage and stage not in known:
            raise CommandError(f"application {name} has no stage {stage}", f"its stages are {', '.join(known)}")
        chosen = stage or (waiting[0] if waiting else "")
        if not chosen:
            raise CommandError(f"no stage of {name} waits for an approval", "--stage NAME approves one before its turn")
        note = {f"{ANNOTATION_APPROVED}{chosen}": str(rollout.revision)}
        await _annotate(hub, view, note, dry_run)
        print(said("application", name, f"stage {chosen} approved, for revision {rollout.revision}", dry_run))
        return await _foretell(session, hub, name) if dry_run is DryRun.SERVER else None


async def pause(session: Session, name: AppName, dry_run: DryRunOption = DryRun.NONE) -> None:
    """Change no further cluster; those that are in change end it. `atoll app resume` goes on."""
    from atoll.kube.resources import APPLICATIONS

    async with session.hub() as hub:
        live = await hub.get(APPLICATIONS, name, session.namespace)
        if ((live.body().get("spec") or {}).get("rollout") or {}).get("paused"):
            print(said("application", name, "already paused", dry_run))
            return
        await _patch(hub, session.namespace, name, {"spec": {"rollout": {"paused": True}}}, dry_run)
    print(said("application", name, "paused", dry_run))


async def abort(session: Session, name: AppName, dry_run: DryRunOption = DryRun.NONE) -> ExitCode | None:
    """Give a rollout up.

    Every cluster that was changed gets back what it had before. What the Application says stays as it is, and is not
    delivered; change it, or `atoll app undo` it.
    """
    from atoll.api.names import ANNOTATION_ROLLOUT

    async with session.hub() as hub:
        view, rollout = await _rollout(hub, session, name)
        if rollout.phase in {"Complete", "RollingBack", "RolledBack"}:
            raise CommandError(
                f"nothing to abort: the rollout of {name} is {rollout.phase}", "`atoll app undo` takes a change back"
            )
        await _annotate(hub, view, {ANNOTATION_ROLLOUT: f"abort {rollout.revision}"}, dry_run)
        print(said("application", name, f"rollout of revision {rollout.revision} aborted", dry_run))
        return await _foretell(session, hub, name, rollout.stable) if dry_run is DryRun.SERVER else None


async def retry(session: Session, name: AppName, dry_run: DryRunOption = DryRun.NONE) -> ExitCode | None:
    """Try once more what was rolled back, from the first stage on."""
    from atoll.api.names import ANNOTATION_ROLLOUT

    async with session.hub() as hub:
        view, rollout = await _rollout(hub, session, name)
        if not rollout.back:
            raise CommandError(f"nothing to retry: the rollout of {name} is {rollout.phase}")
        await _annotate(hub, view, {ANNOTATION_ROLLOUT: f"retry {rollout.revision}"}, dry_run)
        print(said("application", name, f"revision {rollout.revision} is tried again", dry_run))
        return await _foretell(session, hub, name) if dry_run is DryRun.SERVER else None


async def _foretell(session: Session, hub: "Client", name: str, back_to: int | None = None) -> ExitCode | None:
    """What is yet to come on the members; with `back_to`, when they get that revision again."""
    from atoll.api.editing import merged
    from atoll.cli.application.preview import foretell
    from atoll.cli.application.revisions import formers, spec_of
    from atoll.kube.resources import APPLICATIONS

    body = (await hub.get(APPLICATIONS, name, session.namespace)).body()
    if back_to is not None:
        found = [former for former in await formers(hub, session.namespace, name) if former.revision == back_to]
        if not found or found[0].content.templates:
            warn("what it would go back to is not on record, or lives on the hub")
            return None
        body = body | {"spec": merged(body["spec"], spec_of(found[0].content, session.namespace))}
    return await foretell(session, hub, body)


async def _rollout(hub: "Client", session: Session, name: str) -> "tuple[View, RolloutStatus]":
    from atoll.cli.application.view import read_view
    from atoll.kube.resources import APPLICATIONS

    view = read_view(await hub.get(APPLICATIONS, name, session.namespace))
    if view.status.rollout is None:
        raise CommandError(f"application {name} has no rollout: it was not changed since it was made")
    if not view.current:
        raise CommandError("the hub has not yet seen the last change", "try again in a moment")
    return view, view.status.rollout


async def _annotate(hub: "Client", view: "View", note: dict[str, str], dry_run: DryRun) -> None:
    await _patch(hub, view.namespace, view.name, {"metadata": {"uid": view.uid, "annotations": note}}, dry_run)


async def _patch(hub: "Client", namespace: str, name: str, patch: dict[str, Any], dry_run: DryRun) -> None:
    from atoll.kube.resources import APPLICATIONS

    if dry_run is not DryRun.CLIENT:
        dry = dry_run is DryRun.SERVER
        await hub.patch(APPLICATIONS, name, namespace, patch, type="merge", manager=MANAGER, dry_run=dry)
