"""What dividing may know of each cluster: what it has of a workload, and how much more it has room for."""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from atoll.api.cluster import Resources
from atoll.api.intent import Intent
from atoll.plan.fit import MOST_PODS, PodShape, counting
from atoll.plan.model import ClusterFacts, Snapshot, Standing
from atoll.plan.remembered import OfFleet

_NO_STANDING = Standing()


class Ground:
    """The clusters for one application. `forgotten` are clusters whose number tells nothing of how it was divided."""

    def __init__(self, intent: Intent, fleet: Snapshot, forgotten: frozenset[str] = frozenset()) -> None:
        self._fleet = fleet
        self._standing = fleet.standing.get(intent.key, {})
        before = fleet.previous.get(intent.key, {})
        self._before = {n: r for n, r in before.items() if n not in forgotten} if forgotten else before

    def previous(self, workloads: Sequence[str], clusters: Sequence[str]) -> Mapping[str, int | None]:
        """Replicas that each cluster had last of workloads that are divided alike; None or absent when unknown."""
        found = {name: self._before[name] for name in clusters if name in self._before}
        for name in [name for name, number in found.items() if number is None]:
            apart = self._standing.get(name, _NO_STANDING).workloads
            found[name] = next((apart[w] for w in workloads if w in apart), None)
        return found

    def holds(self, cluster: str) -> bool:
        """Whether the application is there."""
        return cluster in self._before

    def ready(self, cluster: str) -> int | None:
        return self._standing.get(cluster, _NO_STANDING).ready

    def stuck(self, cluster: str) -> int:
        """Replicas whose Pods stay unschedulable."""
        return self._standing.get(cluster, _NO_STANDING).stuck

    def found_most(self, cluster: str) -> int | None:
        """More replicas than this did not fit, lately."""
        return self._standing.get(cluster, _NO_STANDING).most

    def rooms(self, clusters: Iterable[str], shapes: Sequence[PodShape]) -> dict[str, int]:
        """How many more sets of these Pods fit on each beside what is promised to others; 0 when that isn't known."""
        free = _free(tuple(shapes), self._fleet.clusters)
        found = {name: free[name] for name in clusters}
        for name, promised in self._fleet.reserved.items():
            if name in found:
                found[name] = max(0, found[name] - _in_sets(promised, shapes))
        return found


_FREE: OfFleet[tuple[PodShape, ...], Mapping[str, int]] = OfFleet(16)


def _free(shapes: tuple[PodShape, ...], clusters: Mapping[str, ClusterFacts]) -> Mapping[str, int]:
    def count() -> Mapping[str, int]:
        fitting = counting(shapes) if shapes else lambda _: MOST_PODS
        return {name: fitting(facts.rooms) if facts.rooms and facts.ready else 0 for name, facts in clusters.items()}

    return _FREE.answer(shapes, clusters, count)


def _in_sets(promised: Resources, shapes: Sequence[PodShape]) -> int:
    """As many sets of these Pods as what is promised could take the place of."""
    cpu = sum(dict(shape.requests).get("cpu", 0) for shape in shapes)
    memory = sum(dict(shape.requests).get("memory", 0) for shape in shapes)
    taken = [ceil(promised.cpu * 1000 / cpu)] if cpu else []
    taken += [ceil(promised.memory / memory)] if memory else []
    return max(taken, default=ceil(promised.pods / max(1, len(shapes))))
