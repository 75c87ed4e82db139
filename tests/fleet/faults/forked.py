"""Processes that are killed, stopped and started again, with failpoints: hubs and agents."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from atoll.runtime.failpoints import HITS, VARIABLE


class Zygote:
    """Forks them; see `zygote.py`."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.faults.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip

    def fork(self, argv: list[str], environment: dict[str, str], log: Path) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"argv": argv, "env": environment, "log": str(log)}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Forked:
    """One of them: `name` among those that keep their files in `folder`."""

    def __init__(self, zygote: Zygote, folder: Path, name: str) -> None:
        self.zygote = zygote
        self.name = name
        self.log = folder / f"{name}.log"
        self.hits_file = folder / f"{name}.hits"
        self.pid = 0

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return self.pid != 0

    def fork(self, argv: list[str], failpoints: str) -> None:
        """Run `atoll` with these arguments."""
        assert not self.alive
        self.hits_file.unlink(missing_ok=True)
        environment = {VARIABLE: failpoints, HITS: str(self.hits_file) if failpoints else ""}
        self.pid = self.zygote.fork(argv, environment, self.log)

    def until(self, check: Callable[[], bool], what: str, seconds: float = 60, *, may_die: bool = False) -> None:
        end = time.monotonic() + seconds
        while not check():
            if not self.alive:
                assert may_die, self.log.read_text()[-3000:]
                return
            assert time.monotonic() < end, f"not {what}: {self.log.read_text()[-3000:]}"
            time.sleep(0.02)

    def hits(self, name: str) -> int:
        """How often a failpoint of the process started last was reached."""
        return self.hits_file.read_text().splitlines().count(name) if self.hits_file.exists() else 0

    def signal(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.until(lambda: not self.alive, "dead", 10, may_die=True)

    def stop(self) -> None:
        """As a user would: what it holds, such as its Lease, it gives back."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self.until(lambda: not self.alive, "stopped", 20, may_die=True)
