"""What commands that change something have in common: dry runs, who they are to server-side apply, what they say."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atoll.api.objects import Json
    from atoll.kube.client import Client
    from atoll.kube.objects import Object

MANAGER = "atoll-cli"
"""Field manager: the hub's own is another, so that what a user edits by other means conflicts openly."""


class DryRun(StrEnum):
    """How far a change goes."""

    NONE = "none"
    CLIENT = "client"
    SERVER = "server"


DryRunOption = Annotated[
    DryRun, typer.Option("--dry-run", help="client: check here and send nothing; server: let the hub check it, too.")
]


def said(kind: str, name: str, what: str, dry_run: DryRun = DryRun.NONE) -> str:
    """`application/shop created`, and whether it was so in earnest."""
    return f"{kind}/{name} {what}" + (f" ({dry_run.value} dry run)" if dry_run is not DryRun.NONE else "")


async def apply_application(
    hub: "Client", body: "Json", *, dry_run: DryRun, force: bool
) -> tuple["Object | None", str]:
    """Apply an Application as the CLI. Returns the object (None in a client dry run) and what became of it."""
    from atoll.kube.errors import NotFound
    from atoll.kube.resources import APPLICATIONS

    name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
    try:
        before = await hub.get(APPLICATIONS, name, namespace)
    except NotFound:
        before = None
    if dry_run is DryRun.CLIENT:
        return None, "configured" if before else "created"
    after = await hub.apply(
        APPLICATIONS,
        body,
        name=name,
        namespace=namespace,
        manager=MANAGER,
        force=force,
        dry_run=dry_run is DryRun.SERVER,
    )
    if before is None:
        return after, "created"
    return after, "unchanged" if _written(after) == _written(before) else "configured"


def _written(obj: "Object") -> tuple[object, ...]:
    """What users write of an object."""
    return obj.body().get("spec"), obj.labels, obj.annotations
