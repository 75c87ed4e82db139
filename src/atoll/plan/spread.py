"""Which of the clusters that may have the application should: spread over regions, zones, providers and clusters.

Without a rule, all of them. What is there stays where the rules allow it. When a minimum can't be met, nothing is
placed that wasn't anywhere before; what was goes on, as well as the rules allow, with a warning: half a region lost is
no reason to take down the other half.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from atoll.api.placement import Spread
from atoll.plan.model import ClusterFacts
from atoll.plan.selection import UNBOUNDED, Candidate, Groups, Limits, Selection
from atoll.plan.topology import CLUSTER, group_of, unknown


class Choice(NamedTuple):
    """The chosen clusters, why each other one isn't, and which rule's minimum can't be met, in words."""

    chosen: list[str]
    refused: dict[str, str]
    unmet: str = ""


def spread(
    candidates: Sequence[Candidate], rules: Sequence[Spread], clusters: Mapping[str, ClusterFacts], *, placed: bool
) -> Choice:
    """Choose. `clusters` holds the facts of each candidate; `placed` says that the application was anywhere before."""
    if not rules:
        return Choice([candidate.name for candidate in candidates], {})
    grouping = [rule for rule in rules if rule.by != CLUSTER]
    limits, total = [_limits(rule) for rule in grouping], _total(rules)
    pool, groups, refused = _grouped(candidates, grouping, clusters)
    large, small = _in_large_groups(pool, groups, grouping)
    for keep in (True, False):
        selection = Selection(large, groups, limits, total)
        chosen = selection.search(keep=keep)
        if chosen is not None:
            words = _not_taken(large, chosen, selection, groups, rules)
            return Choice(chosen, refused | small | words)
    unmet = _unmet(pool, groups, rules)
    if not placed:
        return Choice([], refused | dict.fromkeys((c.name for c in pool), unmet), unmet)
    selection = Selection(pool, groups, limits, total)
    chosen = selection.search(lenient=True) or []
    return Choice(chosen, refused | _not_taken(pool, chosen, selection, groups, rules), unmet)


def _limits(rule: Spread) -> Limits:
    each = rule.clusters
    return Limits(
        (rule.min, UNBOUNDED if rule.max is None else rule.max),
        (each.min if each else 0, UNBOUNDED if each is None or each.max is None else each.max),
    )


def _total(rules: Sequence[Spread]) -> tuple[int, int]:
    bounds = [(rule.min, UNBOUNDED if rule.max is None else rule.max) for rule in rules if rule.by == CLUSTER]
    return max((least for least, _ in bounds), default=0), min((most for _, most in bounds), default=UNBOUNDED)


def _grouped(
    candidates: Sequence[Candidate], rules: Sequence[Spread], clusters: Mapping[str, ClusterFacts]
) -> tuple[list[Candidate], dict[str, Groups], dict[str, str]]:
    """Those that are in a group by every rule, all groups, and why the others are in none."""
    asks = [group_of(rule.by) for rule in rules]
    groups = {c.name: tuple([ask(clusters[c.name]) for ask in asks]) for c in candidates}
    nowhere = {c.name: rules[groups[c.name].index("")].by for c in candidates if "" in groups[c.name]}
    refused = {name: f"spread by {by}: {unknown(by)}" for name, by in nowhere.items()}
    return [c for c in candidates if c.name not in refused], groups, refused


def _in_large_groups(
    pool: Sequence[Candidate], groups: Mapping[str, Groups], rules: Sequence[Spread]
) -> tuple[list[Candidate], dict[str, str]]:
    """Those in groups with as many clusters as are wanted of a group, and why others aren't; one leads to another."""
    large, refused = list(pool), dict[str, str]()
    while True:
        small: dict[str, str] = {}
        for index, rule in enumerate(rules):
            least = rule.clusters.min if rule.clusters else 0
            counts = Counter(groups[c.name][index] for c in large) if least > 1 else Counter[str]()
            for candidate in large if counts else ():
                group = groups[candidate.name][index]
                if counts[group] < least:
                    words = f"spread by {rule.by}: {least} clusters are wanted in {group}, {counts[group]} may have it"
                    small[candidate.name] = words
        if not small:
            return large, refused
        refused |= small
        large = [c for c in large if c.name not in small]


def _not_taken(
    pool: Sequence[Candidate],
    chosen: Sequence[str],
    selection: Selection,
    groups: Mapping[str, Groups],
    rules: Sequence[Spread],
) -> dict[str, str]:
    taken, words = set(chosen), dict[Groups, str]()
    refused: dict[str, str] = {}
    for name in (candidate.name for candidate in pool if candidate.name not in taken):
        if groups[name] not in words:
            words[groups[name]] = _in_words(selection, groups[name], rules)
        refused[name] = words[groups[name]]
    return refused


def _in_words(selection: Selection, groups: Groups, rules: Sequence[Spread]) -> str:
    index = selection.refusing(groups)
    if index is None:
        return "spread: it would leave no room for what the rules want still"
    if index < 0:
        return f"spread by cluster: at most {_total(rules)[1]}, and others come first"
    rule, group = [rule for rule in rules if rule.by != CLUSTER][index], groups[index]
    if selection.opened(index, group) and rule.clusters is not None and rule.clusters.max is not None:
        return f"spread by {rule.by}: at most {rule.clusters.max} in {group}, and others come first"
    return f"spread by {rule.by}: at most {rule.max}, and {group} is not among them"


def _unmet(pool: Sequence[Candidate], groups: Mapping[str, Groups], rules: Sequence[Spread]) -> str:
    """The first minimum that can't be met by itself; else it is that they can't be together."""
    index = 0
    for rule in rules:
        if rule.by == CLUSTER:
            count = len(pool)
            named = "clusters"
        else:
            found = sorted({groups[c.name][index] for c in pool})
            count, index = len(found), index + 1
            named = f"of these ({', '.join(found[:5])})" if found else "of these"
        if count < rule.min:
            return f"spread by {rule.by}: at least {rule.min} are wanted, {count} {named} may have it"
    return "spread: no choice of clusters meets all rules together"
