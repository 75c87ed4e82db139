"""The way from KubeFed to Atoll, one object at a time, in steps that may be cut off anywhere and begun again.

1. The Application is made, suspended: it holds nothing and writes nothing. The original is kept beside it.
2. The federated object goes as an orphan: whoever carries it out, KubeFed or Atoll's front end, leaves members' objects
   as they are. Where nobody does, the finalizer is taken away here: then nothing was done to members, either.
3. The Application is let go on: it takes the objects over, field by field, and KubeFed's label goes.
A FederatedNamespace goes last, when nothing of its namespace is left that its placement decides on.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from atoll.api.kubefed.names import ANNOTATION_ORPHAN, FINALIZER_SYNC
from atoll.api.objects import Json
from atoll.cli.application.view import View, read_view
from atoll.cli.application.waiting import changes, refused
from atoll.cli.changing import MANAGER
from atoll.cli.exits import CommandError
from atoll.cli.migration.judging import Judged
from atoll.cli.migration.originals import ANNOTATION_MARKED, Original, Type, as_written, keep
from atoll.cli.migration.reading import Found
from atoll.intake.kubefed.migration import ANNOTATION_FROM
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, NotFound
from atoll.kube.kubefed_resources import REPLICASCHEDULINGPREFERENCES
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import APPLICATIONS

PATIENCE = 10.0
"""Seconds in which KubeFed, or Atoll's front end, lets a federated object go, where one of them works."""
LOOK_EVERY = 0.1
ATTEMPTS = 20


