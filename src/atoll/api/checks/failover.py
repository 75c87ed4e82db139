"""Failover: times that mean something, and state that can be carried."""

import re
from collections import Counter
from collections.abc import Iterator

from atoll.api.checks.case import Case
from atoll.api.checks.manifests import reserved
from atoll.api.checks.placement import label
from atoll.api.checks.references import absent
from atoll.api.durations import seconds
from atoll.api.failover import Carry
from atoll.api.issues import Issue, warning
from atoll.api.podspec import pod_spec

SHORTEST = 15
_VARIABLE = re.compile(r"[A-Za-z_][-._A-Za-z0-9]*")


def failovers(case: Case) -> Iterator[Issue]:
    failover = case.app.spec.failover
    if failover is None:
        return
    if seconds(failover.after) < SHORTEST:
        yield warning(
            "spec.failover.after",
            f"is shorter than it takes to find out that a cluster is lost, up to {SHORTEST} s: several that are lost "
            "at once may not count as such",
        )
    times = Counter(carry.name for carry in failover.carry)
    for index, carry in enumerate(failover.carry):
        at = f"spec.failover.carry[{index}]"
        if times[carry.name] > 1:
            yield Issue(f"{at}.name", f"{carry.name} is given {times[carry.name]} times: a name stands for one value")
        yield from _name(carry, at)
        yield from _objects(case, carry, at)


def _name(carry: Carry, at: str) -> Iterator[Issue]:
    if carry.as_ == "env":
        if not _VARIABLE.fullmatch(carry.name):
            yield Issue(f"{at}.name", f"{carry.name} is no name of a variable: letters, digits, _, - and .")
        return
    yield from label(carry.name, "", f"{at}.name")
    yield from (Issue(f"{at}.name", issue.message) for issue in reserved({carry.name: ""}, at))


def _objects(case: Case, carry: Carry, at: str) -> Iterator[Issue]:
    """A warning only: what the defaults of a namespace say needn't meet anything in each Application."""
    if not case.complete:
        return
    for target, path in ((carry.target, f"{at}.target"), (carry.to or carry.target, f"{at}.to")):
        meant, complaint = absent(target, case)
        if complaint:
            yield warning(path, complaint)
            return
    if carry.as_ == "env" and not any(pod_spec(placed.body) for placed in meant):
        yield warning(f"{at}.{'to' if carry.to else 'target'}", "has no Pods: there is nobody to get a variable")
