"""Status: what the dossiers say, written once when it is settled, else after 1, 5 and 15 seconds.

What is wrong is told at once; that all is well waits while many objects are being delivered.
"""

import time

import msgspec

from atoll.api.objects import Key
from atoll.api.status import ApplicationStatus
from atoll.fleet.fleet import Fleet
from atoll.hub.bustle import Bustle
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Invalid, NotFound
from atoll.kube.resources import APPLICATIONS
from atoll.observe.bounds import room
from atoll.observe.collector import Collector
from atoll.observe.status import build_status, settled
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

AT_ONCE = 0.02
"""Seconds in which what happens together is told together."""
INTERIM = (0.3, 1.0, 5.0, 15.0)
"""Seconds after the first news at which an unsettled status is written; then every 15."""
BUSY = 2
"""The step of INTERIM that is the first where nothing is wrong and many objects are being delivered."""


class Reporter:
    """Writes statuses. `touch(key)` says that something changed; the rest is when and whether to write."""

    def __init__(
        self, client: Client, dossiers: Dossiers, fleet: Fleet, collector: Collector, recorder: Recorder
    ) -> None:
        self.queue: FairQueue[Key] = FairQueue("status", meter=metrics)
        self._client = client
        self._dossiers = dossiers
        self._fleet = fleet
        self._collector = collector
        self._recorder = recorder
        self._unsettled: dict[Key, tuple[float, int]] = {}
        self._written: dict[str, ApplicationStatus] = {}
        self._bustle: Bustle[Key] = Bustle(self.queue.add)

    def wrote(self) -> None:
        """Something was written to a member."""
        self._bustle.wrote()

    def touch(self, key: Key) -> None:
        urgent = self._urgent(key)
        if not urgent and (key in self._bustle or self._bustle.on):
            self._bustle.hold(key)
            return
        self._bustle.drop(key)
        self.queue.add_after(key, AT_ONCE)

    def _urgent(self, key: Key) -> bool:
        """Whether something is wrong."""
        dossier = self._dossiers.get(key)
        return dossier is not None and (
            bool(dossier.issues or dossier.held)
            or any(outcome.state in {"Failed", "Conflict"} for outcome in dossier.outcomes.values())
            or any(observation.health == "Degraded" for observation in dossier.observations.values())
        )

    async def reconcile(self, key: Key) -> Decision:
        dossier = self._dossiers.get(key)
        if dossier is None or dossier.ended:
            self._unsettled.pop(key, None)
            return Done()
        for cluster in tuple(dossier.submitted):  # what was applied is not told beside the health from before
            await self._collector.catch_up(cluster, dossier.uid)
        before = self._before(dossier)
        status = build_status(
            app=dossier.app,
            generation=dossier.live.generation,
            sequence=dossier.sequence,
            digest=dossier.digest,
            issues=dossier.issues,
            held=dossier.held,
            plan=dossier.plan,
            outcomes=dossier.outcomes,
            observations=dossier.observations,
            reach={c: self._fleet.reach(c) for c in dossier.placed | dossier.leaving.keys()},
            deleting=dossier.live.deleting,
            leaving=dossier.leaving,
            previous=before,
            now=time.time(),
            most=room(dossier.live.raw),
        )
        if status == before:
            if settled(status):
                self._unsettled.pop(key, None)
            return Done()
        if (dossier.live.deleting or not settled(status)) and (
            wait := self._too_early(key, ending=dossier.live.deleting)
        ):
            return Wait(wait)
        return await self._write(dossier, before, status)

    def _before(self, dossier: Dossier) -> ApplicationStatus:
        known = self._written.get(dossier.uid)
        if known is not None:
            return known
        return dossier.app.status if dossier.app else ApplicationStatus()

    def _too_early(self, key: Key, *, ending: bool) -> float:
        """Seconds until an interim write is due; 0 when it is now. Most endings are over before one is."""
        now = time.monotonic()
        since, told = self._unsettled.setdefault(key, (now, 1 if ending else 0))
        step = max(told, BUSY) if self._bustle.on and not self._urgent(key) else told
        due = INTERIM[step] if step < len(INTERIM) else INTERIM[-1] * (step - len(INTERIM) + 2)
        if now - since >= due:
            self._unsettled[key] = since, told + 1
            return 0.0
        return due - (now - since)

    @failpoints.around("hub.status")
    async def _write(self, dossier: Dossier, before: ApplicationStatus, status: ApplicationStatus) -> Decision:
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": dossier.live.resource_version},
            {"op": "add", "path": "/status", "value": msgspec.to_builtins(status)},
        ]
        try:
            answer = await self._client.patch(
                APPLICATIONS, dossier.key.name, dossier.key.namespace, patch, type="json", subresource="status"
            )
        except NotFound:
            return Done()
        except (Conflict, Invalid) as error:  # the watch brings the newer object; Invalid is a failed precondition
            return Retry(error)
        dossier.saw(answer)
        self._written[dossier.uid] = status
        if settled(status):
            self._unsettled.pop(dossier.key, None)
        self._recorder.transitions(answer, before, status)
        return Done()

    def forget(self, uid: str) -> None:
        self._written.pop(uid, None)
