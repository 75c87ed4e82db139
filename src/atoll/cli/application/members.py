"""Looking into the members: what an Application has there, and what belongs to that in turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from atoll.api.cluster import Cluster
from atoll.cli.application.view import View
from atoll.cli.exits import CommandError
from atoll.cli.session import Session
from atoll.fleet.asking import Ask, asking_through_hub
from atoll.fleet.identity import hub_identity
from atoll.inquire.answering import answers
from atoll.inquire.looking import There
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object, decode_object
from atoll.kube.resources import CLUSTERS
from atoll.pull.protocol import Change, Changes, Compare, Events, Look, Objects

T = TypeVar("T")
AT_ONCE = 8


async def each_cluster(
    session: Session,
    hub: Client,
    names: Sequence[str],
    work: Callable[[str, Ask], Awaitable[T]],
    *,
    at_once: int | None = AT_ONCE,
) -> tuple[dict[str, T], dict[str, str]]:
    """`work` on each of the members: results, and why there is none, by cluster."""
    results: dict[str, T] = {}
    failures: dict[str, str] = {}
    turn = asyncio.Semaphore(at_once or len(names))
    identity = await hub_id(hub)

    async def one(name: str) -> None:
        try:
            async with turn, asking(session, hub, name, identity) as ask:
                results[name] = await work(name, ask)
        except (KubeError, CommandError) as error:
            failures[name] = str(error)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))
    order = {name: i for i, name in enumerate(names)}
    return dict(sorted(results.items(), key=lambda item: order[item[0]])), failures


@asynccontextmanager
async def asking(session: Session, hub: Client, name: str, identity: str) -> AsyncIterator[Ask]:
    """How cluster `name` is asked, by hub `identity`'s marks there: by the credentials that the hub keeps for it, or
    through the hub where only the cluster's agent can reach it.
    """
    if (await hub.get(CLUSTERS, name)).read(Cluster).spec.connection.mode == "pull":
        async with asking_through_hub(hub, name) as ask:
            yield ask
        return
    async with session.member(hub, name) as member:
        yield lambda question: answers(member, name, identity, question)


async def there(cluster: str, ask: Ask, uid: str) -> There:
    """What the cluster has of the Application with `uid`, and what that made."""
    parts = [part async for part in ask(Look(uid)) if isinstance(part, Objects)]
    roots, owned = ([decode_object(raw) for part in parts for raw in getattr(part, f)] for f in ("roots", "owned"))
    return There(cluster, tuple(roots), tuple(owned))


async def events_there(ask: Ask, uid: str) -> list[Object]:
    """The events about what the cluster has of the Application with `uid`."""
    parts = [part async for part in ask(Events(uid)) if isinstance(part, Objects)]
    return [decode_object(raw) for part in parts for raw in part.events]


async def changes_there(ask: Ask, question: Compare) -> list[Change]:
    """What a delivery would change on a cluster."""
    parts = [part async for part in ask(question) if isinstance(part, Changes)]
    return [change for part in parts for change in part.changes]


def clusters_of(view: View, wanted: Sequence[str] | None) -> Sequence[str]:
    """Where to look: the clusters that the Application is on, or those `wanted`. Raises CommandError for none."""
    names = wanted or view.placed
    if not names:
        raise CommandError(f"application {view.name} is on no cluster" + (f": {view.message}" if view.message else ""))
    return names


async def hub_id(hub: Client) -> str:
    return (await hub_identity(hub, create=False)).id