class Going:
    """One run. `say` is told of each object that is done."""

    def __init__(self, hub: Client, say: Callable[[str], None], *, timeout: float, patience: float = PATIENCE) -> None:
        self._hub = hub
        self._say = say
        self._timeout = timeout
        self._patience = patience

    async def go(self, judged: Judged) -> None:
        """All steps of one object. Raises CommandError and KubeError; begun again, it goes on where it was."""
        application = judged.application
        assert application is not None, "what can't be translated is refused before"
        original = judged.found.original or _original(judged.found, application)
        if original.done:
            return
        await self._prepare(judged.found, original, application)
        await self._orphan(judged.found)
        await self._take_over(application)
        metadata = application["metadata"]
        await keep(self._hub, msgspec.structs.replace(original, done=True), metadata["namespace"])
        self._say(f"{judged.found.about} is application {metadata['namespace']}/{metadata['name']}")

    async def go_namespace(self, found: Found) -> None:
        """A FederatedNamespace, after everything else of its namespace."""
        if found.live is None:
            return
        original, namespace = found.original or _original(found, None), found.federated.metadata.namespace
        await keep(self._hub, original, namespace)
        await self._orphan(found)
        await keep(self._hub, msgspec.structs.replace(original, done=True), namespace)
        self._say(f"{found.about} is gone; the namespace stays where it is")

    # 1

    async def _prepare(self, found: Found, original: Original, application: Json) -> None:
        """The Application, and its original: until the federated object goes, both follow what that says now."""
        metadata = application["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        try:
            there = await self._hub.get(APPLICATIONS, name, namespace)
        except NotFound:
            there = None
        source = metadata["annotations"][ANNOTATION_FROM]
        if there is not None and there.annotations.get(ANNOTATION_FROM) != source:
            raise CommandError(
                f"application {name} exists in namespace {namespace}, and was not made of {source}",
                "rename it, or delete it with `deletion: orphan`",
            )
        if found.original is not None and there is not None:
            return
        if there is not None and not (there.body().get("spec") or {}).get("suspend"):
            raise CommandError(
                f"{found.about} was migrated, and made again since",
                "whatever applies it (GitOps?) is to stop; then delete it as an orphan (annotation "
                f"{ANNOTATION_ORPHAN}: true)",
            )
        await keep(self._hub, original, namespace)
        await self._apply(_with(application, adopt=True, suspend=True))

    async def _apply(self, body: Json) -> Object:
        metadata = body["metadata"]
        return await self._hub.apply(
            APPLICATIONS, body, name=metadata["name"], namespace=metadata["namespace"], manager=MANAGER, force=True
        )

    # 2

    async def _orphan(self, found: Found) -> None:
        if found.live is None:
            return
        await self._send_away(found, found.live)
        if found.preference is not None:  # its numbers are in the federated object, and stay
            await _delete(self._hub, REPLICASCHEDULINGPREFERENCES, found.preference)
        if not await self._gone(found, self._patience):
            self._patience = LOOK_EVERY  # nobody carries it out: nor will the others be
            await self._release(found)
            if not await self._gone(found, self._timeout):
                live = await self._look(found)
                held = f": {', '.join(live.finalizers)}" if live is not None and live.finalizers else ""
                raise CommandError(
                    f"{found.about} is not gone after {self._timeout:.0f} s, held by finalizers{held}",
                    "its Application is suspended, and members' objects are as they were; run this again afterwards",
                )

    async def _send_away(self, found: Found, live: Object) -> None:
        """Mark it as an orphan, and delete it in that very state. Raises CommandError when it changed meanwhile."""
        for _ in range(ATTEMPTS):
            now = await self._look(found)
            if now is None:
                return
            if now.deleting:
                if now.annotations.get(ANNOTATION_ORPHAN) != "true":
                    raise CommandError(
                        f"{found.about} is being deleted, and members' objects with it",
                        "wait until it is gone; its Application is suspended",
                    )
                return
            if now.generation != live.generation:
                raise CommandError(f"{found.about} changed while it was looked at", "run this again")
            marks = {ANNOTATION_ORPHAN: "true"}
            if now.annotations.get(ANNOTATION_ORPHAN) != "true":
                marks[ANNOTATION_MARKED] = "true"
            note = {"annotations": marks, "resourceVersion": now.resource_version}
            try:
                marked = await self._hub.patch(
                    found.resource, now.name, now.namespace, {"metadata": note}, manager=MANAGER
                )
                await self._hub.delete(
                    found.resource, now.name, now.namespace, uid=now.uid, resource_version=marked.resource_version
                )
            except Conflict:
                continue  # its status was written
            except NotFound:
                return
            return
        raise CommandError(f"{found.about} is written all the time", "run this again")

    async def _look(self, found: Found) -> Object | None:
        """The very object, None when it is gone."""
        assert found.live is not None
        try:
            now = await self._hub.get(found.resource, found.live.name, found.live.namespace)
        except NotFound:
            return None
        return now if now.uid == found.live.uid else None

    async def _gone(self, found: Found, seconds: float) -> bool:
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while await self._look(found) is not None:
            if clock() > end:
                return False
            await asyncio.sleep(LOOK_EVERY)
        return True

    async def _release(self, found: Found) -> None:
        """Take KubeFed's finalizer away: the mark of an orphan says that nothing is to be done to members."""
        for _ in range(ATTEMPTS):
            now = await self._look(found)
            if now is None or FINALIZER_SYNC not in now.finalizers:
                return
            rest = [name for name in now.finalizers if name != FINALIZER_SYNC]
            patch = {"metadata": {"finalizers": rest, "resourceVersion": now.resource_version}}
            try:
                await self._hub.patch(found.resource, now.name, now.namespace, patch, manager=MANAGER)
            except Conflict:
                continue
            except NotFound:
                return
            return

    # 3

    async def _take_over(self, application: Json) -> None:
        taking = _with(application, adopt=True)
        applied = await self._apply(taking)
        await self._taken(applied)
        if taking != application:
            await self._apply(application)

    async def _taken(self, applied: Object) -> None:
        """Until every cluster that can be reached has it as this Application's."""
        last: View | None = None
        try:
            looks = changes(self._hub, applied.namespace, applied.name)
            async with asyncio.timeout(self._timeout), aclosing(looks):
                async for item in looks:
                    last = read_view(item) if item is not None else None
                    if last is None or refused(last):
                        break
                    if last.status.observed_generation >= applied.generation and _settled(last):
                        return
        except TimeoutError:
            pass
        why = last.message or last.state if last is not None else "it was deleted"
        raise CommandError(
            f"application {applied.namespace}/{applied.name} has not taken over all its objects: {why}",
            "is the hub running? They keep running as they are; run this again, or go back with --back",
        )


def _settled(view: View) -> bool:
    placed, applied = view.condition("Placed"), view.condition("Applied")
    if applied is not None and applied.status == "True":
        return True
    if not view.status.clusters:
        return placed is not None and placed.status == "False"  # it is meant to be nowhere
    return all(row.state in {"Applied", "Unreachable"} for row in view.status.clusters)


def _with(application: Json, **said: bool) -> Json:
    return application | {"spec": application["spec"] | said}


def _original(found: Found, application: Json | None) -> Original:
    assert found.live is not None
    preference = as_written(found.preference.body()) if found.preference is not None else None
    body = as_written(found.live.body())
    return Original(Type.of(found.resource), body, preference, application)


async def _delete(hub: Client, resource: Resource, live: Object) -> None:
    try:
        await hub.delete(resource, live.name, live.namespace, uid=live.uid)
    except (NotFound, Conflict):
        return
