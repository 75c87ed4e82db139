"""When an object that wasn't well is called well again, and when time alone makes it worse."""

from atoll.api.objects import ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.illness import CONVALESCENCE, Illness
from atoll.observe.reduce import NO_PROGRESS, PATIENCE, Finding

ROLLING = ObjectHealth("Progressing", "RollingOut", "0 of 3 replicas are available", 0, 3)


def crashing(reason: str = "CrashLoopBackOff") -> Illness:
    illness = Illness(1000.0, 0.0, ROLLING, 1)
    problem = Problem(ObjectId("", "Pod", "shop", "web-1"), reason)
    illness.conclude(Finding(ObjectHealth("Degraded", reason), (problem,)))
    return illness


def test_a_container_that_crashes_is_not_well_while_it_runs_in_between() -> None:
    illness = crashing()
    assert illness.only_pauses(1, 5.0)
    assert illness.only_pauses(1, 5.0 + CONVALESCENCE - 1)
    assert not illness.only_pauses(1, 5.0 + CONVALESCENCE)


def test_a_relapse_begins_the_convalescence_anew() -> None:
    illness = crashing()
    assert illness.only_pauses(1, 5.0)
    illness.goes_on(ROLLING, 1, 6.0)
    assert illness.only_pauses(1, 20.0)


def test_what_was_changed_since_is_believed_at_once() -> None:
    assert not crashing().only_pauses(2, 5.0)


def test_troubles_that_end_for_good_need_no_convalescence() -> None:
    assert not crashing("ErrImagePull").only_pauses(1, 5.0)


def test_time_alone_is_looked_at_once_a_limit() -> None:
    illness = Illness(1000.0, 0.0, ROLLING, 1)
    assert [illness.due(t) for t in (1.0, PATIENCE, PATIENCE + 1, NO_PROGRESS, NO_PROGRESS + 1)] == [
        *(False, True, False),
        *(True, False),
    ]


def test_any_progress_begins_the_wait_anew() -> None:
    illness = Illness(1000.0, 0.0, ROLLING, 1)
    illness.goes_on(ObjectHealth("Progressing", "RollingOut", "", 1, 3), 1, 50.0)
    assert not illness.due(PATIENCE)
    assert illness.due(50.0 + PATIENCE)


def test_the_end_of_convalescence_is_due() -> None:
    illness = crashing()
    illness.only_pauses(1, 5.0)
    assert not illness.due(6.0)
    assert illness.due(5.0 + CONVALESCENCE)
