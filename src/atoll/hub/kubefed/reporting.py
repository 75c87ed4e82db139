"""What became of federated objects, told as KubeFed tells it: status, version record, events. Written when settled.

While something is on its way, the status is written after 1, 5 and 15 seconds, then every 15; the record once nothing
is. What is there already isn't written again.
"""

import time
from collections.abc import Iterable
from typing import Any

import msgspec

from atoll.api.kubefed.federated import FederatedStatus
from atoll.api.kubefed.names import Propagation, Reason
from atoll.api.objects import Key
from atoll.api.times import format_time
from atoll.fleet.fleet import Fleet
from atoll.hub.bustle import Bustle
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.events import Recorder
from atoll.hub.kubefed.front import FederatedFront, Outline, Said
from atoll.hub.kubefed.news import News
from atoll.hub.kubefed.records import Records
from atoll.hub.kubefed.services import Services
from atoll.kube.asseen import replace_status
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Forbidden, NotFound
from atoll.observe.collector import Collector
from atoll.observe.kubefed.status import federated_status
from atoll.observe.kubefed.words import Word, word
from atoll.runtime import failpoints
from atoll.runtime.decisions import Decision, Done, Retry, Wait
from atoll.runtime.queue import FairQueue
from atoll.telemetry import metrics

AT_ONCE = 0.02
"""Seconds in which what happens together is told together."""
INTERIM = (1.0, 5.0, 15.0)
"""Seconds after the first news at which a status that isn't settled is written."""


class Episode(msgspec.Struct):
    """An object's time without rest: since when, and how often that was told."""

    generation: int
    since: float
    told: int = 0

    def wait(self, now: float) -> float:
        """Seconds until it is to be told again."""
        last = len(INTERIM) - 1
        due = INTERIM[min(self.told, last)] + INTERIM[last] * max(0, self.told - last)
        return max(0.0, self.since + due - now)


