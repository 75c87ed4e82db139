"""Clusters: names, selectors and expressions of the placement, the differences and the weights."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from atoll.api.checks.case import Case
from atoll.api.common import LABEL_VALUE, LabelSelector
from atoll.api.expressions import Expression, ExpressionError
from atoll.api.issues import Issue, warning
from atoll.api.placement import ClusterTarget
from atoll.api.replicas import Share

EVERY_OTHER = "*"
COLLECTION, CLUSTER_SIZE, OBJECT_SIZE = 32, 80, 500
"""By what the work of expressions is judged beforehand: items of a collection, parts of a cluster and of an object."""
MOST_UNITS = 200_000
"""Of all expressions of an Application, for one cluster or one object; see `effort`."""
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def clusters(case: Case) -> Iterator[Issue]:
    """Names that no cluster has are warnings: GitOps may bring the cluster later."""
    spec = case.app.spec
    placed = set(spec.placement.clusters) if spec.placement and not spec.placement.fallback else set()
    for target, at in _targets(case):
        yield from _names(case, target.clusters, f"{at}.clusters")
        if at.startswith("spec.differences") and placed:
            yield from _outside(target.clusters, placed, f"{at}.clusters")
    if spec.replicas is not None:
        shares: dict[str, Share] = {"spec.replicas": spec.replicas}
        shares |= {f"spec.replicas.workloads[{name}]": share for name, share in spec.replicas.workloads.items()}
        for at, share in shares.items():
            for field, given in (("weights", share.weights), ("limits", share.limits)):
                named = [name for name in given if name != EVERY_OTHER]
                yield from _names(case, named, f"{at}.{field}")
                yield from _outside(named, placed, f"{at}.{field}") if placed else ()


def selectors(case: Case) -> Iterator[Issue]:
    for target, at in _targets(case):
        if target.selector is not None:
            yield from _selector(target.selector, f"{at}.selector")
    for index, select in enumerate(case.app.spec.select):
        if select.label_selector is not None:
            yield from _selector(select.label_selector, f"spec.select[{index}].labelSelector")


def expressions(case: Case) -> Iterator[Issue]:
    """Each by itself, and all about clusters, or about objects, together: the hub asks them for everybody in turn."""
    spec = case.app.spec
    wheres = [(target.where, f"{at}.where") for target, at in _targets(case) if target.where is not None]
    rules = [
        (text, f"spec.health[{index}].{field}")
        for index, rule in enumerate(spec.health)
        for field in ("degraded", "healthy", "suspended", "message")
        if (text := getattr(rule, field)) is not None
    ]
    for variable, size, told in (("cluster", CLUSTER_SIZE, wheres), ("object", OBJECT_SIZE, rules)):
        left = MOST_UNITS
        for text, path in told:
            try:
                units = Expression.compile(text, variable).units(COLLECTION, size)
            except ExpressionError as error:
                yield Issue(path, f"{error} (CEL)")
                continue
            if units > left:
                yield Issue(path, "too much to compute, with all expressions before it (CEL): nest fewer macros")
                break
            left -= units


def _targets(case: Case) -> Iterator[tuple[ClusterTarget, str]]:
    placement = case.app.spec.placement
    if placement is not None:
        yield placement, "spec.placement"
        for index, preference in enumerate(placement.prefer):
            yield preference, f"spec.placement.prefer[{index}]"
        for index, group in enumerate(placement.fallback):
            yield group, f"spec.placement.fallback[{index}]"
    for index, difference in enumerate(case.app.spec.differences):
        yield difference, f"spec.differences[{index}]"
    for index, stage in enumerate(case.app.spec.rollout.stages if case.app.spec.rollout else ()):
        yield stage, f"spec.rollout.stages[{index}]"


def _names(case: Case, names: Iterable[str], at: str) -> Iterator[Issue]:
    for name, times in Counter(names).items():
        if times > 1:
            yield warning(at, f"{name} is named {times} times")
        if case.clusters is not None and name not in case.clusters:
            near = difflib.get_close_matches(name, case.clusters, n=1)
            yield warning(at, f"there is no cluster {name} yet" + (f": did you mean {near[0]}?" if near else ""))


def _outside(names: Iterable[str], placed: set[str], at: str) -> Iterator[Issue]:
    for name in names:
        if name not in placed:
            yield warning(at, f"{name} is not in spec.placement.clusters: this has no effect there")


def _selector(selector: LabelSelector, at: str) -> Iterator[Issue]:
    for key, value in selector.match_labels.items():
        yield from label(key, value, f"{at}.matchLabels[{key}]")
    for index, requirement in enumerate(selector.match_expressions):
        path = f"{at}.matchExpressions[{index}]"
        yield from label(requirement.key, "", f"{path}.key")
        for value in requirement.values:
            yield from label("valid", value, f"{path}.values")


def label(key: str, value: str, path: str) -> Iterator[Issue]:
    """A label's key is `[prefix/]name`, its name and its value at most 63 of letters, digits, `-`, `_` and `.`."""
    prefix, slash, name = key.rpartition("/")
    if not name or not LABEL_VALUE.fullmatch(name) or (slash and (not _PREFIX.fullmatch(prefix) or len(prefix) > 253)):
        yield Issue(
            path, f"{key!r} can't be a label's key: [prefix/]name, the name at most 63 of letters, digits, - _ ."
        )
    if not LABEL_VALUE.fullmatch(value):
        yield Issue(path, f"{value!r} can't be a label's value: at most 63 of letters, digits, - _ .")
