"""From KubeFed's placement to an Application's: where both the object and its namespace are placed."""

import msgspec

from atoll.api.common import LabelSelector
from atoll.api.kubefed.common import ClusterSelector
from atoll.api.kubefed.federated import Placement
from atoll.api.objects import Json
from atoll.intake.kubefed.placement import PlacementError

NOWHERE: Json = {"where": "false"}
"""A placement that means no cluster, ever."""


def together(*placements: Placement | None) -> Json:
    """A placement that means the clusters that each of `placements` means, now and later. Raises PlacementError."""
    named: list[str] | None = None
    selectors: list[LabelSelector] = []
    for placement in placements:
        if placement is None or (placement.clusters is None and placement.cluster_selector is None):
            return NOWHERE
        if placement.clusters is not None:
            names = list(dict.fromkeys(c.name for c in placement.clusters))
            named = names if named is None else [name for name in named if name in names]
        elif placement.cluster_selector is not None:
            selectors.append(_selector(placement.cluster_selector))
    if named is not None and not named:
        return NOWHERE
    found: Json = {"clusters": named} if named is not None else {}
    if selector := _joined(selectors):
        found["selector"] = selector
    return found or {"all": True}


def by_selector(placement: Placement | None) -> Placement:
    """What `placement` means when its selector alone counts."""
    return Placement(cluster_selector=placement.cluster_selector if placement else None)


EVERYWHERE = Placement(cluster_selector=ClusterSelector())


def _selector(selector: ClusterSelector) -> LabelSelector:
    try:
        return msgspec.convert(msgspec.to_builtins(selector), LabelSelector)
    except msgspec.ValidationError as error:
        raise PlacementError("placement.clusterSelector", str(error)) from error


def _joined(selectors: list[LabelSelector]) -> Json:
    """One selector that holds where all hold."""
    labels: dict[str, str] = {}
    expressions: list[Json] = []
    for selector in selectors:
        for key, value in selector.match_labels.items():
            if labels.setdefault(key, value) != value:
                expressions.append({"key": key, "operator": "In", "values": [value]})
        expressions += [e for e in msgspec.to_builtins(selector.match_expressions) if e not in expressions]
    return ({"matchLabels": labels} if labels else {}) | ({"matchExpressions": expressions} if expressions else {})
