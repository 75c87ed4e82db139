"""Which clusters a federated object is for: by name or by label, and no further than its namespace's placement."""

from collections.abc import Mapping

from atoll.api.kubefed.common import ClusterSelector, SelectorRequirement
from atoll.api.kubefed.federated import Placement

Clusters = Mapping[str, Mapping[str, str]]
"""The labels of each KubeFedCluster, by its name."""


class PlacementError(Exception):
    """A placement that can't be computed; `path` is the field below `spec`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def selected(placement: Placement | None, clusters: Clusters, *, by_selector: bool = False) -> frozenset[str]:
    """Those of `clusters` that are meant. Names, be there none, win over a selector, unless it is asked for alone.

    Raises PlacementError for a selector that means nothing.
    """
    if placement is None:
        return frozenset()
    if placement.clusters is not None and not by_selector:
        return frozenset(reference.name for reference in placement.clusters) & clusters.keys()
    if placement.cluster_selector is None:
        return frozenset()
    selector = placement.cluster_selector
    _judge(selector)
    return frozenset(name for name, labels in clusters.items() if matches(selector, labels))


def matches(selector: ClusterSelector, labels: Mapping[str, str]) -> bool:
    """Whether all of `selector` holds; an empty one always does."""
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: SelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":  # an absent label is in no set
            return value not in requirement.values
        case "Exists":
            return value is not None
    return value is None


def _judge(selector: ClusterSelector) -> None:
    for index, requirement in enumerate(selector.match_expressions):
        path = f"placement.clusterSelector.matchExpressions[{index}]"
        match requirement.operator:
            case "In" | "NotIn":
                if not requirement.values:
                    raise PlacementError(f"{path}.values", f"{requirement.operator} needs at least one value")
            case "Exists" | "DoesNotExist":
                if requirement.values:
                    raise PlacementError(f"{path}.values", f"{requirement.operator} takes no values")
            case other:
                raise PlacementError(f"{path}.operator", f"{other!r} is not In, NotIn, Exists or DoesNotExist")
