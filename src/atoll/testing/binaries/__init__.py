"""Binaries: the programs of a local fleet, and where they come from.

Each program is looked for by itself: in the folder that `KUBEBUILDER_ASSETS` names, on `PATH`, in Atoll's cache, at its
project's release site (or `ATOLL_KUBE_MIRROR`) with a checksum, and last it is built from the Go module `localkube`.
`ATOLL_KUBE_DOWNLOAD=off` leaves the download out.
"""

from atoll.testing.binaries.catalog import PROGRAMS
from atoll.testing.binaries.finder import Binaries, MissingBinaryError

__all__ = ["PROGRAMS", "Binaries", "MissingBinaryError"]
