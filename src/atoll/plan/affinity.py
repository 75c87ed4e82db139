"""Nearness between Applications: only where others are, or only where they aren't.

As for Pods, what is there already stays: neighbours decide where an application comes to, not where it is.
"""

from collections.abc import Iterable, Mapping, Sequence

from atoll.api.placement import Neighbours, Placement
from atoll.api.selectors import mismatch
from atoll.plan.model import ClusterFacts, Neighbour, Snapshot
from atoll.plan.topology import CLUSTER, group_of, unknown


class Nearness:
    """The affinities of one placement, looked up once for all clusters."""

    def __init__(self, placement: Placement, fleet: Snapshot) -> None:
        self._near = [_Groups(wanted, fleet) for wanted in placement.affinity]
        self._apart = [_Groups(unwanted, fleet) for unwanted in placement.anti_affinity]

    def objection(self, facts: ClusterFacts) -> str:
        """Why the application may not come to the cluster; "" when it may."""
        for groups in self._near:
            if why := groups.missing(facts):
                return why
        for groups in self._apart:
            if why := groups.present(facts):
                return why
        return ""


class _Groups:
    """Where the neighbours of one term are, as groups."""

    def __init__(self, term: Neighbours, fleet: Snapshot) -> None:
        self._by, self._ask = term.by, group_of(term.by)
        self._who = f"Application {term.application}" if term.application else "an Application with these labels"
        self._found: dict[str, str] = {}
        for name in sorted(_meant(term, fleet.neighbours)):
            for cluster in sorted(fleet.neighbours[name].clusters & fleet.clusters.keys()):
                self._found.setdefault(self._ask(fleet.clusters[cluster]), name)
        self._found.pop("", None)

    def missing(self, facts: ClusterFacts) -> str:
        group = self._ask(facts)
        if not group:
            return f"affinity by {self._by}: {unknown(self._by)}"
        if group in self._found:
            return ""
        return f"affinity: {self._who} is not in {_place(self._by, group)}"

    def present(self, facts: ClusterFacts) -> str:
        group = self._ask(facts)
        found = self._found.get(group) if group else None
        return f"antiAffinity: Application {found} is in {_place(self._by, group)}" if found else ""


def _meant(term: Neighbours, neighbours: Mapping[str, Neighbour]) -> Iterable[str]:
    if term.application:
        return [term.application] if term.application in neighbours else []
    selector = term.selector
    return [n for n, found in neighbours.items() if selector is not None and not mismatch(selector, found.labels)]


def _place(by: str, group: str) -> str:
    return f"cluster {group}" if by == CLUSTER else f"{by} {group}"


def terms(placement: Placement) -> Sequence[Neighbours]:
    """All that the placement says of other Applications."""
    return (*placement.affinity, *placement.anti_affinity)
