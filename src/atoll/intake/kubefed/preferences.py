"""A ReplicaSchedulingPreference: from its words to planning's, and from a division to what stands on its target."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from atoll.api.kubefed.federated import Federated, FederatedSpec
from atoll.api.kubefed.names import ALL_CLUSTERS
from atoll.api.kubefed.preference import ClusterPreference, PreferenceSpec
from atoll.api.objects import Json
from atoll.api.replicas import ReplicaLimits, Replicas

TARGETS = frozenset({"FederatedDeployment", "FederatedReplicaSet"})
REPLICAS = "/spec/replicas"


def replicas(spec: PreferenceSpec, clusters: Iterable[str]) -> Replicas:
    """How many each of `clusters` is to get, in Atoll's words."""
    wanted = spec.clusters or {ALL_CLUSTERS: ClusterPreference(weight=1)}
    names = sorted(clusters)
    chosen = {name: found for name in names if (found := wanted.get(name, wanted.get(ALL_CLUSTERS))) is not None}
    return Replicas(
        total=max(0, spec.total_replicas),
        divide="kubefed",
        weights={name: max(0, chosen[name].weight) if name in chosen else 0 for name in names},
        limits={
            name: ReplicaLimits(max(0, one.min_replicas), one.max_replicas)
            for name, one in chosen.items()
            if one.min_replicas > 0 or one.max_replicas is not None
        },
        rebalance=spec.rebalance,
    )


def change(federated: Federated, shares: Mapping[str, int]) -> Json | None:
    """The merge patch by which `federated` gets its placement and replicas; None when it has them."""
    spec = federated.spec or FederatedSpec()
    named = spec.placement.clusters if spec.placement is not None else None
    names = None if named is None else sorted(reference.name for reference in named)
    patch: Json = {}
    if names != sorted(shares):
        patch["placement"] = {"clusters": [{"name": name} for name in sorted(shares)]}
    overrides = msgspec.to_builtins(spec.overrides or ())
    if _needed(overrides, shares):
        patch["overrides"] = _with_replicas(overrides, shares)
    return {"spec": patch} if patch else None


def _needed(overrides: Iterable[Json], shares: Mapping[str, int]) -> bool:
    said = [
        (one.get("clusterName"), override.get("value"))
        for one in overrides
        for override in one.get("clusterOverrides") or ()
        if override.get("path") == REPLICAS
    ]
    return len(said) != len(shares) or any(
        isinstance(value, bool) or not isinstance(value, int | float) or shares.get(str(name)) != value
        for name, value in said
    )


def _with_replicas(overrides: Iterable[Json], shares: Mapping[str, int]) -> list[Any]:
    """Other overrides stay; who gets no share loses its own number."""
    result, left = [], dict(shares)
    for one in overrides:
        name = str(one.get("clusterName"))
        number = left.pop(name, None)
        changes = []
        for override in one.get("clusterOverrides") or ():
            if override.get("path") != REPLICAS:
                changes.append(override)
            elif number is not None:
                changes.append({**override, "value": number})
                number = None
        if number is not None:
            changes.append({"path": REPLICAS, "value": number})
        result.append({**one, "clusterOverrides": changes})
    result += [
        {"clusterName": name, "clusterOverrides": [{"path": REPLICAS, "value": left[name]}]} for name in sorted(left)
    ]
    return result
