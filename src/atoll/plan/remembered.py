"""What was found out about a whole fleet, remembered while it is the very same: many Applications ask the same of it.

This is no state of planning: it only repeats what finding out again would say.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from atoll.plan.model import ClusterFacts

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Clusters = Mapping[str, ClusterFacts]


class OfFleet(Generic[K, V]):
    """The answers to the last `most` questions. Each fleet is kept with its answer: no other can be taken for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, tuple[Clusters, V]] = {}

    def answer(self, asked: K, clusters: Clusters, find: Callable[[], V]) -> V:
        known = self._known.pop(asked, None)
        if known is None or known[0] is not clusters:
            known = clusters, find()
        self._known[asked] = known  # now it is the one that was asked last
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return known[1]


_TROUBLED: OfFleet[None, frozenset[str]] = OfFleet(1)


def troubled(clusters: Clusters) -> frozenset[str]:
    """Those that something speaks against: few, mostly."""
    return _TROUBLED.answer(None, clusters, lambda: frozenset(n for n, facts in clusters.items() if not facts.is_well))
