"""A change that every cluster has is looked at once more before it is told of."""

from typing import Any, cast

import msgspec
import pytest

from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.api.rollout import RolloutStatus
from atoll.api.status import ApplicationStatus, ClusterRow, ProblemStatus
from atoll.hub.dossier import Dossiers
from atoll.hub.interim import BUSY, INTERIM
from atoll.hub.reporting import Reporter
from atoll.kube.objects import of_body
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

KEY = Key("demo", "shop")
FLEET = fleet(cluster("a"), cluster("b"))
BEFORE = ApplicationStatus(observed_generation=1)


def waits(status: ApplicationStatus, *, rolling: bool, planned_soon: bool) -> float:
    """Seconds until an unsettled status is written."""
    dossiers, nothing = Dossiers(), cast("Any", None)
    metadata = {"name": "shop", "namespace": "demo", "uid": "uid", "resourceVersion": "1"}
    dossier = dossiers.open(KEY, of_body({"metadata": metadata}), nothing)
    found = plan(msgspec.structs.replace(intent(), revision=Revision(1, "uid", 9)), FLEET)
    phase: Any = "Progressing" if rolling else "Complete"
    dossier.plan = msgspec.structs.replace(found, rollout=RolloutStatus(9, phase=phase))
    reporter = Reporter(nothing, dossiers, nothing, nothing, nothing, lambda _: planned_soon, nothing)
    return reporter._too_early(dossier, BEFORE, status)


@pytest.mark.parametrize(("rolling", "planned_soon"), [(True, True), (True, False), (False, True)])
def test_the_status_waits_for_a_look_that_is_about_to_come(*, rolling: bool, planned_soon: bool) -> None:
    status = ApplicationStatus(observed_generation=1, clusters=(ClusterRow("a", state="Applied"),))
    expected = INTERIM[BUSY if rolling and planned_soon else 0]
    assert waits(status, rolling=rolling, planned_soon=planned_soon) == pytest.approx(expected)


def test_trouble_waits_for_no_look() -> None:
    row = ClusterRow("a", state="Failed", problems=(ProblemStatus("ConfigMap/c", "Invalid"),))
    assert waits(ApplicationStatus(observed_generation=1, clusters=(row,)), rolling=True, planned_soon=True) == 0
