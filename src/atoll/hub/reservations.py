"""Room that was given to applications, and that their Pods have not taken yet.

Between a plan and the moment in which its Pods are seen on nodes lie seconds in which another application would be
given the same room. So what a plan adds is reserved until it runs, or for a minute: by then it shows in what nodes have
left.
"""

from collections.abc import Iterable
from math import ceil

from atoll.api.cluster import Resources
from atoll.api.objects import Key, Manifest
from atoll.api.rooms import Rooms
from atoll.kube.podrequests import CPU
from atoll.plan.fit import fits, shape_of

LASTS = 60.0
MOST = 1 << 60
NOTHING = Resources()


class Reservations:
    """By cluster and application: what is reserved, and until when (seconds of the caller's clock)."""

    def __init__(self) -> None:
        self._held: dict[str, dict[Key, tuple[Resources, float]]] = {}

    def hold(self, cluster: str, key: Key, amount: Resources, now: float) -> None:
        """Reserve `amount` more for the application `key`."""
        mine = self._held.setdefault(cluster, {})
        before, until = mine.get(key, (NOTHING, 0.0))
        mine[key] = (_sum((before, amount)) if until > now else amount, now + LASTS)

    def release(self, cluster: str, key: Key) -> None:
        """Its Pods are there."""
        if mine := self._held.get(cluster):
            mine.pop(key, None)
            if not mine:
                del self._held[cluster]

    def forget(self, key: Key) -> None:
        for cluster in tuple(self._held):
            self.release(cluster, key)

    def now(self, now: float) -> dict[str, Resources]:
        """What is reserved on each cluster, for all applications together."""
        for cluster, held in tuple(self._held.items()):
            for key in [key for key, (_, until) in held.items() if until <= now]:
                self.release(cluster, key)
        return {cluster: _sum(amount for amount, _ in held.values()) for cluster, held in self._held.items()}


def wanted(manifests: Iterable[Manifest], more: dict[str, int], rooms: Rooms | None = None) -> Resources:
    """What `more` Pods of each workload request together, as far as there is room for any of them: what fits on no node
    takes nothing away from others.
    """
    parts = []
    for manifest in manifests:
        shape, number = shape_of(manifest), more.get(manifest.id.name, 0)
        if shape is not None and number > 0:
            requests = dict(shape.requests)
            number = min(number, fits(rooms, (shape,))) if rooms is not None else number
            cpu, memory = (min(requests.get(name, 0) * number, MOST) for name in (CPU, "memory"))
            parts.append(Resources(cpu / 1000, memory, number))
    return _sum(parts)


def _sum(parts: Iterable[Resources]) -> Resources:
    cpu, memory, pods = 0.0, 0, 0
    for part in parts:
        cpu, memory, pods = cpu + part.cpu, memory + part.memory, pods + part.pods
    return Resources(ceil(cpu * 1000) / 1000, memory, pods)
