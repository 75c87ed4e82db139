"""When a status that is not settled is written: a few times, at growing distances, and at once for new trouble."""

import msgspec

from atoll.api.objects import Key
from atoll.api.status import ApplicationStatus

INTERIM = (0.3, 1.0, 5.0, 15.0)
"""Seconds after the first news at which an unsettled status is written; then every 15."""
BUSY = 2
"""The step of INTERIM that is the first where nothing is wrong and many objects are being delivered."""
BREATH = 1.0
"""Seconds between two writes for the sake of trouble: one cluster after the other may fall ill."""

WRONG = frozenset({"Conflict", "Failed", "Unreachable"})
"""States of a row that are trouble by themselves."""

Trouble = tuple[str, str]
"""A cluster, and a reason or a state."""


class Episode(msgspec.Struct):
    """An Application's time without rest, in one generation."""

    generation: int
    since: float
    told: int
    """How many of the moments of INTERIM are over."""
    named: set[Trouble]
    """What was told out of turn. Each is told so once: what comes and goes is no news."""
    last: float = float("-inf")


class Interim:
    """`wait` and `wrote` for each unsettled status; `over` when it is settled or gone. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._episodes: dict[Key, Episode] = {}

    def wait(
        self,
        key: Key,
        before: ApplicationStatus,
        status: ApplicationStatus,
        now: float,
        *,
        ending: bool = False,
        busy: bool = False,
    ) -> float:
        """Seconds until `status` is to be written in place of `before`; 0 when it is now.

        Most endings are over before there is much to tell; where many objects are on their way, good news waits.
        """
        episode = self._episodes.get(key)
        if episode is None or episode.generation != status.observed_generation:
            episode = self._episodes[key] = Episode(status.observed_generation, now, int(ending), set())
        due = episode.since + _moment(max(episode.told, BUSY) if busy else episode.told)
        if _news(episode, before, status):
            due = min(due, episode.last + BREATH)
        return max(0.0, due - now)

    def wrote(self, key: Key, before: ApplicationStatus, status: ApplicationStatus, now: float) -> None:
        """`status` is written and not settled."""
        if episode := self._episodes.get(key):
            episode.named |= _news(episode, before, status)
            episode.told += now - episode.since >= _moment(episode.told)
            episode.last = now

    def over(self, key: Key) -> None:
        self._episodes.pop(key, None)


def _news(episode: Episode, before: ApplicationStatus, status: ApplicationStatus) -> set[Trouble]:
    return _troubles(status) - _troubles(before) - episode.named


def _troubles(status: ApplicationStatus) -> set[Trouble]:
    named = {(row.name, problem.reason) for row in status.clusters for problem in row.problems}
    return named | {(row.name, row.state) for row in status.clusters if row.state in WRONG}


def _moment(told: int) -> float:
    """Seconds after the beginning at which the next write is due, when `told` are over."""
    return INTERIM[told] if told < len(INTERIM) else INTERIM[-1] * (told - len(INTERIM) + 2)
