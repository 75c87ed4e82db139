"""Which revision an application is at: its numbers, and the contents that clusters may still have. No I/O."""

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from atoll.api.intent import Content, Former, Intent
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ApplicationStatus
from atoll.hub.history import MOST
from atoll.intake.native import content_of, intent_digest


@dataclass(slots=True)
class Revisions:
    """Numbers are sequence numbers: each is greater than all that any process of this hub gave before."""

    sequence: int = 0
    """Of the present intent."""
    digest: str = ""
    target: int = 0
    """With which the present content began."""
    content: Content | None = None
    """The present one; None until it was read."""
    content_digest: str = ""
    before: int = 0
    """With which the content began that the present one superseded; 0 when there was none."""
    formers: dict[int, Former] = field(default_factory=dict)
    """Former ones, by the number with which each began, until a change has reached every cluster."""
    last: RolloutStatus | None = None
    unsaved: dict[int, Former] = field(default_factory=dict)
    """Former ones that are in no history yet."""
    loaded: bool = True
    """Whether `formers` holds all that the history knows."""

    def restore(self, written: ApplicationStatus, *, current: bool) -> None:
        """Take what the status says; `current`: it is about the Application as it is now.

        Of an older one the digest is not believed: it may have been changed there and back meanwhile.
        """
        self.sequence = written.sequence
        self.digest = written.intent if current else ""
        self.content_digest = written.content
        self.last = written.rollout
        self.target = written.rollout.revision if written.rollout else written.sequence
        self.loaded = written.rollout is None or written.rollout.phase == "Complete"

    def revise(self, intent: Intent, newest: int, *, history: bool = True) -> None:
        """Give `intent` its number: the known one while it is the same, else at least `newest`.

        Without `history`, no content is remembered: each holds everywhere at once.
        """
        digest, before = intent_digest(intent), self.sequence
        if digest != self.digest:
            self.sequence, self.digest = max(self.sequence + 1, newest), digest
        if not history:
            return
        content = content_of(intent)
        if content.digest != self.content_digest:
            if self.target:
                self._supersede(before)
            self.target, self.content_digest, self.content = self.sequence, content.digest, None
        if self.content is None:  # of one that stays, no second copy is kept
            self.content = content

    def again(self, newest: int) -> None:
        """What failed is to be tried once more, as a change of its own."""
        before, self.sequence = self.sequence, max(self.sequence + 1, newest)
        self._supersede(before)
        self.target = self.sequence

    def turn_back(self, failed: RolloutStatus, newest: int) -> RolloutStatus:
        """What `failed` becomes when it is given up, under a number of its own. Not yet taken: see `turned_back`."""
        return msgspec.structs.replace(failed, back=max(self.sequence + 1, newest), phase="RollingBack")

    def turned_back(self, rollout: RolloutStatus) -> None:
        self._former(self.target, self.content, rollout.back - 1)
        self.sequence, self.last = rollout.back, rollout

    def let_go(self, there: Collection[int], most: int = MOST) -> None:
        """Forget contents that nobody can ask for any more: those that no cluster has (`there` are the numbers of what
        they have), that nothing would go back to, and that are older than the newest `most`, which the history keeps.
        A cluster that takes nothing for an hour would have each of its Application's contents remembered else.
        """
        if max(len(self.formers), len(self.unsaved)) <= most:
            return
        back = {self.last.stable, self.last.back} if self.last is not None else set()
        wanted = {self.before, *back, *_newest(self.formers, most)}
        wanted |= {n for n, former in self.formers.items() if any(n <= number <= former.last for number in there)}
        self.formers = {number: former for number, former in self.formers.items() if number in wanted}
        wanted |= _newest(self.unsaved, most)
        self.unsaved = {number: former for number, former in self.unsaved.items() if number in wanted}

    def finished(self) -> None:
        """Every cluster has the present content, or nothing, or is away."""
        self.formers.clear()

    def _supersede(self, last: int) -> None:
        """The present content is of the past; `last` was its last number."""
        self.before = self.target
        back = self.last.back if self.last is not None else 0
        self._former(self.target, self.content, back - 1 if back else last)
        if self.last is not None and back and (stable := self.formers.get(self.last.stable)):
            self._former(back, stable.content, last)

    def _former(self, number: int, content: Content | None, last: int) -> None:
        if content is not None:
            self.formers[number] = self.unsaved[number] = Former(content, last)


def _newest(formers: Iterable[int], most: int) -> set[int]:
    return set(heapq.nlargest(most, formers))
