"""What goes from a member: deleted with proof, or left as it is without our marks."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from atoll.api.names import ANNOTATION_WAVE, FIELD_MANAGER
from atoll.api.objects import GroupKind, Json, ObjectId
from atoll.deliver.gate import Gate
from atoll.deliver.kinds import Kinds, defined_kind
from atoll.deliver.marks import ours
from atoll.deliver.order import CRD, NAMESPACE, Stage, stage_of
from atoll.deliver.ownership import entries, released
from atoll.deliver.stamp import MARKS, NOTES
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Conflict, KindNotServed, NotFound
from atoll.kube.objects import Object
from atoll.runtime import failpoints
from atoll.runtime.watchset import WatchSet

ATTEMPTS = 5


class PreconditionError(ApiError):
    """What whoever asked for a delete wants of the object doesn't hold."""


class Departures:
    """Takes objects off one member."""

    def __init__(
        self,
        client: Client,
        gate: Gate,
        kinds: Kinds,
        watches: WatchSet,
        hub: str,
        count: Callable[[str, str, float], None],
    ) -> None:
        self._count = count
        self._client = client
        self._gate = gate
        self._kinds = kinds
        self._watches = watches
        self._hub = hub

    async def delete(self, live: Object, uid: str, options: Json | None = None) -> bool:
        """Delete `live`, which is Application `uid`'s: the very object, in the very state in which that was proved.

        `options` are DeleteOptions. True when it is gone, False when it stays for a while. Changed meanwhile: it is
        proved anew. Raises KubeError.
        """
        for _ in range(ATTEMPTS):
            if not ours(live, self._hub, uid):
                return True  # it was given to somebody else: no longer ours to delete
            if live.deleting:
                return False
            try:
                return await self._delete(live, uid, options or {}) is None
            except NotFound as error:
                self._believe(error, live.group_kind, live.version)
                return True
            except Conflict:
                found = self._watches.get(live.id)
                if found is None or found.resource_version == live.resource_version:
                    found = await self.read(live.id, live.version)
            if found is None:
                return True
            live = found
        raise Conflict(409, "Conflict", "others write it all the time")

    async def unmark(self, live: Object, uid: str, labels: Mapping[str, str]) -> None:
        """Leave `live` with all its values, but for `labels`, as if it had been applied by hand. Raises KubeError."""
        for _ in range(ATTEMPTS):
            found = await self.read(live.id, live.version)
            if found is None or not ours(found, self._hub, uid):
                return
            try:
                await self._patch(found, _without_marks(found, labels))
            except NotFound as error:
                self._believe(error, live.group_kind, live.version)
                return
            except Conflict:
                continue
            return
        raise Conflict(409, "Conflict", "others write it all the time")

    @failpoints.around("deliver.delete")
    async def _delete(self, live: Object, uid: str, options: Json) -> Object | None:
        resource = await self._kinds.resource(live.group_kind, live.version)
        began = time.perf_counter()
        wanted = options.get("preconditions") or {}
        for field, found in (("uid", live.uid), ("resourceVersion", live.resource_version)):
            if wanted.get(field) not in {None, "", found}:
                text = f"it is only to be deleted with {field} {wanted[field]}, and has {found}"
                raise PreconditionError(412, "PreconditionFailed", text)
        policy: Any = "Orphan" if options.get("orphanDependents") else options.get("propagationPolicy") or "Background"
        rest = await self._gate.send(
            lambda: self._client.delete(
                resource,
                live.name,
                live.namespace,
                uid=live.uid,
                resource_version=live.resource_version,
                propagation=policy,
                grace_seconds=options.get("gracePeriodSeconds"),
            )
        )
        self._count(uid, "deleted", time.perf_counter() - began)
        return rest

    @failpoints.around("deliver.unmark")
    async def _patch(self, live: Object, patch: Json) -> None:
        resource = await self._kinds.resource(live.group_kind, live.version)
        await self._gate.send(
            lambda: self._client.patch(resource, live.name, live.namespace, patch, type="merge", manager=FIELD_MANAGER)
        )

    async def read(self, about: ObjectId, version: str = "") -> Object | None:
        """The object as it is now, with its managedFields; None when there is none. Raises KubeError."""
        try:
            resource = await self._kinds.resource(about.group_kind, version)
            return await self._gate.send(
                lambda: self._client.get(resource, about.name, about.namespace, managed_fields=True)
            )
        except NotFound as error:
            self._believe(error, about.group_kind, version)
            return None

    def _believe(self, error: NotFound, kind: GroupKind, version: str) -> None:
        """Raise KindNotServed when that says nothing of the object: its kind may be served in another version."""
        if error.unknown_path:
            self._kinds.forget(kind)
            raise KindNotServed(kind, version) from error


def holder(live: Object) -> Callable[[ObjectId], bool] | None:
    """Tells what goes with `live` when that is a Namespace or a CRD; None when nothing does."""
    if live.group_kind == NAMESPACE:
        return lambda about: about.namespace == live.name
    if live.group_kind == CRD:
        kind: GroupKind = defined_kind(live.body())
        return lambda about: about.group_kind == kind
    return None


def in_reverse(objects: Iterable[Object]) -> list[list[Object]]:
    """Groups in the order in which they go: last wave first, custom resources before what may care for them."""
    groups: dict[tuple[tuple[int, int], bool], list[Object]] = {}
    for live in objects:
        stage: Stage = stage_of(live.id, live.annotations.get(ANNOTATION_WAVE, ""))
        custom = "." in live.group and not live.group.endswith(".k8s.io")
        groups.setdefault((stage.step, custom), []).append(live)
    return [groups[key] for key in sorted(groups, reverse=True)]


def _without_marks(live: Object, labels: Mapping[str, str]) -> Json:
    given = [key for key, value in labels.items() if live.labels.get(key) == value]
    return {
        "metadata": {
            "labels": dict.fromkeys(mark for mark in (*MARKS, *given) if mark in live.labels),
            "annotations": dict.fromkeys(note for note in NOTES if note in live.annotations),
            "managedFields": msgspec.to_builtins(released(entries(live))),
            "resourceVersion": live.resource_version,
            "uid": live.uid,
        }
    }
