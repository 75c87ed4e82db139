"""Which clusters may change now: moments of a rollout. What always holds is in `tests/machines/test_rollout.py`."""

from typing import Any

import msgspec

from atoll.api.intent import Content, Former
from atoll.api.objects import Manifest
from atoll.api.placement import Placement, Spread
from atoll.api.replicas import Replicas
from atoll.api.rollout import Check, Gates, HttpCheck, Rollout, RolloutStatus, Stage
from atoll.api.rooms import Room
from atoll.api.times import format_time
from atoll.plan.model import Plan, Snapshot
from atoll.plan.planner import plan
from atoll.plan.progress import Answer, Progress, Standing
from atoll.plan.rollout import PATIENCE
from atoll.testing.worlds import SHOP, cluster, config, container, deployment, intent

NOW = 1_000_000.0
OLD, NEW = 5, 9
CLUSTERS = ("a", "b", "c", "d")
BEFORE, AFTER = (deployment("web", container(image=f"shop:{tag}")) for tag in ("old", "new"))
WELL = Standing(OLD, applied=True, health="Healthy", since=NOW - 1000)
DONE = msgspec.structs.replace(WELL, revision=NEW)
ILL = msgspec.structs.replace(DONE, health="Degraded")
CHANGING = Standing(NEW, health="Progressing", since=NOW - 1)
AWAY = msgspec.structs.replace(WELL, applied=False, away=NOW - 10)
LONG_AWAY = msgspec.structs.replace(AWAY, away=NOW - 301)


def planned(
    *standing: Standing | None,
    wish: Rollout | None = None,
    old: Manifest = BEFORE,
    new: Manifest = AFTER,
    **progress: Any,
) -> Plan:
    """The plan for clusters a, b, c … that have `standing`, of a change from `old` to `new`."""
    names = CLUSTERS[: len(standing)]
    app = intent(new, rollout=wish)
    app = msgspec.structs.replace(app, revision=app.revision._replace(sequence=NEW))
    known = {"before": OLD, "formers": {OLD: Former(Content("old", (old,)), OLD)}, **progress}
    there = {name: one for name, one in zip(names, standing, strict=True) if one is not None}
    course = Progress(target=NEW, content=Content("new", (new,)), standing=there, **known)
    facts = {name: cluster(name) for name in names}
    return plan(app, Snapshot(facts, NOW, {SHOP: dict.fromkeys(there)}, rollouts={SHOP: course}))


def newest(found: Plan) -> list[str]:
    return [name for name, delivery in found.deliveries.items() if delivery.revision.sequence == NEW]


def message(found: Plan) -> str:
    assert found.rollout is not None
    return found.rollout.message


def phase(found: Plan) -> str:
    assert found.rollout is not None
    return found.rollout.phase


def test_without_a_word_one_cluster_is_changed_first() -> None:
    found = planned(WELL, WELL, WELL, WELL)
    assert newest(found) == ["a"]
    assert message(found) == "stage all: waits for a: is next, and 3 more"
    assert found.deliveries["b"].objects == (BEFORE,)
    assert found.deliveries["b"].revision.sequence == OLD


def test_then_a_quarter_at_a_time() -> None:
    assert newest(planned(CHANGING, WELL, WELL, WELL)) == ["a"]
    assert newest(planned(DONE, WELL, WELL, WELL)) == ["a", "b"]
    assert newest(planned(DONE, CHANGING, WELL, WELL)) == ["a", "b"]


def test_what_has_no_health_to_wait_for_goes_everywhere_at_once() -> None:
    found = planned(WELL, WELL, WELL, WELL, old=config(level="info"), new=config(level="debug"))
    assert newest(found) == list(CLUSTERS)


def test_more_replicas_in_a_manifest_are_no_change_to_wait_for() -> None:
    few, many = (deployment("web", container(image="shop:1"), replicas=n) for n in (1, 5))
    assert newest(planned(WELL, WELL, old=few, new=many)) == ["a", "b"]


def test_asked_for_all_at_once_is_all_at_once() -> None:
    assert newest(planned(WELL, WELL, WELL, wish=Rollout(max_unavailable="100%"))) == ["a", "b", "c"]


def test_a_cluster_that_has_nothing_is_never_held_up() -> None:
    found = planned(CHANGING, WELL, None)
    assert newest(found) == ["a", "c"]


STAGES = Rollout(stages=(Stage(name="dev", clusters=("a",)), Stage(name="rest", all=True, approval=True)))


def test_before_its_stage_a_new_cluster_gets_what_was_stable() -> None:
    found = planned(CHANGING, None, wish=STAGES)
    assert found.deliveries["b"].objects == (BEFORE,)


