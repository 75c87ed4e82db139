"""What KubeFed's commands say, in KubeFed's form: results on standard output, log lines on standard error.

A log line begins as klog's do: a letter for how grave it is, date and time, the process, and who speaks.
"""

import os
import sys
from datetime import UTC, datetime

from atoll.cli.printing import clean

DETAILS = 2
"""From this verbosity on, details are told."""


class Speech:
    """The `Voice` of one run."""

    def __init__(self, verbosity: int = 0, program: str = "kubefedctl") -> None:
        self._verbosity = verbosity
        self._program = program

    def result(self, text: str) -> None:
        print(clean(text), flush=True)

    def info(self, text: str) -> None:
        self._log("I", text)

    def detail(self, text: str) -> None:
        if self._verbosity >= DETAILS:
            self._log("I", text)

    def warn(self, text: str) -> None:
        self._log("W", text)

    def fail(self, text: str) -> None:
        self._log("E", text)

    def _log(self, letter: str, text: str) -> None:
        line = log_line(letter, text, program=self._program, pid=os.getpid(), now=datetime.now(UTC))
        print(line, file=sys.stderr, flush=True)


def log_line(letter: str, text: str, *, program: str, pid: int, now: datetime) -> str:
    return f"{letter}{now:%m%d %H:%M:%S.%f} {pid:>7} {program}] {clean(text)}"
