"""How a command speaks: its result on standard output, all else as log lines on standard error."""

from typing import Protocol


class Voice(Protocol):
    """Where words go."""

    def result(self, text: str) -> None:
        """A line of the command's output."""

    def info(self, text: str) -> None:
        """Something that everybody is told."""

    def detail(self, text: str) -> None:
        """Something for whoever asked for more: `-v 2`."""

    def warn(self, text: str) -> None:
        """Something that isn't as it seems."""
