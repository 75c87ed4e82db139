"""Tells a waiting person what happens: steps that stay, and a line of how far the current one is."""

import sys
import threading
import time
from typing import Protocol, TextIO


class Progress(Protocol):
    """Who is told."""

    def step(self, text: str) -> None:
        """Something began or is done, worth a line of its own."""

    def tick(self, text: str) -> None:
        """How far the current step is. May come often; replaces the tick before."""


class Silent:
    """Tells nobody."""

    def step(self, text: str) -> None:
        pass

    def tick(self, text: str) -> None:
        pass


class Lines:
    """Writes steps as lines with the seconds since the start. A terminal shows each tick, a log one now and then."""

    def __init__(self, stream: TextIO | None = None, *, every: float = 15.0) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._began = time.monotonic()
        self._every = 0.2 if self._terminal else every
        self._ticked = 0.0 if self._terminal else self._began  # a log need not hear of what takes no time
        self._guard = threading.Lock()

    def step(self, text: str) -> None:
        with self._guard:
            self._clear()
            self._stream.write(f"{self._elapsed()}  {text}\n")
            self._stream.flush()

    def tick(self, text: str) -> None:
        with self._guard:
            now = time.monotonic()
            if now - self._ticked < self._every:
                return
            self._ticked = now
            self._clear()
            self._stream.write(f"{self._elapsed()}    {text[:100]}" + ("" if self._terminal else "\n"))
            self._stream.flush()

    def _clear(self) -> None:
        if self._terminal:
            self._stream.write("\r\x1b[K")

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"
