"""The course of an illness of an object: since when, standing still or getting better, whether it is really over. Pure.

Times are monotonic seconds, except `begun`, which is epoch seconds and goes into a status.
"""

from collections.abc import Iterable

import msgspec

from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.reduce import NO_PROGRESS, PATIENCE, Finding

RELAPSING = frozenset({"CrashLoopBackOff", "OOMKilled", "Unhealthy"})
"""Troubles that look well in between: a container that crashes is ready for as long as it runs."""
CONVALESCENCE = 10.0
"""Seconds that an unchanged object must be well after such a trouble before it is called so."""


class Illness(msgspec.Struct):
    """Kept from the first bad look at an object until it is well."""

    begun: float
    stands: float
    """Since when nothing has become better."""
    health: ObjectHealth
    generation: int = 0
    finding: Finding | None = None
    told: float = 0.0
    """The limit of patience that was looked at last."""
    well: float = 0.0
    """Since when it looks well again; 0 while it doesn't."""

    def goes_on(self, health: ObjectHealth, generation: int, now: float) -> None:
        if _differs(self.health, health) or generation != self.generation:
            self.stands, self.told = now, 0.0
        self.health, self.generation, self.well = health, generation, 0.0

    def conclude(self, finding: Finding) -> Finding:
        self.finding = finding
        return finding

    def only_pauses(self, generation: int, now: float) -> bool:
        """It looks well, but is likely to fall ill again: nobody has changed it, and that was long enough ago."""
        if self.finding is None or self.generation != generation or not _relapsing(self.finding.problems):
            return False
        self.well = self.well or now
        return now - self.well < CONVALESCENCE

    def due(self, now: float) -> bool:
        """Time alone has changed what is to be said of it."""
        if self.well:
            return now - self.well >= CONVALESCENCE
        for limit in (PATIENCE, NO_PROGRESS):
            if self.told < limit <= now - self.stands:
                self.told = limit
                return True
        return False


def _relapsing(problems: Iterable[Problem]) -> bool:
    return any(problem.reason in RELAPSING for problem in problems)


def _differs(before: ObjectHealth, now: ObjectHealth) -> bool:
    """Another reason, or another number of replicas: something is going on."""
    return (before.health, before.reason, before.ready, before.desired) != (
        now.health,
        now.reason,
        now.ready,
        now.desired,
    )
