"""State that goes along: what `failover.carry` names is set where the application comes to, as it was where it leaves.

Only moves that nobody ordered carry anything: a cluster that is lost, drained, closed to it, or where it is Degraded.
What a cluster was brought it keeps as long as it has the application, whatever else changes: taking it away would start
its Pods anew.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from atoll.api.common import LABEL_VALUE
from atoll.api.failover import Carry
from atoll.api.intent import Intent
from atoll.api.objects import Manifest
from atoll.plan.env import with_env
from atoll.plan.metadata import with_annotations, with_labels
from atoll.plan.model import Snapshot, Standing
from atoll.plan.patches import meant
from atoll.plan.podspecs import edit_containers

_UNKNOWN = Standing()


class Cargo(NamedTuple):
    """What one cluster is brought, by name, and from which cluster."""

    values: dict[str, str]
    source: str


class Carried(NamedTuple):
    """The cargo of each cluster that has any; what can't be carried, in words."""

    cargo: dict[str, Cargo]
    warnings: tuple[str, ...] = ()


def rules_of(intent: Intent) -> tuple[Carry, ...]:
    return intent.failover.carry if intent.failover is not None else ()


def carried(intent: Intent, placed: Collection[str], leaving: Mapping[str, str], fleet: Snapshot) -> Carried:
    """What each of `placed` is brought; `leaving` are those of them that stay only until others are ready.

    Who comes while others begin to leave gets what these had: the first by name of the first, and so on, beginning
    again where more come than leave.
    """
    rules = rules_of(intent)
    if not rules:
        return Carried({})
    names = {rule.name for rule in rules}
    before, standing = fleet.previous.get(intent.key, {}), fleet.standing.get(intent.key, {})
    cargo = {
        name: Cargo({n: v for n, v in stands.carried.items() if n in names}, stands.came_from)
        for name, stands in standing.items()
        if name in placed and names & stands.carried.keys()
    }
    comes = sorted(
        name for name in placed if name not in leaving and (name not in before or standing.get(name, _UNKNOWN).leaving)
    )
    leaves = [name for name in sorted(before) if _begins_to_leave(name, placed, leaving, fleet, standing)]
    had = [(name, found) for name in leaves if (found := _had(standing.get(name, _UNKNOWN), names))]
    if not had:
        return Carried(cargo)
    warnings: dict[str, None] = {}
    for index, name in enumerate(comes):
        source, values = had[index % len(had)]
        complaints = _unfit(rules, values, source)
        warnings |= dict.fromkeys(complaints.values())
        fit = {n: value for n, value in values.items() if n not in complaints}
        if fit:
            cargo[name] = Cargo(fit, source)
    return Carried(cargo, tuple(warnings))


def _begins_to_leave(
    name: str,
    placed: Collection[str],
    leaving: Mapping[str, str],
    fleet: Snapshot,
    standing: Mapping[str, Standing],
) -> bool:
    """Who has been about to leave for a while was replaced then."""
    if standing.get(name, _UNKNOWN).leaving:
        return False
    return name in leaving or (fleet.steady and name not in placed)


def _had(stands: Standing, names: Collection[str]) -> dict[str, str]:
    """What was seen there last, else what was brought there."""
    return {name: value for name, value in {**stands.carried, **stands.carry}.items() if name in names}


def _unfit(rules: Collection[Carry], values: Mapping[str, str], source: str) -> dict[str, str]:
    """What can't be a label, by name, in words."""
    return {
        rule.name: f"spec.failover.carry[{index}]: not carried: what {source} had for {rule.name} is no label's value"
        for index, rule in enumerate(rules)
        if rule.as_ == "label" and rule.name in values and not LABEL_VALUE.fullmatch(values[rule.name])
    }


def with_cargo(
    objects: tuple[Manifest, ...], rules: Collection[Carry], values: Mapping[str, str]
) -> tuple[Manifest, ...]:
    """The objects with what is brought to them."""
    for rule in rules:
        if rule.name in values:
            target, value = rule.to or rule.target, values[rule.name]
            objects = tuple(_with(m, rule, value) if meant(target, m) else m for m in objects)
    return objects


def _with(manifest: Manifest, rule: Carry, value: str) -> Manifest:
    match rule.as_:
        case "label":
            return with_labels(manifest, {rule.name: value})
        case "annotation":
            return with_annotations(manifest, {rule.name: value})
        case "env":
            return edit_containers(manifest, lambda container: with_env(container, {rule.name: value}))
