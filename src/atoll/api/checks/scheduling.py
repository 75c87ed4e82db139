"""How clusters are chosen and a total is divided: what can never be met, or has no effect."""

import difflib
from collections.abc import Iterable, Iterator

from atoll.api.checks.case import Case, Placed
from atoll.api.checks.placement import label
from atoll.api.issues import Issue, warning
from atoll.api.placement import Placement
from atoll.api.replicas import Share

TOPOLOGY = ("region", "zone", "provider", "cluster")
ROOM = ("capacity", "packed")


def placed(case: Case) -> Iterator[Issue]:
    """Without a placement of its own it needs its namespace's."""
    if case.app.spec.placement is not None:
        return
    if case.defaults:
        yield Issue(
            "spec",
            "placement is missing: give clusters, selector or where, or all: true, or make an ApplicationDefaults for "
            "the namespace",
        )
    else:
        yield warning("spec", "placement is missing: it needs an ApplicationDefaults of its namespace, or of all")


def spreads(case: Case) -> Iterator[Issue]:
    """Spread, fallback and neighbours of the placement."""
    placement = case.app.spec.placement
    if placement is None:
        return
    for index, rule in enumerate(placement.spread):
        yield from _topology(rule.by, f"spec.placement.spread[{index}].by")
    for field, terms in (("affinity", placement.affinity), ("antiAffinity", placement.anti_affinity)):
        for index, term in enumerate(terms):
            at = f"spec.placement.{field}[{index}]"
            yield from _topology(term.by, f"{at}.by")
            if term.application and term.application == case.app.metadata.name:
                yield Issue(f"{at}.application", "is this Application itself: name another")
    yield from _impossible(placement)
    yield from _without_effect(case, placement)


def divisions(case: Case) -> Iterator[Issue]:
    """Limits of the division, and what can't be divided."""
    replicas = case.app.spec.replicas
    if replicas is None:
        return
    shares: dict[str, Share] = {"spec.replicas": replicas}
    shares |= {f"spec.replicas.workloads[{name}]": share for name, share in replicas.workloads.items()}
    placement = case.app.spec.placement
    named = placement.clusters if placement is not None else ()
    for at, share in shares.items():
        yield from _limits(share, named, at)
        if placement is not None and not placement.fallback:
            yield from _weights(share, named, at)
    for placed in case.objects:
        if placed.id.kind == "Job" and placed.id.name in replicas.workloads and _is_indexed(placed):
            yield Issue(
                f"spec.replicas.workloads[{placed.id.name}]",
                "is an Indexed Job: each cluster would begin at index 0, so its completions can't be divided",
            )


def _topology(by: str, path: str) -> Iterator[Issue]:
    """One of four words, or a label's key. A word that is almost one of the four is a slip."""
    if by in TOPOLOGY:
        return
    near = difflib.get_close_matches(by.lower(), TOPOLOGY, n=1, cutoff=0.75) if "/" not in by else []
    if near:
        yield Issue(path, f"unknown topology key {by}: did you mean {near[0]}? A label's key may be given too")
    else:
        yield from label(by, "", path)


def _impossible(placement: Placement) -> Iterator[Issue]:
    """Rules that no fleet can meet, and those that the named clusters can't."""
    bounds = [(index, rule) for index, rule in enumerate(placement.spread) if rule.by == "cluster"]
    most = min((rule.max for _, rule in bounds if rule.max is not None), default=None)
    for index, rule in enumerate(placement.spread):
        at = f"spec.placement.spread[{index}]"
        each = rule.clusters.min if rule.clusters is not None else 1
        wanted = rule.min * max(1, each)
        if most is not None and wanted > most:
            yield Issue(f"{at}.min", f"needs {wanted} clusters, and spread by cluster allows {most}")
        named = len(set(placement.clusters))
        if named and wanted > named and not placement.fallback:
            yield Issue(f"{at}.min", f"needs {wanted} clusters, and placement.clusters names {named}")


def _without_effect(case: Case, placement: Placement) -> Iterator[Issue]:
    replicas = case.app.spec.replicas
    packs = replicas is not None and replicas.divide == "packed"
    bounded = any(
        rule.max is not None or (rule.clusters is not None and rule.clusters.max is not None)
        for rule in placement.spread
    )
    if placement.prefer and not bounded and not packs:
        yield warning(
            "spec.placement.prefer", "has no effect: all clusters are taken; give spread a max, or divide: packed"
        )


def _limits(share: Share, named: Iterable[str], at: str) -> Iterator[Issue]:
    """The sum of what is at least, where all clusters are named, must not be above the total."""
    names = set(named)
    if share.total is None or not names or not share.limits:
        return
    every_other = share.limits.get("*")
    limits = [found for name in names if (found := share.limits.get(name, every_other)) is not None]
    least = sum(found.min for found in limits)
    if least > share.total:
        yield Issue(f"{at}.limits", f"the clusters' min sum to {least}, more than the total of {share.total}")
    mosts = [found.max for found in limits if found.max is not None]
    if len(mosts) == len(names) and sum(mosts) < share.total:
        yield Issue(f"{at}.limits", f"the clusters' max sum to {sum(mosts)}, less than the total of {share.total}")


def _weights(share: Share, named: Iterable[str], at: str) -> Iterator[Issue]:
    """Where all clusters are named, one of them must have a weight. All weights 0 is told by the CRD already."""
    names = sorted(set(named))
    if not share.total or not names or not any(share.weights.values()):
        return
    every_other = share.weights.get("*", 0)
    if not any(share.weights.get(name, every_other) for name in names):
        yield Issue(f"{at}.weights", f"are 0 for {', '.join(names[:5])}: none carries the {share.total} replicas")


def _is_indexed(placed: Placed) -> bool:
    spec = placed.body.get("spec")
    return isinstance(spec, dict) and spec.get("completionMode") == "Indexed"
