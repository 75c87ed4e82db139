"""The way back from Atoll to KubeFed, one object at a time, in steps that may be cut off anywhere and begun again.

1. The FederatedNamespace is made again: before it, nothing of its namespace is placed anywhere.
2. The Application goes as an orphan: members' objects stay as they are, without Atoll's marks.
3. The federated object is made again, with its preference: KubeFed, or Atoll's front end, takes the objects over.
4. The original is forgotten.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from atoll.api.kubefed.names import ANNOTATION_ORPHAN
from atoll.api.objects import Json
from atoll.cli.application.view import read_view
from atoll.cli.application.waiting import changes, until_gone
from atoll.cli.changing import MANAGER
from atoll.cli.exits import CommandError
from atoll.cli.migration.originals import ANNOTATION_MARKED, Original, drop
from atoll.intake.kubefed.migration import ANNOTATION_FROM
from atoll.kube.client import Client
from atoll.kube.errors import AlreadyExists, Conflict, NotFound
from atoll.kube.kubefed_resources import REPLICASCHEDULINGPREFERENCES
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import APPLICATIONS

ATTEMPTS = 20
_OURS = frozenset({"adopt", "suspend"})
"""Parts of a spec in which an Application may differ from what it was made as."""


class Returning:
    """One run. `say` is told of each object that is done. With `discard`, changes of Applications are lost."""

    def __init__(self, hub: Client, say: Callable[[str], None], *, timeout: float, discard: bool = False) -> None:
        self._hub = hub
        self._say = say
        self._timeout = timeout
        self._discard = discard

    async def may_go(self, original: Original, namespace: str) -> str:
        """Why it can't go back; "" when it can."""
        live = await self._application(original, namespace)
        if live is None or self._discard or original.application is None:
            return ""
        now, then = (_said(body) for body in (live.body(), original.application))
        if now == then or live.deleting or now == then | {"deletion": "orphan"}:  # that is how it goes
            return ""
        fields = ", ".join(sorted(f"spec.{key}" for key in now.keys() | then.keys() if now.get(key) != then.get(key)))
        return (
            f"application {live.name} was changed since it was made ({fields}): members would be changed back; "
            "--discard-changes says that this is meant"
        )

    async def go(self, original: Original, namespace: str) -> None:
        """All steps of one object, which is kept in `namespace`. Raises CommandError and KubeError."""
        live = await self._application(original, namespace)
        if live is not None:
            await self._let_go(live)
        await self._make(original.type.resource, original.federated)
        if original.preference is not None:
            await self._make(REPLICASCHEDULINGPREFERENCES, original.preference)
        await drop(self._hub, original, namespace)
        self._say(f"{original.kind} {original.namespace + '/' if original.namespace else ''}{original.name} is back")

    async def make_namespace(self, original: Original) -> None:
        await self._make(original.type.resource, original.federated)

    async def _application(self, original: Original, namespace: str) -> Object | None:
        if original.application is None:
            return None
        try:
            live = await self._hub.get(APPLICATIONS, original.application["metadata"]["name"], namespace)
        except NotFound:
            return None
        return live if live.annotations.get(ANNOTATION_FROM) == f"{original.kind}/{original.name}" else None

    async def _let_go(self, live: Object) -> None:
        """Have the Application gone, and members' objects left as they are."""
        for _ in range(ATTEMPTS):
            try:
                await self._send_away(live)
            except Conflict:  # its status was written
                continue
            except NotFound:
                return
            await until_gone(self._hub, live.namespace, live.name, live.uid, self._timeout)
            return
        raise CommandError(f"application {live.name} is written all the time", "run this again")

    async def _send_away(self, live: Object) -> None:
        """Mark it, and delete it in that very state."""
        now = await self._hub.get(APPLICATIONS, live.name, live.namespace)
        if now.uid != live.uid:
            raise NotFound(404, "NotFound", "it was made anew")
        orphan = (now.body().get("spec") or {}).get("deletion") == "orphan"
        if now.deleting and not orphan:
            raise CommandError(
                f"application {live.name} is being deleted, and members' objects with it", "wait until it is gone"
            )
        if now.deleting:
            return
        spec = {"deletion": "orphan", "suspend": True}
        marked = await self._hub.patch(APPLICATIONS, live.name, live.namespace, {"spec": spec}, manager=MANAGER)
        await self._hub.delete(
            APPLICATIONS, live.name, live.namespace, uid=live.uid, resource_version=await self._read(marked)
        )

    async def _read(self, marked: Object) -> str:
        """Its resourceVersion once the hub has read that it goes as an orphan. Raises CommandError."""
        try:
            states = changes(self._hub, marked.namespace, marked.name)
            async with asyncio.timeout(self._timeout), aclosing(states):
                async for now in states:
                    if now is None or now.generation != marked.generation:
                        raise Conflict(409, "Conflict", "it was written meanwhile")
                    if read_view(now).current:
                        return now.resource_version
        except TimeoutError:
            pass
        raise CommandError(
            f"the hub has not read application {marked.name} for {self._timeout:.0f} s",
            "is it running? Members' objects are as they were; run this again",
        )

    async def _make(self, resource: Resource, body: Json) -> None:
        try:
            await self._hub.create(resource, body, manager=MANAGER)
        except AlreadyExists:
            metadata = body["metadata"]
            there = await self._hub.get(resource, metadata["name"], metadata.get("namespace", ""))
            if there.deleting:
                raise CommandError(
                    f"{body['kind']} {metadata['name']} is still on its way out", "run this again when it is gone"
                ) from None
            if ANNOTATION_MARKED in there.annotations:  # the way there was cut off right behind it
                note = {"annotations": dict.fromkeys((ANNOTATION_MARKED, ANNOTATION_ORPHAN)), "uid": there.uid}
                await self._hub.patch(resource, there.name, there.namespace, {"metadata": note}, manager=MANAGER)


def _said(application: Json) -> Json:
    """What it says of its objects, as far as KubeFed would not say the same."""
    spec: Json = {k: v for k, v in application["spec"].items() if k not in _OURS and v not in (None, False, [], {})}
    return spec
