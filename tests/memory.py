"""How much memory a process takes at the most, as Linux counts it."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def grows_by_less_than(most: int, pid: int = 0) -> Iterator[None]:
    """While this lasts, process `pid` (this one) has at no time `most` bytes more than when it began."""
    pid = pid or os.getpid()
    gc.collect()
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the greatest of all times is that of now, see proc(5)
    before = _bytes(pid, "VmRSS")
    yield
    grown = _bytes(pid, "VmHWM") - before
    assert grown < most, f"{grown >> 20} MiB more than before"


def _bytes(pid: int, what: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) << 10