class FederatedReporter:
    """Writes statuses and records of all federated types."""

    def __init__(
        self,
        client: Client,
        dossiers: Dossiers,
        fleet: Fleet,
        collector: Collector,
        recorder: Recorder,
        records: Records,
    ) -> None:
        self.queue: FairQueue[Key] = FairQueue("kubefed status", meter=metrics)
        self._client = client
        self._dossiers = dossiers
        self._fleet = fleet
        self._collector = collector
        self._records = records
        self._services = Services(client)
        self._news = News(recorder)
        self._episodes: dict[str, Episode] = {}
        self._bustle: Bustle[Key] = Bustle(self.queue.add)

    def wrote(self, uid: str) -> None:
        """Something of Application `uid` was written to a member."""
        self._bustle.wrote(uid)

    def touch(self, key: Key) -> None:
        if not self._wrong(key) and (key in self._bustle or self._bustle.on):
            self._bustle.hold(key)
            return
        self._bustle.drop(key)
        self.queue.add_after(key, AT_ONCE)

    def forget(self, uid: str) -> None:
        self._episodes.pop(uid, None)
        self._news.forget(uid)
        self._services.forget(uid)
        self._records.forget(uid)

    async def reconcile(self, key: Key) -> Decision:
        dossier = self._dossiers.get(key)
        if dossier is None or not isinstance(front := dossier.front, FederatedFront) or dossier.ended:
            return Done()
        said = front.said(dossier.uid)
        if dossier.generation != dossier.live.generation and not dossier.live.deleting:
            return Done()  # it is read anew, and told then
        if said is None or said.ignored:
            if said is not None and front.misnamed(dossier.live):
                self._news.misnamed(dossier)
            return Done()
        if front.collected or front.gathers:
            for cluster in tuple(dossier.submitted):
                await self._collector.catch_up(cluster, dossier.uid)
        before = _before(dossier)
        words = self._words(dossier, said, before)
        settled = all(one.final for one in words.values())
        if not settled and (wait := self._episode(dossier).wait(time.monotonic())):
            return Wait(wait)
        self._news.tell(dossier, front, said, words)
        try:
            await self._write(dossier, front, said, words, before)
            if settled and not dossier.live.deleting and said.reason != Reason.COMPUTE_PLACEMENT_FAILED:
                await self._record(dossier, front, said)
            if front.gathers and not dossier.live.deleting:
                await self._services.keep(dossier.live, front.config, self._statuses(dossier))
        except NotFound:  # it has gone
            return Done()
        except Forbidden as error:  # its namespace is going
            return Retry(error, 5.0)
        except Conflict as error:  # the watch brings the newer object
            return Retry(error)
        if settled:
            self._episodes.pop(dossier.uid, None)
            return Done()
        self._episode(dossier).told += 1
        return Wait(self._episode(dossier).wait(time.monotonic()))

    def _episode(self, dossier: Dossier) -> Episode:
        known = self._episodes.get(dossier.uid)
        if known is None or known.generation != dossier.live.generation:
            known = self._episodes[dossier.uid] = Episode(dossier.live.generation, time.monotonic())
        return known

    def _words(self, dossier: Dossier, said: Said, before: FederatedStatus) -> dict[str, Word]:
        """One for each cluster that has, or is to have, something."""
        words = {}
        current = before.observed_generation == dossier.live.generation
        written = {one.name: Propagation(one.status) for one in before.clusters if one.status in _KNOWN}
        if dossier.live.deleting:
            going: Iterable[str] = (dossier.placed | dossier.leaving.keys()) - dossier.gone
            staying: frozenset[str] = frozenset()
        else:
            going, staying = dossier.leaving.keys(), said.chosen
        for cluster in sorted(staying):
            ready = self._fleet.reach(cluster).reachable is not False and self._fleet.link(cluster) is not None
            if said.word != Propagation.OK:
                words[cluster] = Word(said.word, said.message)
            elif one := word(
                dossier.outcomes.get(cluster),
                sequence=self._wanted(dossier, cluster),
                ready=ready,
                there=cluster in written,
                leaving=False,
                said=written.get(cluster) if current else None,
            ):
                words[cluster] = one
        for cluster in sorted(set(going) - staying):
            ready = bool(self._fleet.reach(cluster).reachable)
            if one := word(None, sequence=0, ready=ready, there=True, leaving=True):
                words[cluster] = one
        return words

    @staticmethod
    def _wanted(dossier: Dossier, cluster: str) -> int:
        delivery = dossier.submitted.get(cluster)
        return delivery.revision.sequence if delivery is not None else dossier.sequence

    def _wrong(self, key: Key) -> bool:
        dossier = self._dossiers.get(key)
        return dossier is not None and (
            bool(dossier.issues)
            or any(outcome.state in {"Failed", "Conflict"} for outcome in dossier.outcomes.values())
        )

    @failpoints.around("hub.status")
    async def _write(
        self, dossier: Dossier, front: FederatedFront, said: Said, words: dict[str, Word], before: FederatedStatus
    ) -> None:
        status = federated_status(
            before,
            generation=dossier.live.generation,
            reason=said.reason,
            words={name: one.word for name, one in words.items()},
            remote=self._statuses(dossier) if front.collected else None,
            now=format_time(time.time()),
        )
        if status is before:
            return
        dossier.saw(await replace_status(self._client, front.resource, dossier.live, msgspec.to_builtins(status)))

    @staticmethod
    def _statuses(dossier: Dossier) -> dict[str, Any]:
        """The members' own, by cluster."""
        return {
            cluster: msgspec.json.decode(observation.statuses[0][1])
            for cluster, observation in dossier.observations.items()
            if observation.statuses
        }

    async def _record(self, dossier: Dossier, front: FederatedFront, said: Said) -> None:
        versions = {
            cluster: outcome.versions[0][1]
            for cluster, outcome in dossier.outcomes.items()
            if cluster in said.chosen and outcome.versions
        }
        await self._records.keep(
            dossier.live,
            front.config.spec.target_type.kind,
            template=said.template_version,
            overrides=said.overrides_version,
            versions=versions,
            placed=said.chosen,
        )


_KNOWN = frozenset(Propagation)


def _before(dossier: Dossier) -> FederatedStatus:
    """What is written; nothing when it can't be read."""
    try:
        return dossier.live.read(Outline).status or FederatedStatus()
    except msgspec.ValidationError:
        return FederatedStatus()
