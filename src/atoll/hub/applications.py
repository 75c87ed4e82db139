"""Atoll's own front end: Applications."""

from collections.abc import Callable, Hashable

import msgspec

from atoll.api.names import FINALIZER
from atoll.api.objects import Key
from atoll.hub.dossier import Dossier, Dossiers
from atoll.hub.front import Front, Parting, Reading
from atoll.hub.intents import Intents, lenient
from atoll.hub.reporting import Reporter
from atoll.hub.rollouts import said
from atoll.kube.objects import Object
from atoll.runtime.informer import Informer


class ApplicationFront(Front):
    """What `Intents` reads and the `Reporter` tells."""

    keeps_history = True

    def __init__(
        self,
        informer: Informer[Object],
        dossiers: Dossiers,
        uids: set[str],
        wake: Callable[[Key], None],
        intents: Intents,
        reporter: Reporter,
    ) -> None:
        super().__init__(informer, FINALIZER, dossiers, uids, wake)
        self._intents = intents
        self._reporter = reporter
        self._asked: tuple[Hashable, Parting] | None = None

    async def read(self, live: Object) -> Reading:
        reading = await self._intents.read(live)
        written = self._reporter.written(live.uid)
        return msgspec.structs.replace(reading, status=written) if written == reading.status else reading

    def ground(self, live: Object) -> Hashable:
        return live.uid, live.resource_version, self._intents.ground(live.namespace)

    def recall(self, dossier: Dossier) -> None:
        dossier.app = lenient(dossier.live)
        dossier.status = dossier.app.status if dossier.app is not None else None

    def stays(self, dossier: Dossier, cluster: str) -> bool:  # noqa: ARG002  it says so itself where it does
        return False

    def parting(self, dossier: Dossier, cluster: str, *, ending: bool) -> Parting:  # noqa: ARG002  the same either way
        """As it says now: what was read last may be older than its end. One cluster after the other asks."""
        ground = self._intents.orphans_ground(dossier.live)
        if self._asked is None or self._asked[0] != ground:
            self._asked = ground, Parting(self._intents.orphans(dossier.live))
        return self._asked[1]

    def touch(self, key: Key) -> None:
        self._reporter.touch(key)

    def same(self, old: Object, new: Object) -> bool:
        """Of the annotations, only those that speak of a rollout say something."""
        return (old.uid, old.generation, old.deleting, old.finalizers) == (
            new.uid,
            new.generation,
            new.deleting,
            new.finalizers,
        ) and said(old.annotations) == said(new.annotations)

    def forget(self, dossier: Dossier) -> None:
        self._reporter.forget(dossier.uid)
