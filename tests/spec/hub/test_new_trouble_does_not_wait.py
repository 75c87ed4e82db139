"""An unsettled status is written seldom, and at once when it names trouble that was not named before."""

from atoll.api.objects import Key
from atoll.api.status import ApplicationStatus, ClusterRow, ProblemStatus
from atoll.hub.interim import BREATH, INTERIM, Interim

KEY = Key("shop", "web")


def status(*reasons: str, generation: int = 1, ready: str = "", away: str = "") -> ApplicationStatus:
    """One cluster with these problems, beside one that may be away."""
    rows = [ClusterRow("a", ready=ready, problems=tuple(ProblemStatus("Pod/web", reason) for reason in reasons))]
    if away:
        rows.append(ClusterRow(away, state="Unreachable"))
    return ApplicationStatus(observed_generation=generation, clusters=tuple(rows))


def rest(interim: Interim, before: ApplicationStatus, now: ApplicationStatus, at: float) -> float:
    """Seconds to wait; what needs no waiting is written."""
    wait = interim.wait(KEY, before, now, at)
    if not wait:
        interim.wrote(KEY, before, now, at)
    return round(wait, 6)


def after(interim: Interim, *times: float) -> None:
    """Written at these times, each with another number of replicas."""
    for number, at in enumerate(times):
        assert rest(interim, status(ready=f"{number}/9"), status(ready=f"{number + 1}/9"), at) == 0


def begun() -> Interim:
    interim = Interim()
    assert rest(interim, status(), status(ready="0/9"), 0.0) == INTERIM[0]
    return interim


def test_what_is_not_wrong_is_told_at_growing_distances() -> None:
    interim = begun()
    after(interim, *INTERIM)
    assert rest(interim, status(), status(ready="9/9"), 16.0) == 14.0


def test_new_trouble_is_told_at_once() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    assert rest(interim, status(), status("Unschedulable"), 7.0) == 0
    assert rest(interim, status(), status(away="b"), 9.0) == 0


def test_a_write_that_failed_is_tried_again_at_once() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    assert interim.wait(KEY, status(), status("Unschedulable"), 7.0) == 0
    assert interim.wait(KEY, status(), status("Unschedulable"), 7.1) == 0


def test_one_trouble_after_the_other_is_told_once_a_breath() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    assert rest(interim, status(), status("Unschedulable"), 7.0) == 0
    both = status("Unschedulable", "FailedMount")
    assert rest(interim, status("Unschedulable"), both, 7.4) == BREATH - 0.4
    assert rest(interim, status("Unschedulable"), both, 8.0) == 0


def test_trouble_that_comes_and_goes_is_told_at_once_only_once() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    assert rest(interim, status(), status("Unhealthy"), 7.0) == 0
    assert rest(interim, status("Unhealthy"), status(), 9.0) == 6.0
    assert rest(interim, status(), status("Unhealthy"), 11.0) == 4.0


def test_out_of_turn_takes_no_turn() -> None:
    interim = begun()
    assert rest(interim, status(), status("Unschedulable"), 0.1) == 0
    assert rest(interim, status("Unschedulable"), status("Unschedulable", ready="1/9"), 0.3) == 0


def test_another_generation_begins_anew() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    assert rest(interim, status(), status(generation=2), 7.0) == INTERIM[0]


def test_and_so_does_what_was_settled_in_between() -> None:
    interim = begun()
    after(interim, 0.3, 1.0, 5.0)
    interim.over(KEY)
    assert rest(interim, status(), status(ready="1/9"), 7.0) == INTERIM[0]


def test_many_deliveries_make_good_news_wait_and_no_other() -> None:
    interim = begun()
    assert interim.wait(KEY, status(), status(ready="1/9"), 2.0, busy=True) == 3.0
    assert interim.wait(KEY, status(), status("Unschedulable"), 2.0, busy=True) == 0


def test_an_ending_is_not_told_before_a_second() -> None:
    assert Interim().wait(KEY, status(), status(ready="0/9"), 0.0, ending=True) == INTERIM[1]
