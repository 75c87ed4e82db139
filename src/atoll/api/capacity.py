"""What a cluster has, in sums."""

import msgspec

from atoll.api.cluster import Resources


class Capacity(msgspec.Struct, frozen=True):
    """The sums over a cluster. Regions and zones are sorted by how many nodes they have, then by name."""

    nodes: int = 0
    ready_nodes: int = 0
    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    allocatable: Resources = Resources()
    requested: Resources | None = Resources()
    """None where Pods may not be read."""
