"""`atoll app explain`: why an application is where it is, and what it waits for, in sentences."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from atoll.cli.application.status import AppName
from atoll.cli.printing import note
from atoll.cli.session import Session
from atoll.cli.verbs import ClusterFilter, verb

if TYPE_CHECKING:
    from atoll.cli.application.rendering import Rendered
    from atoll.cli.application.view import View


def register(app: typer.Typer) -> None:
    verb(app, "explain")(explain)


async def explain(session: Session, name: AppName, cluster: ClusterFilter = None) -> None:
    """Explain where an application is and why, where it is not, and what it waits for.

    The decisions are worked out here, by the hub's own functions, from what the hub knows now.
    """
    from atoll.cli.application.foreseeing import check_known
    from atoll.cli.application.rendering import render_live
    from atoll.cli.application.view import read_view

    async with session.hub() as hub:
        rendered = await render_live(hub, session.namespace, name)
    check_known(rendered, cluster or ())
    assert rendered.live is not None
    view = read_view(rendered.live)
    for line in (*_whole(view), *_clusters(rendered, view, cluster or [])):
        print(line)
    for warning in rendered.plan.warnings:
        note(f"warning: {warning}")


def _whole(view: "View") -> Iterator[str]:
    yield f"{view.name} is {view.state}." + (f" {_sentence(view.message)}" if view.message else "")
    rollout = view.status.rollout
    if rollout is None:
        return
    why = f" {_sentence(rollout.message)}" if rollout.message else ""
    yield f"Revision {rollout.revision}: {rollout.phase}.{why}"
    for stage in rollout.stages:
        words = f": {stage.message}" if stage.message else ""
        yield f"  stage {stage.name}: {stage.state}, {stage.updated} of {stage.clusters} clusters{words}"


def _clusters(rendered: "Rendered", view: "View", wanted: list[str]) -> Iterator[str]:
    rows = {row.name: row for row in view.status.clusters}
    for verdict in rendered.plan.verdicts:
        name = verdict.cluster
        if wanted and name not in wanted:
            continue
        if not verdict.chosen:
            yield f"{name}: not here: {verdict.why}."
            continue
        share, row = rendered.plan.shares.get(name), rows.get(name)
        parts = [f"chosen: {verdict.why}"]
        if share is not None and share.common is not None:
            parts.append(f"{share.common} replicas" + (f" ({share.why})" if share.why else ""))
        if refusal := rendered.plan.refusals.get(name):
            parts.append(f"refused: {refusal.path}: {refusal.message}")
        if row is not None:
            parts.append(f"revision {row.revision} is {row.state}, {row.health}")
            parts += [row.message] if row.message else []
        yield f"{name}: {'; '.join(parts)}."
        for problem in row.problems if row is not None else ():
            yield f"  {problem.object}: {problem.reason}: {problem.message}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."
