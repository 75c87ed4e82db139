"""Kubernetes Events on the hub's objects: what a person wants to read in `kubectl describe`."""

import asyncio
import time
from datetime import UTC, datetime

import structlog

from atoll.api.common import Condition
from atoll.api.status import ApplicationStatus
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object
from atoll.kube.resources import EVENTS
from atoll.kube.throttle import Bucket
from atoll.observe.conditions import MOVING

log = structlog.get_logger(__name__)

QUIET = 300.0
"""Seconds in which the same Event is not written again."""
MOST_WAITING = 1000
TOLD = {"Accepted": "False", "Placed": "False", "Ready": "True", "Stalled": "True", "FailoverHeld": "True"}
"""Conditions that are news when they become this."""
ROUTINE = MOVING | {"Pending", "Missing", "Unknown", "Ready"}
"""Reasons for which an Application isn't ready, or is, while nothing is wrong."""
ROUTINE_MOST = 1.0, 10
"""Events a second, and at once, of Applications that are ready as was to be expected."""


class Recorder:
    """Writes Events one after the other, so that a flood of them costs the hub little; the oldest news wins."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: asyncio.Queue[dict[str, object]] = asyncio.Queue(MOST_WAITING)
        self._told: dict[tuple[str, str, str], float] = {}
        self._routine = Bucket(*ROUTINE_MOST)

    async def run(self) -> None:
        while True:
            event = await self._waiting.get()
            try:
                await self._client.create(EVENTS, event)
            except KubeError as error:
                log.info("event not written", error=str(error))

    def transitions(self, about: Object, before: ApplicationStatus, after: ApplicationStatus) -> None:
        """Tell what changed between two statuses of an Application. That it is ready, and was in no trouble, is told of
        few at a time: in a wave an Event each would cost the API server as much as the objects.
        """
        known = {c.type: c for c in before.conditions}
        for condition in after.conditions:
            old = known.get(condition.type)
            if TOLD.get(condition.type) != condition.status or same(old, condition):
                continue
            routine = condition.type == "Ready" and (old is None or old.reason in ROUTINE)
            if not routine or self._routine.spare():
                kind = "Normal" if condition.type == "Ready" else "Warning"
                self.tell(about, kind, condition.reason or condition.type, condition.message)

    def tell(self, about: Object, kind: str, reason: str, message: str) -> None:
        """Write one Event about `about`, unless the same was written lately. `kind`: Normal or Warning."""
        now = time.monotonic()
        key = (about.uid, reason, message)
        if now - self._told.get(key, -QUIET) < QUIET or self._waiting.full():
            return
        self._told = (
            {k: t for k, t in self._told.items() if now - t < QUIET} if len(self._told) > MOST_WAITING else self._told
        )
        self._told[key] = now
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = about.namespace or "default"
        self._waiting.put_nowait(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": f"{about.name[:200]}.{time.time_ns():x}", "namespace": namespace},
                "involvedObject": {
                    "apiVersion": f"{about.group}/{about.version}",
                    "kind": about.kind,
                    "name": about.name,
                    "namespace": about.namespace,
                    "uid": about.uid,
                    "resourceVersion": about.resource_version,
                },
                "type": kind,
                "reason": reason,
                "message": message[:1024],
                "source": {"component": "atoll-hub"},
                "reportingComponent": "atoll-hub",
                "firstTimestamp": stamp,
                "lastTimestamp": stamp,
                "count": 1,
            }
        )


def same(old: Condition | None, new: Condition) -> bool:
    return old is not None and (old.status, old.reason, old.message) == (new.status, new.reason, new.message)
