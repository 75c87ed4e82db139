"""What a fleet's folder remembers: its shape, ports and processes."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from atoll.testing.localfleet.certificates import write_private
from atoll.testing.localfleet.processes import Process
from atoll.testing.localfleet.shape import ClusterShape
from atoll.testing.progress import Progress

FILE, LOCK = "fleet.json", "lock"
FIRST = frozenset({LOCK, "logs"})
"""What a start that is cut off may leave in a folder before there is a fleet in it."""


class State(msgspec.Struct):
    """Kept in `fleet.json`. Component names are `etcd` and `<cluster>/<program>`."""

    clusters: tuple[ClusterShape, ...] = ()
    audit: bool = False
    execs: bool = False
    ports: dict[str, int] = {}
    processes: dict[str, Process] = {}


def load(folder: Path) -> State:
    """What was saved, or an empty State."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=State)
    except FileNotFoundError:
        return State()


def save(folder: Path, state: State) -> None:
    write_private(folder / "fleet.json", msgspec.json.format(msgspec.json.encode(state), indent=1))


class FleetBusyError(Exception):
    """Another process is starting or stopping the same fleet."""


@contextmanager
def locked(folder: Path, progress: Progress, *, patience: float = 120.0) -> Iterator[None]:
    """Nobody else changes the fleet in `folder` meanwhile. The kernel frees the lock when its holder dies."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / LOCK).open("w") as file:
        give_up_at = time.monotonic() + patience
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise FleetBusyError(
                        f"another process has been changing the fleet in {folder} all the while"
                    ) from None
                if not told:
                    progress.step("another process is changing this fleet; waiting for it")
                    told = True
                time.sleep(0.1)
        yield
