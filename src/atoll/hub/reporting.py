"""Status: what the dossiers say, written once when it is settled, else after 1, 5 and 15 seconds.

What is wrong is told at once (see `interim`); that all is well waits while many objects are being delivered.
"""

import time
from collections.abc import Callable

import msgspec
import structlog

from atoll.api.objects import Key
from atoll.api.observation import Observation
from atoll.api.status import ApplicationStatus
from atoll.fleet.fleet import Fleet
from atoll.hub.bustle import Bustle
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.hub.intents import lenient
from atoll.hub.interim import Interim
from atoll.hub.waking import AT_LEISURE
from atoll.kube.asseen import replace_status
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Conflict, KubeError, NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import APPLICATIONS
from atoll.observe.bounds import room
from atoll.observe.collector import Collector
from atoll.observe.status import alike, build_status, settled, stepped
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

log = structlog.get_logger(__name__)

AT_ONCE = 0.02
"""Seconds in which what happens together is told together."""
A_CLUSTER = 0.00025
"""The same for each cluster: to put together what a thousand say takes the hub as long as a hundred deliveries."""
SOON = AT_LEISURE
"""Seconds for which a status waits for another look at its Application."""
VALUES = 15.0
"""Seconds between two writes of what `failover.carry` names, while nothing else is new."""


