"""Waiting for an Application: to be ready, or to be gone. Disconnects are waited out, answers are not repeated."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from atoll.cli.application.status import not_ready
from atoll.cli.application.view import View, read_view
from atoll.cli.exits import CommandError, ExitCode
from atoll.cli.printing import note
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Expired, NotFound, Unreachable
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONS

STALLED_FOR = 20.0
"""Seconds that something must be broken before a wait gives up on it: a failed pull, say, is tried again by itself."""
RETRY = 1.0
SHORT = 0.1
HOPELESS = frozenset({400, 401, 403, 404})


async def changes(hub: Client, namespace: str, name: str) -> AsyncGenerator[Object | None, None]:
    """The Application now and after each change, None when it is not there. Goes on for ever, over lost connections."""
    fields, seen, told = f"metadata.name={name}", "", False
    while True:
        try:
            listing = await hub.list(APPLICATIONS, namespace, fields=fields)
            current = listing.items[0] if listing.items else None
            if not seen or (current.resource_version if current else "gone") != seen:
                yield current
            seen, told = current.resource_version if current else "gone", False
            async with aclosing(hub.watch(APPLICATIONS, listing.resource_version, namespace, fields=fields)) as events:
                async for event in events:
                    if event.type in {"ADDED", "MODIFIED", "DELETED"}:
                        gone = event.type == "DELETED"
                        seen = "gone" if gone else event.object.resource_version
                        yield None if gone else event.object
            await asyncio.sleep(SHORT)
        except Expired:
            continue
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status in HOPELESS:
                raise
            if not told:
                note(f"connection to the hub lost ({error}); trying again")
                told = True
            await asyncio.sleep(RETRY)


async def until_ready(
    hub: Client, namespace: str, name: str, seconds: float, show: Callable[[View], None] = lambda _: None
) -> ExitCode:
    """Until it is Ready.

    Raises CommandError when it is refused, stays stalled, was deleted, or `seconds` (0: no limit) are over.
    """
    last: View | None = None
    clock = asyncio.get_running_loop().time
    end = clock() + seconds if seconds else math.inf
    give_up = math.inf
    try:
        async with (
            asyncio.timeout_at(end if seconds else None) as limit,
            aclosing(changes(hub, namespace, name)) as states,
        ):
            async for item in states:
                if item is None:
                    raise NotFound(404, "NotFound", f"application {name} does not exist in namespace {namespace}")
                last = read_view(item)
                show(last)
                if last.ready:
                    return ExitCode.OK
                if refused(last):
                    raise not_ready(last)
                give_up = min(give_up, clock() + STALLED_FOR) if stalled(last) else math.inf
                until = min(end, give_up)
                limit.reschedule(until if until < math.inf else None)
    except TimeoutError:
        if last is None:
            raise CommandError(f"the hub has not answered for {seconds:.0f} s") from None
        raise not_ready(last) from None
    raise AssertionError("changes() goes on for ever")


def refused(view: View) -> bool:
    """The hub does not take what it says."""
    condition = view.condition("Accepted")
    return view.current and condition is not None and condition.status == "False"


def stalled(view: View) -> bool:
    """It does not get on: kstatus's Stalled."""
    condition = view.condition("Stalled")
    return view.current and condition is not None and condition.status == "True"


async def until_gone(hub: Client, namespace: str, name: str, uid: str, seconds: float) -> None:
    """Until the Application with `uid` is gone; tells where it is still waited for."""
    said, last = "", ""
    try:
        async with asyncio.timeout(seconds or None), aclosing(changes(hub, namespace, name)) as states:
            async for item in states:
                if item is None or item.uid != uid:
                    return
                last = still_there(read_view(item))
                if last and last != said:
                    note(f"application/{name}: {last}")
                    said = last
    except TimeoutError:
        raise CommandError(
            f"application {name} is not gone after {seconds:.0f} s" + (f": {last}" if last else ""),
            "it goes on being deleted; is a cluster away for good? atoll cluster leave NAME --force",
        ) from None


def still_there(view: View) -> str:
    """Which clusters hold it up."""
    away = [row.name for row in view.status.clusters if row.state == "Unreachable"]
    busy = [row.name for row in view.status.clusters if row.state != "Unreachable"]
    parts = [f"removing from {', '.join(busy)}"] if busy else []
    if away:
        parts.append(f"{', '.join(away)} can't be reached")
    return "; ".join(parts)
