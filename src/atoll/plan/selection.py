"""The choice of clusters under rules of spread: a bounded search that keeps what is there.

Clusters whose groups are all the same are one cell: for the rules they are interchangeable, so the search looks at
cells and takes each cell's clusters in their order. A choice grows one cluster at a time; a cluster is taken only if
what the rules still need has room afterwards. First comes what is there already, then whatever meets a need of a rule
(the only step that goes back on itself), then the rest, evenly.
"""

from collections.abc import Collection, Mapping, Sequence
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


_Turn = tuple[int, bool, tuple[int, ...], tuple[int, ...], str]


def _turn(need: int, head: Candidate, even: tuple[int, ...]) -> _Turn:
    """Whose turn it is, the least first: who is needed most, is there, is worth most, whose groups are small."""
    return need, not head.there, head.worth[:-1], even + head.worth[-1:], head.name


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
        for candidate in sorted(candidates, key=lambda c: (not c.there, c.worth, c.name)):
            self._cells.setdefault(groups[candidate.name], []).append(candidate)
        self._taken: dict[Groups, int] = dict.fromkeys(self._cells, 0)
        self._counts: list[dict[str, int]] = [{} for _ in rules]
        self._missing = [rule.groups[0] * max(1, rule.clusters[0]) for rule in rules]
        """By rule: how many clusters it needs still; `_before`: and did before each that was taken."""
        self._before: list[tuple[int, ...]] = []
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
        while (cell := self._next(there=there, lenient=lenient)) is not None:
            self._take(cell)
            members = self._cells[cell]
            while whole and self._taken[cell] < len(members) and (not there or members[self._taken[cell]].there):
                self._take(cell)

    def _satisfy(self) -> bool:
        """Take clusters until every need is met; go back where that fails. False when it can't be done."""
        taken: list[Groups] = []
        tried: list[set[Groups]] = [set()]
        while self._needs():
            self._steps += 1
            cell = self._next(there=False, without=tried[-1]) if self._steps <= MOST_STEPS else None
            if cell is not None:
                tried[-1].add(cell)
                self._take(cell)
                taken.append(cell)
                tried.append(set())
            elif taken:
                self._give_back(taken.pop())
                tried.pop()
            else:
                return False
        return True

    def _next(self, *, there: bool, lenient: bool = False, without: Collection[Groups] | None = None) -> Groups | None:
        """The cell whose turn it is. With `without`, of those that meet a need, and aren't among these."""
        best: tuple[_Turn, Groups] | None = None
        helped = sum(map(bool, self._missing)) + (len(self._order) < self._least) if without is not None else 0
        nobody = (0,) * len(self._rules)
        for cell, members in self._cells.items():
            first = members[0]
            if best is not None and best[0] < _turn(-helped, first, nobody):
                break  # they are in this order: whoever comes now can't be before it
            if self._taken[cell] >= len(members):
                continue
            head = members[self._taken[cell]]
            need = -self._helps(cell) if without is not None else 0
            if without is not None and (not need or cell in without):
                continue
            if (there and not head.there) or not self._admits(cell, lenient=lenient):
                continue
            even = tuple([counts.get(group, 0) for counts, group in zip(self._counts, cell, strict=True)])
            turn = _turn(need, head, even)
            if best is None or turn < best[0]:
                best = turn, cell
        return best[1] if best is not None else None

    def _admits(self, cell: Groups, *, lenient: bool) -> bool:
        """Whether one more of `cell` breaks nothing, and leaves room for what the rules need still."""
        if self.refusing(cell) is not None:
            return False
        if lenient or self._most >= UNBOUNDED:
            return True
        left = self._most - len(self._order) - 1
        return all(self._need(index, cell[index]) <= left for index in range(len(self._rules)))

    def _need(self, index: int, joining: str) -> int:
        """How many clusters a rule needs still, should one of the group `joining` be taken."""
        (least_groups, _), (least, _) = self._rules[index].groups, self._rules[index].clusters
        counts, need = self._counts[index], self._missing[index]
        count = counts.get(joining, 0)
        if count:
            return need - (count < least)
        fewer = max(1, least) if len(counts) < least_groups else 0
        return need - fewer + max(0, least - 1)

    def _needs(self) -> bool:
        return len(self._order) < self._least or any(self._missing)

    def _helps(self, cell: Groups) -> int:
        """For how many rules a cluster of `cell` is one that is needed."""
        helped = sum([self._need(i, group) < self._missing[i] for i, group in enumerate(cell)])
        return helped + (len(self._order) < self._least)

    def _take(self, cell: Groups) -> None:
        self._order.append(self._cells[cell][self._taken[cell]])
        self._taken[cell] += 1
        self._before.append(tuple(self._missing))
        for index, group in enumerate(cell):
            self._missing[index] = self._need(index, group)
            self._counts[index][group] = self._counts[index].get(group, 0) + 1

    def _give_back(self, cell: Groups) -> None:
        self._order.pop()
        self._missing[:] = self._before.pop()
        self._taken[cell] -= 1
        for index, group in enumerate(cell):
            self._counts[index][group] -= 1
            if not self._counts[index][group]:
                del self._counts[index][group]
