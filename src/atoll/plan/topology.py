"""Groups of clusters: by region, zone, provider, by themselves, or by a label's value."""

from collections.abc import Callable

from atoll.plan.model import ClusterFacts

CLUSTER = "cluster"
_FIELDS: dict[str, Callable[[ClusterFacts], str]] = {
    "region": lambda facts: facts.region,
    "zone": lambda facts: facts.zone,
    "provider": lambda facts: facts.provider,
    CLUSTER: lambda facts: facts.name,
}
_ALIASES = {"topology.kubernetes.io/region": "region", "topology.kubernetes.io/zone": "zone"}


def group_of(by: str) -> Callable[[ClusterFacts], str]:
    """A function that says in which group a cluster is; "" where that isn't known of it."""
    field = _FIELDS.get(_ALIASES.get(by, by))
    return field if field is not None else lambda facts: facts.labels.get(by, "")


def unknown(by: str) -> str:
    """Why a cluster is in no group, in words."""
    name = _ALIASES.get(by, by)
    return f"its {name} is not known" if name in _FIELDS else f"it has no label {by}"
