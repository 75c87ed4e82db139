"""The choice of clusters under rules of spread: a bounded search that keeps what is there.

Clusters whose groups are all the same are one cell: for the rules they are interchangeable, so the search looks at
cells and takes each cell's clusters in their order. A choice grows one cluster at a time; a cluster is taken only if
what the rules still need has room afterwards. First comes what is there already, then whatever meets a need of a rule
(the only step that goes back on itself), then the rest, evenly.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MOST_STEPS = 2_000
"""Steps of a search, after which the rules count as impossible: a few milliseconds."""
UNBOUNDED = 1 << 30


class Candidate(NamedTuple):
    """A cluster that may be chosen. `there`: it has the application. `worth` orders the others, lower first."""

    name: str
    there: bool
    worth: tuple[int, ...]


class Limits(NamedTuple):
    """One rule: groups at least and at most, and clusters at least and at most in each group that is used."""

    groups: tuple[int, int] = (0, UNBOUNDED)
    clusters: tuple[int, int] = (0, UNBOUNDED)


Groups = tuple[str, ...]
"""In which group a cluster is, rule by rule."""


class Selection:
    """One search. `groups` has an entry for each candidate; `total` bounds how many are chosen."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        groups: Mapping[str, Groups],
        rules: Sequence[Limits],
        total: tuple[int, int],
    ) -> None:
        self._rules = rules
        self._least, self._most = total
        self._cells: dict[Groups, list[Candidate]] = {}
        for candidate in sorted(candidates, key=lambda c: (not c.there, c.worth)):
            self._cells.setdefault(groups[candidate.name], []).append(candidate)
        self._taken: dict[Groups, int] = dict.fromkeys(self._cells, 0)
        self._counts: list[dict[str, int]] = [{} for _ in rules]
        self._order: list[Candidate] = []
        self._steps = 0

    def search(self, *, keep: bool = True, lenient: bool = False) -> list[str] | None:
        """The chosen clusters, or None when no choice meets the rules. `lenient`: what is at least doesn't count."""
        if keep:
            self._fill(there=True, lenient=lenient)
        if not lenient and not self._satisfy():
            return None
        self._fill(there=False, lenient=lenient)
        if not lenient and self._needs():
            return None
        return [candidate.name for candidate in self._order]

    def refusing(self, groups: Groups) -> int | None:
        """The first rule that keeps a cluster of these groups out of the choice; -1 is the total, None none."""
        if len(self._order) >= self._most:
            return -1
        for index, rule in enumerate(self._rules):
            count = self._counts[index].get(groups[index], 0)
            if count >= rule.clusters[1] or (not count and len(self._counts[index]) >= rule.groups[1]):
                return index
        return None

    def opened(self, index: int, group: str) -> bool:
        """Whether the group is used, by the rule of this index."""
        return group in self._counts[index]

    def _fill(self, *, there: bool, lenient: bool) -> None:
        """Take all that may be. Where nothing bounds clusters one by one, a cell goes as a whole."""
        whole = self._most >= UNBOUNDED and all(rule.clusters[1] >= UNBOUNDED for rule in self._rules)
        while (cell := self._next(self._heads(), lenient=lenient, there=there)) is not None:
            self._take(cell)
            members = self._cells[cell]
            while whole and self._taken[cell] < len(members) and (not there or members[self._taken[cell]].there):
                self._take(cell)

    def _satisfy(self) -> bool:
        """Take clusters until every need is met; go back where that fails. False when it can't be done."""
        if not self._needs():
            return True
        tried: set[Groups] = set()
        while True:
            self._steps += 1
            helpful = [cell for cell in self._heads() if cell not in tried and self._helps(cell)]
            cell = self._next(helpful, lenient=False, there=False, by_need=True)
            if cell is None or self._steps > MOST_STEPS:
                return False
            tried.add(cell)
            self._take(cell)
            if self._satisfy():
                return True
            self._give_back(cell)

    def _heads(self) -> Iterator[Groups]:
        return (cell for cell, members in self._cells.items() if self._taken[cell] < len(members))

    def _next(
        self, cells: Iterator[Groups] | Sequence[Groups], *, lenient: bool, there: bool, by_need: bool = False
    ) -> Groups | None:
        best: tuple[tuple[int, bool, tuple[int, ...], tuple[int, ...], str], Groups] | None = None
        for cell in cells:
            head = self._cells[cell][self._taken[cell]]
            if (there and not head.there) or not self._admits(cell, lenient=lenient):
                continue
            even = tuple(self._counts[i].get(group, 0) for i, group in enumerate(cell))
            need = -self._helps(cell) if by_need else 0
            key = (need, not head.there, head.worth[:-1], even + head.worth[-1:], head.name)
            if best is None or key < best[0]:
                best = key, cell
        return best[1] if best is not None else None

    def _admits(self, cell: Groups, *, lenient: bool) -> bool:
        """Whether one more of `cell` breaks nothing, and leaves room for what the rules need still."""
        if self.refusing(cell) is not None:
            return False
        if lenient or self._most >= UNBOUNDED:
            return True
        left = self._most - len(self._order) - 1
        return all(self._need(index, cell[index]) <= left for index in range(len(self._rules)))

    def _need(self, index: int, joining: str = "") -> int:
        """How many clusters a rule needs still, should one of the group `joining` be taken."""
        (least_groups, _), (least, _) = self._rules[index].groups, self._rules[index].clusters
        counts = self._counts[index]
        if joining:
            counts = {**counts, joining: counts.get(joining, 0) + 1}
        short = sum(max(0, least - count) for count in counts.values()) if least else 0
        return short + max(0, least_groups - len(counts)) * max(1, least)

    def _needs(self) -> bool:
        return len(self._order) < self._least or any(self._need(index) for index in range(len(self._rules)))

    def _helps(self, cell: Groups) -> int:
        """For how many rules a cluster of `cell` is one that is needed."""
        helped = sum(self._need(i, group) < self._need(i) for i, group in enumerate(cell))
        return helped + (len(self._order) < self._least)

    def _take(self, cell: Groups) -> None:
        self._order.append(self._cells[cell][self._taken[cell]])
        self._taken[cell] += 1
        for index, group in enumerate(cell):
            self._counts[index][group] = self._counts[index].get(group, 0) + 1

    def _give_back(self, cell: Groups) -> None:
        self._order.pop()
        self._taken[cell] -= 1
        for index, group in enumerate(cell):
            self._counts[index][group] -= 1
            if not self._counts[index][group]:
                del self._counts[index][group]
