"""The status of a federated object, by KubeFed's rules. Pure."""

from collections.abc import Mapping
from typing import Any

from atoll.api.kubefed.federated import ClusterPropagation, FederatedStatus, PropagationCondition
from atoll.api.kubefed.names import CONDITION_PROPAGATION, Propagation, Reason


def federated_status(
    before: FederatedStatus,
    *,
    generation: int,
    reason: Reason,
    words: Mapping[str, Propagation],
    remote: Mapping[str, Any] | None,
    now: str,
) -> FederatedStatus:
    """The status to write; `before` itself when nothing is to be written.

    reason: SUCCESS, unless no cluster could even be looked at. remote: the members' own statuses, by cluster; None
    when they aren't gathered. now: RFC 3339.
    """
    if reason == Reason.SUCCESS and any(_troubles(name, word, remote) for name, word in words.items()):
        reason = Reason.CHECK_CLUSTERS
    clusters = tuple(
        ClusterPropagation(name, words[name].value, None if remote is None else remote.get(name))
        for name in sorted(words)
    )
    changed = clusters != tuple(sorted(before.clusters, key=lambda cluster: cluster.name))
    known = next((one for one in before.conditions if one.type == CONDITION_PROPAGATION), None)
    status = "True" if reason == Reason.SUCCESS else "False"
    turned = known is None or (known.status, known.reason) != (status, reason.value)
    if not (turned or changed) and before.observed_generation == generation:
        return before
    condition = PropagationCondition(
        CONDITION_PROPAGATION,
        status,
        reason.value,
        now if known is None or turned or changed else known.last_update_time,
        now if known is None or turned else known.last_transition_time,
    )
    others = tuple(one for one in before.conditions if one.type != CONDITION_PROPAGATION)
    return FederatedStatus(generation, (condition, *others), clusters if changed else before.clusters)


def _troubles(name: str, word: Propagation, remote: Mapping[str, Any] | None) -> bool:
    """A member without a status of its own yet counts as trouble where statuses are gathered."""
    return word != Propagation.OK or (remote is not None and remote.get(name) is None)
