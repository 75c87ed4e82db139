"""What each process of a fleet spends: seconds of CPU, by what the processes are."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from atoll.testing.localfleet import LocalFleet


def cpu_seconds(pid: int) -> float:
    """User's and system's, of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Meters:
    """The processes of `fleet`, and `others` by what they are to be called: read once now, and compared by `since`."""

    def __init__(self, fleet: LocalFleet, others: Mapping[str, int]) -> None:
        self._pids = {name: process.pid for name, process in fleet.running.items()} | dict(others)
        self._before = self._now()

    def since(self) -> dict[str, float]:
        """Seconds that each group has spent since these meters were made."""
        now: dict[str, float] = self._now()
        spent: defaultdict[str, float] = defaultdict(float)
        for name, seconds in now.items():
            spent[_group(name)] += seconds - self._before[name]
        return dict(spent)

    def _now(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}


def _group(name: str) -> str:
    """`hub/kube-apiserver` and its like, as a table has them."""
    cluster, _, program = name.partition("/")
    if not program:
        return cluster
    if program == "kube-apiserver":
        return "hub's API server" if cluster == "hub" else "members' API servers"
    return "etcd" if program == "etcd" else "controllers"
