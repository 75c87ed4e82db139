"""A change that every cluster has is looked at once more before it is told of; in a wave, good news is held back."""

from typing import Any, cast

import msgspec
import pytest

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.intent import Revision
from atoll.api.objects import Key, ObjectId
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ApplicationStatus, ClusterRow, ProblemStatus
from atoll.hub.bustle import MANY
from atoll.hub.dossier import Dossiers
from atoll.hub.interim import BUSY, INTERIM
from atoll.hub.reporting import SOON, Reporter
from atoll.kube.objects import of_body
from atoll.plan.planner import plan
from atoll.runtime.decisions import Decision, Done, Wait
from atoll.testing.worlds import cluster, fleet, intent

KEY = Key("demo", "shop")
FLEET = fleet(cluster("a"), cluster("b"))
BEFORE = ApplicationStatus(observed_generation=1)


class World:
    """A Reporter, one Application, and how often its status was worked out."""

    def __init__(self, *, rolling: bool, planned_soon: bool) -> None:
        self.looks = 0
        dossiers, nothing = Dossiers(), cast("Any", None)
        front = cast("Any", self)
        self.finalizer = "atoll.dev/delivery"
        metadata = {"name": "shop", "namespace": "demo", "uid": "uid", "resourceVersion": "1"}
        self.dossier = dossiers.open(KEY, of_body({"metadata": metadata}), front)
        self.dossier.revisions.sequence = 9
        found = plan(msgspec.structs.replace(intent(), revision=Revision(1, "uid", 9)), FLEET)
        phase: Any = "Progressing" if rolling else "Complete"
        self.dossier.plan = msgspec.structs.replace(found, rollout=RolloutStatus(9, phase=phase))
        self.dossier.submitted = dict(found.deliveries)
        self.reporter = Reporter(
            nothing, dossiers, cast("Any", self), cast("Any", self), nothing, lambda *_: planned_soon, nothing
        )

    async def catch_up(self, *_: str) -> None:
        self.looks += 1

    def reach(self, _: str) -> Any:
        return cast("Any", type("Reach", (), {"reachable": True}))

    def fails(self) -> None:
        trouble = ObjectOutcome(ObjectId("", "ConfigMap", "demo", "c"), "Failed", "Invalid", "no")
        self.dossier.outcomes["a"] = Outcome(KEY, "uid", "a", Revision(1, "uid", 9), "Failed", 1, 0, (trouble,))

    def bustle(self) -> None:
        for number in range(MANY):
            self.reporter.wrote(f"other-{number}")

    async def tell(self) -> Decision:
        return await self.reporter.reconcile(KEY)


@pytest.mark.parametrize(("rolling", "planned_soon"), [(True, True), (True, False), (False, True)])
def test_the_status_waits_for_a_look_that_is_about_to_come(*, rolling: bool, planned_soon: bool) -> None:
    status = ApplicationStatus(observed_generation=1, clusters=(ClusterRow("a", state="Applied"),))
    world = World(rolling=rolling, planned_soon=planned_soon)
    expected = INTERIM[BUSY if rolling and planned_soon else 0]
    assert world.reporter._too_early(world.dossier, BEFORE, status) == pytest.approx(expected)


def test_trouble_waits_for_no_look() -> None:
    row = ClusterRow("a", state="Failed", problems=(ProblemStatus("ConfigMap/c", "Invalid"),))
    status = ApplicationStatus(observed_generation=1, clusters=(row,))
    world = World(rolling=True, planned_soon=True)
    assert world.reporter._too_early(world.dossier, BEFORE, status) == 0


async def test_it_is_worked_out_after_that_look_and_once_at_least_if_looks_never_end() -> None:
    world = World(rolling=True, planned_soon=True)
    assert await world.tell() == Wait(SOON)
    assert world.looks == 0
    await world.tell()
    assert world.looks == 2, "both clusters: another look is about to come again, and was waited for"


async def test_what_came_a_moment_before_the_wave_is_held_back_too() -> None:
    world = World(rolling=False, planned_soon=False)
    world.bustle()
    assert await world.tell() == Done()
    assert world.looks == 0
    world.reporter._its_turn(KEY)
    await world.tell()
    assert world.looks == 2
    world.reporter._bustle.close()


async def test_trouble_is_held_back_by_nothing() -> None:
    world = World(rolling=True, planned_soon=True)
    world.bustle()
    world.fails()
    with pytest.raises(AttributeError):  # there is no hub to write it to
        await world.tell()
    assert world.looks == 2
