"""What planning is told of a change that is on its way, and what it decides of it. Times are epoch seconds."""

import msgspec

from atoll.api.intent import Content, Former
from atoll.api.rollout import RolloutStatus
from atoll.api.status import Health


class Standing(msgspec.Struct, frozen=True):
    """What one cluster has of an application now."""

    revision: int
    """The sequence number of what was handed to its delivery last; 0 when that isn't known."""
    applied: bool = False
    """All of it is there."""
    health: Health = "Unknown"
    trouble: str = ""
    """What delivery can't do there, in words."""
    since: float = 0.0
    """Since when all of the above is as it is."""
    away: float = 0.0
    """Since when the cluster can't be reached; 0 when it can."""


class Answer(msgspec.Struct, frozen=True):
    """What a stage's check said last."""

    passed: bool
    message: str = ""


class Progress(msgspec.Struct, frozen=True):
    """A change of one application, from what it is to what it shall be."""

    target: int
    """The sequence number with which the wanted content began."""
    content: Content
    """The wanted content."""
    formers: dict[int, Former] = {}
    """Former contents that are still known, by the sequence number with which each began."""
    before: int = 0
    """The content that the wanted one superseded, by the number with which it began; 0 for none."""
    last: RolloutStatus | None = None
    """What was decided last."""
    standing: dict[str, Standing] = {}
    """What each cluster has; one that has nothing is absent."""
    approved: frozenset[str] = frozenset()
    """Stages that a person has approved, for this very target."""
    aborted: bool = False
    answers: dict[str, Answer] = {}
    """By stage: what its check said, for this very target."""

    def former(self, number: int) -> Content | None:
        """The former content that began with `number`."""
        found = self.formers.get(number)
        return found.content if found is not None else None


class Course(msgspec.Struct, frozen=True):
    """What is decided: the revision of each cluster from now on, and why it isn't the newest."""

    status: RolloutStatus
    assigned: dict[str, int]
    """By cluster: the sequence number that it is to have. Not in it: it gets nothing, or stays as it is."""
    refused: dict[str, str] = {}
    """Clusters that belong to no stage or to several, and why that is so."""
    again: float = 0.0
    """Seconds after which time alone may change the decision; 0: never."""
    ask: str = ""
    """The stage whose check is to be asked now."""
    turns_back: bool = False
    """The change failed: what was stable is to hold again, under a new number."""
