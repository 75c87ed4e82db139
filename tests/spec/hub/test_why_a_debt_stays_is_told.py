"""What an Application that is gone left on a cluster, and what keeps it there, is told in that cluster's Events."""

from typing import Any, cast

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.objects import Key, ObjectId
from atoll.hub.dossier import Dossiers
from atoll.hub.waking import Waking
from atoll.kube.objects import of_body

NOTHING = cast("Any", None)
SECRET = ObjectId("", "Secret", "demo", "s")


class Recorder:
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def tell(self, about: Any, *words: str) -> None:
        self.told.append((about.name, *words))


def outcome(*objects: ObjectOutcome) -> Outcome:
    return Outcome(Key("demo", "shop"), "uid", "eu", None, "Removing", objects=objects)


def test_what_is_refused_is_told_and_what_only_takes_its_time_is_not() -> None:
    recorder, cluster = Recorder(), of_body({"metadata": {"name": "eu", "uid": "1", "resourceVersion": "1"}})
    waking = Waking(
        applications=NOTHING,
        clusters=NOTHING,
        fronts=NOTHING,
        dossiers=Dossiers(),
        surroundings=NOTHING,
        tombstones=NOTHING,
        cluster=lambda name: cluster if name == "eu" else None,
        kinds={},
        recorder=cast("Any", recorder),
    )
    waking.delivered(outcome())
    waking.delivered(outcome(ObjectOutcome(SECRET, "Removing", "Terminating", "being deleted")))
    assert not recorder.told
    waking.delivered(outcome(ObjectOutcome(SECRET, "Failed", "Forbidden", "not allowed")))
    text = "Secret of Applications that are gone stay there: Forbidden"
    assert recorder.told == [("eu", "Warning", "RemovalWaits", text)]
