"""How a change gets on: what planning is told of it, what has to be written down before a cluster is changed."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from atoll.api.delivery import Outcome
from atoll.api.intent import Content, Former, Intent
from atoll.api.names import ANNOTATION_APPROVED, ANNOTATION_ROLLOUT
from atoll.api.objects import Key
from atoll.api.rollout import RolloutStatus
from atoll.fleet.fleet import Fleet
from atoll.hub.dossier import Dossier
from atoll.hub.events import Recorder
from atoll.hub.gates import Gates
from atoll.hub.history import History
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden
from atoll.kube.resources import APPLICATIONS
from atoll.observe.collector import Collector
from atoll.plan.model import Plan
from atoll.plan.progress import Progress, Standing
from atoll.runtime import failpoints

AGAIN = 30.0
"""Seconds after which what could not be kept is tried again."""
LEISURE = 3.0
"""Seconds after which a former content is kept that no cluster needs: a wave of changes goes first."""
BUSY_TIMES = 9
"""So often it waits as long again while many objects are being written to members."""
TROUBLED = frozenset({"Failed", "Conflict"})


class Rollouts:
    """Between the dossiers, where everything is known, and planning, which decides."""

    def __init__(
        self,
        client: Client,
        fleet: Fleet,
        collector: Collector,
        history: History,
        gates: Gates,
        recorder: Recorder,
        bustling: Callable[[], bool],
        admits: Callable[[Key, Content], Awaitable[bool]],
    ) -> None:
        self._client = client
        self._fleet = fleet
        self._collector = collector
        self._history = history
        self._gates = gates
        self._recorder = recorder
        self._bustling = bustling
        self._admits = admits
        self._idle: dict[Key, Dossier] = {}
        self._wake = asyncio.Event()

    async def progress(self, dossier: Dossier, intent: Intent) -> Progress | None:
        """How far a change of the application is; None when there never was one. Raises KubeError."""
        revisions = dossier.revisions
        staged = intent.rollout is not None and bool(intent.rollout.stages)
        if not (staged or revisions.last or revisions.before) or revisions.content is None:
            return None
        if not revisions.loaded:
            with contextlib.suppress(Forbidden):  # then the clusters whose turn is yet to come stay as they are
                revisions.formers = await self._believed(dossier) | revisions.formers
            revisions.loaded = True
        elif not (revisions.last or revisions.before):
            self._history.first(dossier.uid)
        if revisions.last is None or revisions.last.revision != revisions.target or dossier.rolling:
            for cluster in tuple(dossier.submitted):
                await self._collector.catch_up(cluster, dossier.uid)
        standing = self._standing(dossier, suspended=intent.suspend)
        written = {row.revision for row in dossier.status.clusters} if dossier.status else set()
        revisions.let_go({there.revision for there in standing.values()} | written)
        notes = dossier.live.annotations
        number = str(revisions.target)
        approved = {k.removeprefix(ANNOTATION_APPROVED) for k, v in notes.items() if v == number and _approves(k)}
        return Progress(
            target=revisions.target,
            content=revisions.content,
            formers=dict(revisions.formers),
            before=revisions.before,
            last=revisions.last,
            standing=standing,
            approved=frozenset(approved),
            aborted=notes.get(ANNOTATION_ROLLOUT) == f"abort {number}",
            answers=self._gates.answers(dossier.uid, revisions.target),
        )

    async def _believed(self, dossier: Dossier) -> dict[int, Former]:
        """What the history knows, as far as the Application may have it: others write Secrets, too."""
        found = await self._history.load(dossier.key, dossier.uid)
        believed = {n: former for n, former in found.items() if await self._admits(dossier.key, former.content)}
        for number in sorted(found.keys() - believed.keys()):
            words = f"revision {number} holds what the Application may not have: it is not used"
            self._recorder.tell(dossier.live, "Warning", "RevisionNotBelieved", words)
        return believed

    def retries(self, dossier: Dossier) -> bool:
        """Whether a person wants what failed to be tried again."""
        last = dossier.revisions.last
        wish = dossier.live.annotations.get(ANNOTATION_ROLLOUT)
        return last is not None and bool(last.back) and wish == f"retry {last.revision}"

    def decided(self, dossier: Dossier, intent: Intent, planned: Plan) -> None:
        """Remember what was planned, and ask the check that it waits for."""
        revisions = dossier.revisions
        revisions.last = planned.rollout
        if planned.rollout is not None and planned.rollout.phase == "Complete":
            revisions.finished()
        stage = planned.ask if intent.rollout is not None else ""
        self._gates.want(dossier.key, dossier.uid, revisions.target, stage, intent.rollout)

    async def keep(self, dossier: Dossier, planned: Plan) -> None:
        """Have former contents in the history before the last cluster that shows them may be changed.

        Where none is held back nobody needs them soon: they are kept at leisure.
        """
        if not dossier.revisions.unsaved:
            return
        if planned.rollout is None or planned.rollout.phase == "Complete" or dossier.out:
            self._idle[dossier.key] = dossier
            self._wake.set()
        else:
            await self._keep(dossier)

    @failpoints.around("hub.revision")
    async def _keep(self, dossier: Dossier) -> None:
        unsaved, dossier.revisions.unsaved = dossier.revisions.unsaved, {}
        last = dossier.revisions.last
        spare = set(dossier.revisions.formers) | ({last.stable, last.back} if last else set())
        trouble = await self._history.keep(dossier.key, dossier.uid, sorted(unsaved.items()), spare)
        if trouble is None:
            return
        self._recorder.tell(dossier.live, "Warning", "RevisionNotKept", trouble.why)
        if trouble.passes:  # those that are written already are known by their numbers
            dossier.revisions.unsaved = unsaved | dossier.revisions.unsaved
            self._idle[dossier.key] = dossier
            asyncio.get_running_loop().call_later(AGAIN, self._wake.set)

    async def run(self) -> None:
        """Keep at leisure what is not needed soon. Until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(LEISURE)
            for _ in range(BUSY_TIMES):
                if self._bustling():
                    await asyncio.sleep(LEISURE)
            self._wake.clear()
            idle, self._idle = self._idle, {}
            for dossier in idle.values():
                if not dossier.live.deleting:
                    await self._keep(dossier)

    @failpoints.around("hub.rollback")
    async def turn_back(self, dossier: Dossier, failed: RolloutStatus, newest: int) -> None:
        """Write down that a change is given up, then give it up: after a restart it is to stay so. Raises KubeError."""
        rollout = dossier.revisions.turn_back(failed, newest)
        status = {"sequence": rollout.back, "rollout": msgspec.to_builtins(rollout)}
        patch = {"metadata": {"resourceVersion": dossier.live.resource_version}, "status": status}
        answer = await self._client.patch(
            APPLICATIONS, dossier.key.name, dossier.key.namespace, patch, type="merge", subresource="status"
        )
        dossier.saw(answer)
        dossier.revisions.turned_back(rollout)

    def forget(self, uid: str) -> None:
        self._history.forget(uid)
        self._gates.forget(uid)

    # What each cluster has

    def _standing(self, dossier: Dossier, *, suspended: bool) -> dict[str, Standing]:
        status = dossier.status
        written = {row.name: row.revision for row in status.clusters} if status else {}
        there = {p.cluster for p in status.placement} if status else set()
        standing = {}
        now = time.time()
        for cluster in sorted(there | dossier.submitted.keys()):
            found = self._one(dossier, cluster, written.get(cluster, 0), suspended=suspended)
            since = dossier.seen.get(cluster, (found, now))
            dossier.seen[cluster] = since if since[0] == found else (found, now)
            standing[cluster] = msgspec.structs.replace(found, since=dossier.seen[cluster][1])
        return standing

    def _one(self, dossier: Dossier, cluster: str, written: int, *, suspended: bool) -> Standing:
        submitted = dossier.submitted.get(cluster)
        outcome, seen = dossier.outcomes.get(cluster), dossier.observations.get(cluster)
        number = submitted.revision.sequence if submitted is not None else written
        about = outcome is not None and outcome.revision is not None and outcome.revision.sequence == number
        if suspended and not (about and outcome is not None and outcome.state == "Applied"):
            number, about = written, False  # what was handed to it and isn't there will not come now
        if outcome is not None and outcome.newer is not None and number < outcome.newer.sequence <= dossier.sequence:
            number, about = outcome.newer.sequence, False  # written by this hub before it was killed
        reach = self._fleet.reach(cluster)
        return Standing(
            revision=number,
            applied=about and outcome is not None and outcome.state == "Applied",
            health=seen.health if seen is not None else "Unknown",
            trouble=_trouble(outcome) if about and outcome is not None else "",
            away=(reach.since or time.time()) if reach.reachable is False else 0.0,
        )


def _approves(key: str) -> bool:
    return key.startswith(ANNOTATION_APPROVED)


def _trouble(outcome: Outcome) -> str:
    if outcome.state not in TROUBLED:
        return ""
    first = next((o for o in outcome.objects if o.state in TROUBLED), None)
    return f"{first.id}: {first.reason or first.state}" if first is not None else outcome.state


def said(annotations: Mapping[str, str]) -> dict[str, str]:
    """What a person says of a rollout, among the annotations of an Application."""
    return {k: v for k, v in annotations.items() if k == ANNOTATION_ROLLOUT or _approves(k)}
