"""Taints and tolerations mean what they mean for Kubernetes' nodes."""

import pytest

from atoll.api.cluster import Taint
from atoll.api.placement import Toleration
from atoll.plan.model import Plan
from atoll.plan.planner import plan
from atoll.plan.taints import tolerates
from atoll.testing.worlds import cluster, fleet, intent

GPU = Taint("gpu", "yes", "NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration("gpu", "Equal", "yes", "NoSchedule"), True),
        (Toleration("gpu", "Equal", "yes"), True),  # every effect
        (Toleration("gpu", "Equal", "no"), False),
        (Toleration("gpu", "Exists"), True),
        (Toleration("gpu", "Exists", effect="NoExecute"), False),
        (Toleration("cpu", "Exists"), False),
        (Toleration("", "Exists"), True),  # every taint
        (Toleration("", "Exists", effect="NoExecute"), False),
    ],
)
def test_a_toleration_covers_a_taint(toleration: Toleration, tolerated: bool) -> None:
    assert tolerates(toleration, GPU) is tolerated


def with_taint(effect: str, *, there: bool, tolerations: tuple[Toleration, ...] = ()) -> Plan:
    tainted = cluster("a", taints=(Taint("k", "", effect),))  # type: ignore[arg-type]
    return plan(intent(tolerations=tolerations), fleet(tainted, previous={"a": 1} if there else {}))


@pytest.mark.parametrize(
    ("effect", "there", "chosen", "why"),
    [
        ("NoSchedule", False, False, "taint k:NoSchedule is not tolerated"),
        ("NoSchedule", True, True, "all clusters; stays although taint k:NoSchedule is not tolerated"),
        ("NoExecute", False, False, "taint k:NoExecute is not tolerated"),
        ("NoExecute", True, False, "taint k:NoExecute is not tolerated"),
        ("PreferNoSchedule", False, True, "all clusters; although taint k:PreferNoSchedule is not tolerated"),
        ("PreferNoSchedule", True, True, "all clusters; although taint k:PreferNoSchedule is not tolerated"),
    ],
)
def test_the_effect_decides_who_stays_and_who_may_come(effect: str, there: bool, chosen: bool, why: str) -> None:
    (verdict,) = with_taint(effect, there=there).verdicts
    assert (verdict.chosen, verdict.why) == (chosen, why)


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute", "PreferNoSchedule"])
def test_a_tolerated_taint_is_none(effect: str) -> None:
    (verdict,) = with_taint(effect, there=False, tolerations=(Toleration("k", "Exists"),)).verdicts
    assert (verdict.chosen, verdict.why) == (True, "all clusters")


def test_every_taint_must_be_tolerated() -> None:
    tainted = cluster("a", taints=(Taint("k"), Taint("l", "v")))
    (verdict,) = plan(intent(tolerations=(Toleration("k", "Exists"),)), fleet(tainted)).verdicts
    assert (verdict.chosen, verdict.why) == (False, "taint l=v:NoSchedule is not tolerated")