def test_a_first_delivery_waits_for_its_stage() -> None:
    found = planned(None, None, wish=STAGES, before=0, formers={})
    assert newest(found) == ["a"]
    assert found.unreached == {"b": "its stage is yet to come"}


def test_an_approval_is_awaited_and_opens_its_stage() -> None:
    waiting = planned(DONE, WELL, wish=STAGES)
    assert (newest(waiting), phase(waiting)) == (["a"], "Waiting")
    assert message(waiting) == "stage rest: a person has to approve: `atoll app approve`"
    assert newest(planned(DONE, WELL, wish=STAGES, approved=frozenset({"rest"}))) == ["a", "b"]


def test_degraded_for_a_while_stops_all_else() -> None:
    young = msgspec.structs.replace(ILL, since=NOW - 1)
    assert phase(planned(young, WELL)) == "Progressing"
    assert planned(young, WELL).again == PATIENCE - 1
    found = planned(ILL, WELL, wish=Rollout(max_unavailable=2))
    assert (newest(found), phase(found), message(found)) == (["a"], "Failed", "stopped: a: Degraded")
    assert not found.turns_back


def test_with_rollback_it_asks_for_a_number_to_turn_back_under() -> None:
    found = planned(ILL, WELL, wish=Rollout(on_failure="rollback"))
    assert found.turns_back
    assert message(found) == "a: Degraded"


def test_turned_back_all_get_what_was_stable_under_the_new_number() -> None:
    back = RolloutStatus(revision=NEW, stable=OLD, back=NEW + 3, phase="RollingBack", message="a: Degraded")
    app = msgspec.structs.replace(intent(AFTER), revision=intent().revision._replace(sequence=NEW + 3))
    formers = {OLD: Former(Content("old", (BEFORE,)), OLD)}
    course = Progress(NEW, Content("new", (AFTER,)), formers, OLD, back, {"a": ILL, "b": WELL})
    found = plan(app, Snapshot({n: cluster(n) for n in ("a", "b")}, NOW, rollouts={SHOP: course}))
    assert [d.objects for d in found.deliveries.values()] == [(BEFORE,), (BEFORE,)]
    assert {d.revision.sequence for d in found.deliveries.values()} == {NEW + 3}
    assert phase(found) == "RollingBack"


def test_what_to_go_back_to_may_not_be_known() -> None:
    found = planned(ILL, WELL, wish=Rollout(on_failure="rollback"), formers={})
    assert not found.turns_back
    assert message(found) == "stopped: a: Degraded; what to go back to isn't known"
    assert found.kept == {"b": "stays as it is until its turn: what it has, revision 5, isn't known any more"}


def test_paused_changes_nobody_else() -> None:
    found = planned(DONE, WELL, wish=Rollout(paused=True))
    assert (newest(found), phase(found)) == (["a"], "Paused")


def test_healthy_for_a_time_is_asked_of_each_cluster() -> None:
    wish = Rollout(max_unavailable=1, gates=Gates(healthy_for="60s"))
    fresh = msgspec.structs.replace(DONE, since=NOW - 20)
    assert newest(planned(fresh, WELL, wish=wish)) == ["a"]
    assert planned(fresh, WELL, wish=wish).again == 40
    assert newest(planned(DONE, WELL, wish=wish)) == ["a", "b"]


def test_an_offline_cluster_is_waited_for_and_then_passed_over_by_name() -> None:
    found = planned(DONE, AWAY)
    assert (phase(found), message(found)) == ("Progressing", "stage all: waits for b: can't be reached")
    assert found.again == 290
    over = planned(DONE, LONG_AWAY)
    assert over.rollout is not None
    assert (over.rollout.phase, over.rollout.offline) == ("Complete", ("b",))
    assert message(over) == "passed over, and changed when they are back: b"
    assert phase(planned(DONE, LONG_AWAY, wish=Rollout(offline="wait"))) == "Progressing"


def test_a_stage_that_nobody_could_try_is_not_passed() -> None:
    found = planned(LONG_AWAY, WELL, wish=STAGES, approved=frozenset({"rest"}))
    assert newest(found) == []
    assert message(found) == "stage dev: none of its clusters can be reached"


CHECKED = Rollout(gates=Gates(check=Check(http=HttpCheck("http://shop.example/"), within="1m")), on_failure="rollback")


def verifying(since: float) -> RolloutStatus:
    row = {"name": "all", "state": "Verifying", "since": format_time(since)}
    return msgspec.convert({"revision": NEW, "stable": OLD, "phase": "Progressing", "stages": [row]}, RolloutStatus)


def test_a_check_is_asked_when_all_are_done() -> None:
    assert planned(DONE, WELL, wish=CHECKED).ask == ""
    assert planned(DONE, DONE, wish=CHECKED).ask == "all"


