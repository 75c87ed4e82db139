"""Whose a live object is, by the marks on it. Pure."""

from collections.abc import Callable, Mapping
from enum import Enum

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.manner import Manner
from atoll.api.names import ANNOTATION_APPLICATION, ANNOTATION_PRUNE, ANNOTATION_REVISION, LABEL_APP, LABEL_HUB
from atoll.deliver.namespaces import LABEL_MADE_BY, MADE_BY
from atoll.deliver.order import NAMESPACE
from atoll.deliver.refusals import LATER, Refusal
from atoll.kube.objects import Object


class Whose(Enum):
    OURS = "ours"
    FREE = "free"
    """Not ours, and may be taken."""


def ours(live: Object, hub: str, uid: str) -> bool:
    """Whether `live` is labelled as hub `hub`'s and as the Application's with this UID: the proof for deleting."""
    return live.labels.get(LABEL_APP) == uid and live.labels.get(LABEL_HUB) == hub


def revision_of(live: Object) -> Revision | None:
    return Revision.parse(live.annotations.get(ANNOTATION_REVISION, ""))


def newer_text(there: Revision, ours: Revision) -> str:
    """Why nothing is written: a hub that was restored from a backup, or leads no more without knowing it yet."""
    return (
        f"a newer revision is there: {there.epoch}/{there.sequence}, this one is {ours.epoch}/{ours.sequence}; "
        "was the hub restored from a backup? a new epoch makes what it says now count"
    )


def kept_on_purpose(live: Object) -> bool:
    """Whether its annotation says that Atoll never deletes it."""
    return live.annotations.get(ANNOTATION_PRUNE) == "false"


def hands_off(live: Object, manner: Manner) -> str:
    """The label of `live` by which its dialect leaves it alone; "" when it has none."""
    return next((f"{k}={v}" for k, v in manner.hands_off.items() if live.labels.get(k) == v), "")


def inherited(live: Object, labels: Mapping[str, str]) -> bool:
    """Whether a former manager of the same dialect left `live`: it has all of `labels`, and no mark of ours.

    One that lost our labels, and still says whose it is, lost them to somebody else.
    """
    if not labels or LABEL_APP in live.labels or LABEL_HUB in live.labels or ANNOTATION_REVISION in live.annotations:
        return False
    return all(live.labels.get(key) == value for key, value in labels.items())


def judge(
    live: Object,
    hub: str,
    delivery: Delivery,
    *,
    known: bool,
    claimed: Callable[[str], bool],
    managers: tuple[str, ...],
) -> Whose | Refusal:
    """Whether `delivery` may write `live`.

    `known`: we made it ourselves, whatever became of its labels. `claimed(uid)`: an Application with that UID is alive,
    or may be. `managers` are named when the object is somebody else's.
    """
    if live.deleting:
        held = f", held by {', '.join(live.finalizers)}" if live.finalizers else ""
        return Refusal("Waiting", "Terminating", f"the one that exists is being deleted{held}", (0.5, 30.0))
    if off := hands_off(live, delivery.manner):
        return _conflict("HandsOff", f"its label {off} says that it isn't to be touched")
    whose = _whose(live, hub, delivery, known=known, claimed=claimed, managers=managers)
    revision = revision_of(live)
    if whose is Whose.OURS and revision is not None and revision.newer_than(delivery.revision):
        return Refusal("Conflict", "NewerRevision", newer_text(revision, delivery.revision), LATER)
    return whose


def _whose(
    live: Object,
    hub: str,
    delivery: Delivery,
    *,
    known: bool,
    claimed: Callable[[str], bool],
    managers: tuple[str, ...],
) -> Whose | Refusal:
    owner, app = live.labels.get(LABEL_HUB), live.labels.get(LABEL_APP)
    name = live.annotations.get(ANNOTATION_APPLICATION, "") or f"with UID {app}"
    if owner not in {None, hub}:
        return _conflict("OtherHub", f"belongs to Application {name} of another hub, {owner}")
    if app == delivery.uid:
        return Whose.OURS
    if app:
        if claimed(app):
            return _conflict("OtherApplication", f"belongs to Application {name}, which came first")
        if delivery.adopt:
            return Whose.FREE
        return _conflict("FormerApplication", f"belonged to Application {name} (UID {app}); `adopt: true` takes it")
    revision = revision_of(live)
    if known or (revision is not None and revision.uid == delivery.uid):
        return Whose.OURS  # somebody took our labels off
    made_for_others = live.group_kind == NAMESPACE and live.labels.get(LABEL_MADE_BY) == MADE_BY
    if delivery.adopt or made_for_others or inherited(live, delivery.manner.labels):
        return Whose.FREE
    whom = f"managed by {', '.join(managers)}" if managers else "not made by Atoll"
    return _conflict("Exists", f"exists already, {whom}; `adopt: true` takes it")


def _conflict(reason: str, message: str) -> Refusal:
    return Refusal("Conflict", reason, message, (5.0, 60.0))
