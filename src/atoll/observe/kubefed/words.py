"""One word for each cluster, as KubeFed has it."""

import msgspec

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.kubefed.names import Propagation

HANDS_OFF = "HandsOff"
"""The reason of an outcome: the live object says that it isn't to be touched."""
ELSEWHERE = frozenset({"Exists", "OtherApplication", "OtherHub", "FormerApplication"})
"""Reasons of outcomes: something of that name is there, and may not be taken."""
FAILED = {
    "read": Propagation.RETRIEVAL_FAILED,
    "retain": Propagation.FIELD_RETENTION_FAILED,
    "patch": Propagation.APPLY_OVERRIDES_FAILED,
    "create": Propagation.CREATION_FAILED,
    "update": Propagation.UPDATE_FAILED,
    "delete": Propagation.DELETION_FAILED,
    "unmark": Propagation.LABEL_REMOVAL_FAILED,
}
"""What was tried, and failed."""


class Word(msgspec.Struct, frozen=True):
    """How it fares in one cluster. `message` is the member's own, where something is wrong; `final`: nothing is on its
    way.
    """

    word: Propagation
    message: str = ""
    final: bool = True


WELL = Word(Propagation.OK)
NOT_READY = Word(Propagation.CLUSTER_NOT_READY, "Cluster not ready")


def word(
    outcome: Outcome | None,
    *,
    sequence: int,
    ready: bool,
    there: bool,
    leaving: bool,
    said: Propagation | None = None,
) -> Word | None:
    """What is said of one cluster; None of one that there is nothing to say about.

    sequence: what it is to have. there: it has been written there before. leaving: it is to go from there. said: what
    is written about the same already, and stands until this process knows better.
    """
    if leaving:
        return Word(Propagation.WAITING_FOR_REMOVAL, final=False) if ready else None
    if not ready:
        return NOT_READY
    current = outcome is not None and outcome.revision is not None and outcome.revision.sequence == sequence
    if outcome is None and said is not None:
        return Word(said, final=False)
    if outcome is None or not current:
        return _on_its_way(there=there)
    if outcome.state == "Applied":
        return WELL
    bad = next((found for found in outcome.objects if found.state != "Applied"), None)
    return _on_its_way(there=there) if bad is None else _of(bad, there=there)


def _of(found: ObjectOutcome, *, there: bool) -> Word:
    words = f"{found.reason}: {found.message}" if found.message else found.reason
    if found.reason == HANDS_OFF:
        return Word(Propagation.MANAGED_LABEL_FALSE, words)
    if found.state == "Conflict" and found.reason in ELSEWHERE:
        return Word(Propagation.ALREADY_EXISTS, words)
    if found.state == "Removing":
        return Word(Propagation.WAITING_FOR_REMOVAL, words, final=False)
    if found.state == "Pending" and not found.reason:
        return _on_its_way(there=there)
    failed = FAILED.get(found.doing) or (Propagation.UPDATE_FAILED if there else Propagation.CREATION_FAILED)
    return Word(failed, words, final=found.state in {"Failed", "Conflict", "Waiting"})


def _on_its_way(*, there: bool) -> Word:
    """Whoever reads it before it has ended reads that it hasn't."""
    return Word(Propagation.UPDATE_TIMED_OUT if there else Propagation.CREATION_TIMED_OUT, final=False)
