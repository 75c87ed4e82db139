"""Values that many hold and nobody changes, kept once."""

from sys import getrefcount
from typing import Generic, TypeVar

T = TypeVar("T")

LEAST = 256
"""So many are kept without asking who holds them."""
_UNHELD = 2
"""References to a value that nobody else holds: the pool's own, and that of whoever counts them."""


class Pool(Generic[T]):
    """Answers with the copy that others hold already. What nobody holds any more is let go when it has doubled."""

    def __init__(self) -> None:
        self._known: dict[int, T] = {}
        self._most = LEAST

    def one(self, value: T, mark: int) -> T:
        """`value`, or its equal; `mark` is a hash that equals have in common. Of two values with one mark, the later
        is known.
        """
        known = self._known.get(mark)
        if known is not None and known == value:
            return known
        if len(self._known) >= self._most:
            self._sweep()
        self._known[mark] = value
        return value

    def __len__(self) -> int:
        return len(self._known)

    def _sweep(self) -> None:
        for mark in list(self._known):
            if getrefcount(self._known[mark]) <= _UNHELD:
                del self._known[mark]
        self._most = max(LEAST, 2 * len(self._known))
