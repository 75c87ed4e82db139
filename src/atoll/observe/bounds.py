"""A status that fits: etcd and every reader of the object pay for each byte. Pure.

Above 100 clusters only rows with something to tell are full. Above 512 KiB the least urgent lose their problems first,
then all but name, state and health, and at last go altogether; each that lost something for this is counted. Beside a
large spec there is less room: what etcd takes is an object as a whole.
"""

from collections.abc import Iterable, Sequence

import msgspec

from atoll.api.status import ApplicationStatus, ClusterRow, PlacedCluster
from atoll.observe.reduce import SEVERITY

FEW = 100
MOST_BYTES = 512 * 1024
MOST_ROWS = 1024
"""What the CRD allows."""
REASONS_BYTES = 128 * 1024
"""Of these, how much may be spent on why a cluster was chosen."""
MARGIN = 1024
ETCD_BYTES = 1536 * 1024
"""The largest request that etcd takes by default (--max-request-bytes)."""
METADATA_BYTES = 64 * 1024
"""Of these, what is left to metadata.managedFields, which readers of an object don't get to see here."""
LEAST_BYTES = 64 * 1024
"""What a status may have whatever the spec: an inline one has 1 MiB at most."""

_encode = msgspec.json.Encoder().encode


def size(value: object) -> int:
    return len(_encode(value)) + 1  # and the comma


class _WithStatus(msgspec.Struct):
    status: msgspec.Raw = msgspec.Raw(b"")


def room(raw: bytes) -> int:
    """How many bytes the status of the object `raw`, JSON, may have beside everything else in it."""
    if len(raw) <= MOST_BYTES:
        return MOST_BYTES
    rest = len(raw) - len(memoryview(msgspec.json.decode(raw, type=_WithStatus).status))
    return max(LEAST_BYTES, min(MOST_BYTES, ETCD_BYTES - METADATA_BYTES - rest))


def bounded(status: ApplicationStatus, most: int = MOST_BYTES) -> ApplicationStatus:
    """`status` within its limits, `most` bytes among them; rows and placement sorted by cluster."""
    small = len(status.clusters) <= FEW and len(status.placement) <= FEW
    if small and size(status) <= min(most - MARGIN, REASONS_BYTES):  # nearly all
        return msgspec.structs.replace(
            status,
            placement=tuple(sorted(status.placement, key=lambda p: p.cluster)),
            clusters=tuple(sorted(status.clusters, key=lambda r: r.name)),
            truncated=0,
        )
    placement = _placement(sorted(status.placement, key=lambda p: p.cluster)[:MOST_ROWS])
    bare = msgspec.structs.replace(status, placement=placement, clusters=())
    rows, cut = fit(status.clusters, most - MARGIN - size(bare))
    return msgspec.structs.replace(bare, clusters=rows, truncated=cut)


def _placement(placement: Sequence[PlacedCluster]) -> tuple[PlacedCluster, ...]:
    """All clusters stay, whatever happens: after a restart they say where the application is."""
    if sum(size(p) for p in placement) <= REASONS_BYTES:
        return tuple(placement)
    return tuple(msgspec.structs.replace(p, why="") for p in placement)


def fit(rows: Iterable[ClusterRow], budget: int) -> tuple[tuple[ClusterRow, ...], int]:
    """Rows that take at most `budget` bytes together, by name, and how many lost something for that."""
    rows = sorted(rows, key=_urgency)
    few = len(rows) <= FEW
    wanted = [r if few or unwell(r) else compact(r) for r in rows]
    shapes = [(r, msgspec.structs.replace(r, problems=()), compact(r)) for r in wanted]
    least = [size(shape[2]) for shape in shapes]
    kept, spent = [], 0
    rest = sum(least)
    for place, (shape, smallest) in enumerate(zip(shapes, least, strict=True)):
        rest -= smallest
        if place >= MOST_ROWS:
            break
        for form in shape:
            needed = size(form)
            if spent + needed + (rest if form is not shape[2] else 0) <= budget:
                kept.append(form)
                spent += needed
                break
    full = set(map(id, wanted))
    whole = sum(1 for r in kept if id(r) in full)
    return tuple(sorted(kept, key=lambda r: r.name)), len(rows) - whole


def unwell(row: ClusterRow) -> bool:
    return row.state != "Applied" or row.health not in {"Healthy", "Suspended"}


def _urgency(row: ClusterRow) -> tuple[int, int, str]:
    """What needs a person first: problems, then bad health, then unfinished delivery."""
    return (0 if row.problems or row.message else 1, -SEVERITY[row.health], row.name)


def compact(row: ClusterRow) -> ClusterRow:
    return ClusterRow(name=row.name, state=row.state, health=row.health, revision=row.revision)