class Reporter:
    """Writes statuses. `touch(key)` says that something changed; the rest is when and whether to write.

    `planned_soon(key, seconds)`: another look at the Application comes within so many, and there may be more to tell.
    `saw(answer)` is called with each Application as a write left it.
    """

    def __init__(
        self,
        client: Client,
        dossiers: Dossiers,
        fleet: Fleet,
        collector: Collector,
        recorder: Recorder,
        planned_soon: Callable[[Key, float], bool],
        saw: Callable[[Object], None],
    ) -> None:
        self.queue: FairQueue[Key] = FairQueue("status", meter=metrics)
        self._client = client
        self._dossiers = dossiers
        self._fleet = fleet
        self._collector = collector
        self._recorder = recorder
        self._planned_soon = planned_soon
        self._saw = saw
        self._log = log.bind()
        self._interim = Interim()
        self._written: dict[str, ApplicationStatus] = {}
        self._in_doubt: dict[str, str] = {}
        """Applications whose status may be newer than what is known to be written: the answer to a write was lost. The
        version that it was to follow: once there is another, the write was made, or never will be.
        """
        self._at: dict[str, float] = {}
        self._bustle: Bustle[Key] = Bustle(self._its_turn)
        self._turns: set[Key] = set()
        """Those that have been held back for long enough."""

    def wrote(self, uid: str) -> None:
        """Something of Application `uid` was written to a member."""
        self._bustle.wrote(uid)

    def touch(self, key: Key) -> None:
        if (key in self._bustle or self._bustle.on) and not self._urgent(key):
            self._bustle.hold(key)
            return
        self._bustle.drop(key)
        dossier = self._dossiers.get(key)
        self.queue.add_after(key, AT_ONCE + A_CLUSTER * (len(dossier.submitted) if dossier is not None else 0))

    def _its_turn(self, key: Key) -> None:
        self._turns.add(key)
        self.queue.add(key)

    def _urgent(self, key: Key) -> bool:
        """Whether something is wrong."""
        dossier = self._dossiers.get(key)
        if dossier is None:
            return False
        if dossier.issues or dossier.held:
            return True
        for outcome in dossier.outcomes.values():  # asked at every touch: generators would cost several times as much
            if outcome.state in {"Failed", "Conflict"}:
                return True
        for observation in dossier.observations.values():
            if observation.health == "Degraded" or (observation.problems and _ails(observation)):
                return True
        return False

    async def reconcile(self, key: Key) -> Decision:
        dossier = self._dossiers.get(key)
        its_turn = key in self._turns
        self._turns.discard(key)
        if dossier is None or dossier.ended:
            self._interim.over(key)
            return Done()
        if not its_turn and (key in self._bustle or self._bustle.on) and not self._urgent(key):
            self._bustle.hold(key)  # it came a moment before many objects were to be written
            return Done()
        if not its_turn and self._looked_at_once_more(dossier):
            self._turns.add(key)
            return Wait(SOON)
        for cluster in tuple(dossier.submitted):  # what was applied is not told beside the health from before
            await self._collector.catch_up(cluster, dossier.uid)
        before = self._before(dossier)
        status = build_status(
            app=dossier.app,
            generation=dossier.live.generation if dossier.live.deleting else dossier.generation,
            sequence=dossier.sequence,
            digest=dossier.revisions.digest,
            content=dossier.revisions.content_digest,
            issues=dossier.issues,
            held=dossier.held,
            plan=dossier.plan,
            outcomes=dossier.outcomes,
            observations=dossier.observations,
            reach={c: self._fleet.reach(c) for c in dossier.placed | dossier.leaving.keys()},
            deleting=dossier.live.deleting,
            leaving=dossier.leaving,
            previous=before,
            carry={c: dossier.carry(c) for c in dossier.cargo},
            now=time.time(),
            most=room(dossier.live.raw),
        )
        if status == before:
            doubt = self._in_doubt.get(dossier.uid, "")
            if doubt == dossier.live.resource_version:  # something else may be there already: a conflict tells
                return await self._write(dossier, before, status)
            if doubt:
                self._arrived(dossier, status)
            if settled(status):
                self._interim.over(key)
                dossier.rest()
            return Done()
        if alike(before, status) and (wait := self._next_value(dossier)) > 0:
            return Wait(wait)
        hasty = not dossier.live.deleting and (settled(status) or stepped(before, status))
        if not hasty and (wait := self._too_early(dossier, before, status)):
            if self._bustle.on:
                self._turns.add(key)
            return Wait(wait)
        return await self._write(dossier, before, status)

    def _next_value(self, dossier: Dossier) -> float:
        """Seconds until what an application may carry along is written down again: it may change all the time."""
        return self._at.get(dossier.uid, 0.0) + VALUES - time.monotonic()

    def _before(self, dossier: Dossier) -> ApplicationStatus:
        if dossier.uid in self._in_doubt and (told := lenient(dossier.live)) is not None:
            return told.status
        return self._known(dossier)

    def _known(self, dossier: Dossier) -> ApplicationStatus:
        known = self._written.get(dossier.uid)
        if known is not None:
            return known
        return dossier.status or ApplicationStatus()

    def _too_early(self, dossier: Dossier, before: ApplicationStatus, status: ApplicationStatus) -> float:
        """Seconds until an interim write is due; 0 when it is now. Most endings are over before one is."""
        busy = (self._bustle.on and not self._urgent(dossier.key)) or self._looked_at_once_more(dossier)
        return self._interim.wait(
            dossier.key,
            before,
            status,
            time.monotonic(),
            ending=dossier.live.deleting,
            busy=busy,
        )

    def _looked_at_once_more(self, dossier: Dossier) -> bool:
        """A change that every cluster was handed is looked at in a moment, perhaps for the last time: told of before,
        all of a wave would be written twice.
        """
        if not (dossier.rolling and dossier.out and self._planned_soon(dossier.key, SOON)):
            return False
        return not self._urgent(dossier.key)

    @failpoints.around("hub.status")
    async def _write(self, dossier: Dossier, before: ApplicationStatus, status: ApplicationStatus) -> Decision:
        try:
            text = msgspec.Raw(msgspec.json.encode(status))
            answer = await replace_status(self._client, APPLICATIONS, dossier.live, text)
        except NotFound:
            return Done()
        except Conflict as error:  # the watch brings the newer object
            return Retry(error)
        except KubeError as error:
            if not (isinstance(error, ApiError) and error.status < 500):  # what was refused was not made
                self._in_doubt[dossier.uid] = dossier.live.resource_version
            raise
        dossier.saw(answer)
        self._saw(answer)
        self._in_doubt.pop(dossier.uid, None)
        self._written[dossier.uid], self._at[dossier.uid] = status, time.monotonic()
        if settled(status):
            self._interim.over(dossier.key)
            dossier.rest()
            self._log_settled(dossier, status)
        else:
            self._interim.wrote(dossier.key, before, status, time.monotonic())
        self._recorder.transitions(answer, before, status)
        return Done()

    def _arrived(self, dossier: Dossier, status: ApplicationStatus) -> None:
        """A write whose answer was lost was carried out."""
        before = self._known(dossier)
        self._in_doubt.pop(dossier.uid, None)
        self._written[dossier.uid] = status
        self._recorder.transitions(dossier.live, before, status)

    def _log_settled(self, dossier: Dossier, status: ApplicationStatus) -> None:
        ready = next((condition for condition in status.conditions if condition.type == "Ready"), None)
        self._log.info(
            "settled",
            application=str(dossier.key),
            ready=ready.reason if ready is not None else "",
            revision=status.sequence,
            clusters=status.summary.clusters if status.summary is not None else 0,
            applied=status.summary.applied if status.summary is not None else 0,
        )

    def written(self, uid: str) -> ApplicationStatus | None:
        """What this process wrote of an application last; None when it hasn't."""
        return self._written.get(uid)

    def forget(self, uid: str) -> None:
        self._written.pop(uid, None)
        self._in_doubt.pop(uid, None)
        self._at.pop(uid, None)


def _ails(observation: Observation) -> bool:
    """Something is wrong with what is there; what isn't there yet may be on its way."""
    return any(problem.reason != "Missing" for problem in observation.problems)
