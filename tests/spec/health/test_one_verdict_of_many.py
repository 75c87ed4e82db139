"""Many objects, one verdict."""

from hypothesis import given
from hypothesis import strategies as st

from atoll.api.objects import ObjectId
from atoll.api.observation import ObjectHealth, Problem
from atoll.observe.reduce import NO_PROGRESS, ORDER, PATIENCE, Finding, Tally, escalate, reduce, worst

WEB = ObjectId("apps", "Deployment", "shop", "web")
ROLLING = ObjectHealth("Progressing", "RollingOut", "1 of 3 replicas are available", 1, 3)


def named(name: str) -> ObjectId:
    return ObjectId("apps", "Deployment", "shop", name)


def trouble(name: str, reason: str = "ErrImagePull", message: str = "") -> Problem:
    return Problem(ObjectId("", "Pod", "shop", name), reason, message or f"of {name}", since=5.0)


def test_the_worst_counts() -> None:
    assert worst(["Healthy", "Suspended", "Progressing"]) == "Progressing"
    assert worst(["Progressing", "Missing"]) == "Missing"
    assert worst(["Missing", "Degraded"]) == "Degraded"
    assert worst(["Degraded", "Unknown"]) == "Unknown"
    assert worst([]) == "Healthy"


def test_replicas_are_summed_over_what_has_any() -> None:
    rows = [
        (named("a"), Finding(ObjectHealth("Healthy", ready=2, desired=2))),
        (named("b"), Finding(ROLLING)),
        (ObjectId("", "Service", "shop", "a"), Finding(ObjectHealth("Healthy"))),
    ]
    verdict = reduce(rows)
    assert (verdict.health, verdict.ready, verdict.desired) == ("Progressing", 3, 5)


def test_nothing_that_scales_has_no_replicas_rather_than_none_ready() -> None:
    verdict = reduce([(ObjectId("", "Service", "shop", "a"), Finding(ObjectHealth("Healthy")))])
    assert (verdict.ready, verdict.desired) == (None, None)


def test_what_is_missing_is_one_problem_however_much_it_is() -> None:
    verdict = reduce((named(f"web-{n}"), Finding(ObjectHealth("Missing"))) for n in range(5000))
    (problem,) = verdict.problems
    assert (problem.reason, problem.count) == ("Missing", 5000)


def test_each_objects_first_cause_comes_before_any_second() -> None:
    degraded = ObjectHealth("Degraded", "x")
    rows = [
        (named("a"), Finding(degraded, (trouble("a-1"), trouble("a-2", "OOMKilled")))),
        (named("b"), Finding(degraded, (trouble("b-1", "CrashLoopBackOff"),))),
    ]
    assert [p.object.name for p in reduce(rows).problems] == ["a-1", "b-1", "a-2"]


def test_the_same_trouble_in_several_objects_is_told_once() -> None:
    quota = "exceeded quota: small"
    rows = [(named(n), Finding(ObjectHealth("Degraded"), (trouble(n, "FailedCreate", quota),))) for n in "abc"]
    (problem,) = reduce(rows).problems
    assert (problem.object.name, problem.count) == ("a", 3)


def test_a_cause_that_will_not_pass_makes_progressing_degraded_at_once() -> None:
    found = escalate(WEB, ROLLING, [trouble("web-1")], 0.0)
    assert (found.health, found.reason, found.ready, found.desired) == ("Degraded", "ErrImagePull", 1, 3)


def test_a_cause_that_may_pass_is_borne_for_a_minute() -> None:
    waiting = [trouble("web-1", "Unschedulable")]
    assert escalate(WEB, ROLLING, waiting, PATIENCE - 1).health == "Progressing"
    assert escalate(WEB, ROLLING, waiting, PATIENCE).health == "Degraded"


def test_what_has_no_deadline_of_its_own_gets_one() -> None:
    stateful = ObjectId("apps", "StatefulSet", "shop", "db")
    assert escalate(stateful, ROLLING, [], NO_PROGRESS - 1).health == "Progressing"
    found = escalate(stateful, ROLLING, [], NO_PROGRESS)
    assert (found.health, found.reason) == ("Degraded", "NoProgress")
    assert escalate(WEB, ROLLING, [], NO_PROGRESS).health == "Progressing"


def test_only_progressing_gets_worse() -> None:
    paused = ObjectHealth("Suspended", "Paused")
    assert escalate(WEB, paused, [trouble("web-1")], 1000.0) == paused


healths = st.builds(
    ObjectHealth,
    health=st.sampled_from(ORDER),
    ready=st.none() | st.integers(0, 3),
    desired=st.none() | st.integers(0, 3),
)
findings = st.builds(Finding, healths, st.lists(st.sampled_from("pqr").map(trouble), max_size=2).map(tuple))
steps = st.lists(st.tuples(st.sampled_from("abcdef").map(named), st.none() | findings), max_size=40)


@given(steps)
def test_kept_change_by_change_it_is_the_same_as_counted_anew(changes: list[tuple[ObjectId, Finding | None]]) -> None:
    tally, now = Tally(), dict[ObjectId, Finding]()
    for about, finding in changes:
        if finding is None:
            assert tally.drop(about) == (now.pop(about, None) is not None)
        else:
            assert tally.put(about, finding) == (now.get(about) != finding)
            now[about] = finding
    kept, anew = tally.verdict(), reduce(sorted(now.items()))
    assert (kept.health, kept.ready, kept.desired) == (anew.health, anew.ready, anew.desired)
    assert {(p.reason, p.message, p.count) for p in kept.problems} == {
        (p.reason, p.message, p.count) for p in anew.problems
    }
    assert tally.ids() == now.keys()
