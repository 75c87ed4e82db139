"""Processes that outlive their starter, and are never mistaken for others that got their number later."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

MARK = "ATOLL_LOCALFLEET"
"""Set in the environment of every process of a fleet, to the fleet's folder and the component's name."""


class Process(msgspec.Struct, frozen=True):
    """A process, by its number, and by the moment it started, which a reused number does not share.

    `started` is in the kernel's clock ticks since boot (proc(5), field 22 of stat), with the boot's id before it.
    """

    pid: int
    started: str
    args: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """It runs; a zombie doesn't."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        return _started(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still the same process."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start(args: Sequence[str], *, mark: str, log: Path, environment: Mapping[str, str]) -> Process:
    """Start `args` in a session of its own, so that a terminal's Ctrl-C does not reach it. Output is added to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        args[0],
        list(args),
        {**environment, MARK: mark},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP],
    )
    return Process(pid, _started(pid), tuple(args))


def stop(processes: Sequence[Process], *, patience: float = 10.0) -> None:
    """End `processes` together: ask, wait `patience` seconds, then kill. Returns when none runs any more."""
    for process in processes:
        process.signal(signal.SIGCONT)  # a stopped process would not hear the question
        process.signal(signal.SIGTERM)
    kill_at = time.monotonic() + patience
    while remaining := [process for process in processes if process.alive]:
        if time.monotonic() > kill_at:
            for process in remaining:
                process.signal(signal.SIGKILL)
        time.sleep(0.02)


def marked(prefix: str) -> list[tuple[str, Process]]:
    """Processes of this user whose mark starts with `prefix`, each with the rest of its mark.

    Finds those that were started just before their starter was killed, and so were never written down.
    """
    found = []
    wanted = f"{MARK}={prefix}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            for line in (entry / "environ").read_bytes().split(b"\0"):
                if line.startswith(wanted) and (started := _started(int(entry.name))):
                    args = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                    found.append((line[len(wanted) :].decode(), Process(int(entry.name), started, tuple(args))))
    return found


def _started(pid: int) -> str:
    """When `pid` started; empty when it does not run."""
    process = Path(f"/proc/{pid}")
    try:
        stat = (process / "stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold spaces and parentheses
        # Of a killed process the first thread may be a zombie while others still hold its ports and locks.
        ended = fields[0] in "ZX" and len(list((process / "task").iterdir())) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if ended else f"{_boot()}/{fields[19]}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