def test_its_answer_decides() -> None:
    assert phase(planned(DONE, DONE, wish=CHECKED, answers={"all": Answer(passed=True)})) == "Complete"
    no = {"all": Answer(passed=False, message="status 500 instead of 200")}
    assert not planned(DONE, DONE, wish=CHECKED, last=verifying(NOW - 10), answers=no).turns_back
    failed = planned(DONE, DONE, wish=CHECKED, last=verifying(NOW - 61), answers=no)
    assert failed.turns_back
    assert message(failed) == "the check of stage all did not pass: status 500 instead of 200"


def test_a_pause_follows_a_stage() -> None:
    wish = Rollout(stages=(Stage(name="dev", clusters=("a",), pause="10m"), Stage(name="rest", all=True)))
    found = planned(DONE, WELL, wish=wish)
    assert (newest(found), phase(found), found.again) == (["a"], "Waiting", 600)
    assert "goes on at" in message(found)


def test_a_cluster_of_no_stage_or_of_two_is_refused_by_name() -> None:
    stages = (Stage(name="one", clusters=("a", "b")), Stage(name="two", where='cluster.name == "b"'))
    found = planned(WELL, WELL, WELL, wish=Rollout(stages=stages))
    assert {name: refusal.message for name, refusal in found.refusals.items()} == {
        "b": "the stages one and two overlap: both take it",
        "c": "no stage of spec.rollout.stages takes it: add it to one, or a last stage with all: true",
    }


def test_a_removal_is_not_held_up() -> None:
    gone = planned(WELL, WELL, wish=Rollout(paused=True)).deliveries
    assert set(gone) == {"a", "b"}
    app = intent(AFTER, rollout=Rollout(paused=True))
    course = Progress(NEW, Content("new", (AFTER,)), before=OLD, standing={"a": WELL, "b": WELL})
    left = plan(app, Snapshot({"a": cluster("a")}, NOW, {SHOP: {"a": None, "b": None}}, rollouts={SHOP: course}))
    assert "b" not in {**left.deliveries, **left.kept, **left.refusals}


REFUSING = msgspec.structs.replace(DONE, applied=False, trouble="ConfigMap/settings: Exists")


def test_without_a_word_a_cluster_that_refuses_stops_no_other() -> None:
    """One sick cluster touches no other; only what becomes ill by the change says something of it."""
    assert newest(planned(REFUSING, WELL, WELL)) == ["a", "b"]
    assert phase(planned(REFUSING, DONE, DONE)) == "Complete"
    assert phase(planned(ILL, WELL, WELL)) == "Failed"


def test_who_asks_for_a_rollout_is_told_of_a_refusal() -> None:
    found = planned(REFUSING, WELL, WELL, wish=Rollout(max_unavailable=1))
    assert (newest(found), message(found)) == (["a"], "stopped: a: ConfigMap/settings: Exists")


def test_a_cluster_where_the_old_content_would_not_be_placed_any_more_stays_as_it_is() -> None:
    """More replicas of smaller Pods: of the old, larger ones so many would have no room here. Until its turn it keeps
    what it has; it was taken away.
    """
    old, new = (
        deployment("web", container(image=f"shop:{cpu}", resources={"requests": {"cpu": cpu}})) for cpu in ("4", "1")
    )
    wish = Placement(all=True, spread=(Spread("cluster", max=2),))
    app = intent(new, placement=wish, replicas=Replicas(total=8, divide="capacity"), rollout=Rollout(max_unavailable=1))
    app = msgspec.structs.replace(app, revision=app.revision._replace(sequence=NEW))
    course = Progress(
        target=NEW,
        content=Content("new", (new,)),
        standing={"a": WELL, "b": WELL},
        before=OLD,
        formers={OLD: Former(Content("old", (old,)), OLD)},
    )
    rooms = {"a": 3, "b": 3, "c": 100, "d": 100}
    facts = {n: cluster(n, rooms=(Room({"cpu": cores * 1000}, 110),)) for n, cores in rooms.items()}
    found = plan(app, Snapshot(facts, NOW, {SHOP: {"a": 2, "b": 2}}, rollouts={SHOP: course}))
    assert newest(found) == ["a"]
    assert list(found.kept) == ["b"]
    assert found.shares["b"].common == 2


def test_a_cluster_that_stays_as_it_is_is_no_newcomer_the_next_time() -> None:
    """Else a cordon, or a moment out of reach, would have it removed from there."""
    unknown = planned(CHANGING, WELL, formers={})
    assert list(unknown.kept) == ["b"]
    assert list(unknown.shares) == ["a", "b"]
    forgotten = planned(CHANGING, WELL, wish=Rollout(stages=(Stage(name="dev", clusters=("a",)),)))
    assert list(forgotten.refusals) == ["b"]
    assert list(forgotten.shares) == ["a", "b"]
