"""One cluster's row: how far delivery is, how the objects do, and the first trouble in the member's own words."""

import pytest

from atoll.api.delivery import ObjectOutcome
from atoll.api.objects import ObjectId
from atoll.api.times import format_time

from .worlds import AWAY, NOW, POD, START, WEB, Reach, application, observed, outcome, planned, row, status, trouble

LATER = NOW + 60


def test_applied_and_healthy() -> None:
    found = row(status(planned("eu"), outcome("eu"), observed("eu")), "eu")
    assert (found.state, found.health, found.ready, found.revision) == ("Applied", "Healthy", "3/3", 1)
    assert (found.message, found.problems, found.since) == ("", (), START)


def test_nothing_is_known_of_a_cluster_at_first() -> None:
    found = row(status(planned("eu")), "eu")
    assert (found.state, found.health, found.ready, found.revision) == ("Pending", "Unknown", "", 0)


def test_a_newer_revision_than_the_one_applied_is_on_its_way() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    found = row(status(planned("eu", sequence=2), outcome("eu"), observed("eu"), sequence=2, previous=before), "eu")
    assert (found.state, found.revision) == ("Applying", 1)


@pytest.mark.parametrize("state", ["Applied", "Applying", "Conflict"])
def test_while_a_change_is_held_what_is_there_is_told_of(state: str) -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    held = status(planned(), outcome("eu", state), observed("eu"), sequence=2, previous=before, held="say allowEmpty")
    assert (row(held, "eu").state, row(held, "eu").revision) == (state, 1)


def test_a_revision_counts_once_all_of_it_is_applied() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    half = outcome("eu", "Failed", ObjectOutcome(WEB, "Failed", "Invalid", "no"), sequence=2)
    assert row(status(planned("eu", sequence=2), half, sequence=2, previous=before), "eu").revision == 1
    done = outcome("eu", sequence=2)
    assert row(status(planned("eu", sequence=2), done, sequence=2, previous=before), "eu").revision == 2


def test_the_first_trouble_names_the_object_and_the_members_own_words() -> None:
    pending = ObjectOutcome(ObjectId("", "Service", "demo", "web"), "Pending")
    waiting = ObjectOutcome(ObjectId("x.io", "Thing", "demo", "t"), "Waiting", "KindNotServed", "no such kind")
    conflict = ObjectOutcome(WEB, "Conflict", "OwnedByOthers", 'manager "kubectl" has .spec.replicas')
    found = row(status(planned("eu"), outcome("eu", "Conflict", pending, waiting, conflict), observed("eu")), "eu")
    assert found.state == "Conflict"
    assert found.message == 'Deployment/web: OwnedByOthers: manager "kubectl" has .spec.replicas'
    assert [p.object for p in found.problems] == ["Deployment/web", "Thing.x.io/t"]


def test_what_could_not_be_delivered_comes_before_what_does_not_run() -> None:
    failed = outcome(
        "eu", "Failed", ObjectOutcome(ObjectId("", "ConfigMap", "demo", "c"), "Failed", "TooLarge", "too big")
    )
    found = row(status(planned("eu"), failed, observed("eu", "Degraded", 0, 3, trouble())), "eu")
    assert [p.reason for p in found.problems] == ["TooLarge", "ErrImagePull"]


def test_at_most_three_problems_of_256_characters() -> None:
    words = "x" * 1000
    failed = [ObjectOutcome(ObjectId("", "ConfigMap", "demo", f"c{n}"), "Failed", "Bad", words) for n in range(9)]
    found = row(
        status(planned("eu"), outcome("eu", "Failed", *failed), observed("eu", "Degraded", 0, 3, trouble())), "eu"
    )
    assert len(found.problems) == 3
    assert {len(p.message) for p in found.problems} == {256}
    assert len(found.message) == 256


def test_a_refused_cluster_says_which_field_and_why() -> None:
    found = row(status(planned("us", refused={"eu": "no such path"}), outcome("us")), "eu")
    assert (found.state, found.message) == ("Failed", "spec.differences[0]: no such path")


def test_an_unreachable_cluster_was_last_seen_and_is_not_called_healthy() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    found = row(status(planned("eu"), outcome("eu"), observed("eu"), previous=before, reach={"eu": AWAY}), "eu")
    assert (found.state, found.health, found.ready, found.revision) == ("Unreachable", "Unknown", "", 1)
    assert found.since == format_time(NOW - 60)
    assert found.message == f"last seen {found.since}: 192.0.2.1:6443: connection refused"


def test_since_when_it_is_unreachable_survives_the_hub() -> None:
    before = status(planned("eu"), outcome("eu"), reach={"eu": AWAY})
    again = Reach(False, "Timeout", "no answer", LATER)
    found = row(status(planned("eu"), previous=before, reach={"eu": again}, now=LATER), "eu")
    assert found.since == format_time(NOW - 60)


def test_a_cluster_that_was_not_tried_yet_is_as_it_was() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    after = status(planned("eu"), previous=before, reach={"eu": Reach(None, "Connecting")}, now=LATER)
    assert after == before


def test_since_stays_as_long_as_the_state_does() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu"))
    same = status(planned("eu"), outcome("eu"), observed("eu", "Degraded"), previous=before, now=LATER)
    assert row(same, "eu").since == START
    other = status(planned("eu"), outcome("eu", "Failed"), observed("eu"), previous=before, now=LATER)
    assert row(other, "eu").since == format_time(LATER)


def test_a_problem_keeps_its_date_though_pods_and_hubs_come_and_go() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu", "Degraded", 0, 3, trouble()))
    newer = trouble(about=POD._replace(name="web-2"), since=NOW + 50)
    after = status(planned("eu"), outcome("eu"), observed("eu", "Degraded", 0, 3, newer), previous=before, now=LATER)
    assert row(after, "eu").problems[0].since == row(before, "eu").problems[0].since == format_time(NOW - 30)


def test_what_is_missing_is_a_problem_only_where_all_was_applied() -> None:
    missing = observed("eu", "Missing", None, None, trouble("Missing", "it is not in the cluster", WEB))
    assert row(status(planned("eu"), outcome("eu", "Applying"), missing), "eu").problems == ()
    assert (
        row(status(planned("eu"), outcome("eu"), missing), "eu").message
        == "Deployment/web: Missing: it is not in the cluster"
    )


def test_a_cluster_that_it_leaves_is_removing_until_it_is_gone() -> None:
    before = status(planned("eu", "us"), outcome("eu"), outcome("us"), observed("eu"), observed("us"))
    found = status(
        planned("eu"),
        outcome("eu"),
        observed("eu"),
        outcome("us", "Removing"),
        previous=before,
        leaving=frozenset({"us"}),
    )
    assert row(found, "us").state == "Removing"
    assert [p.cluster for p in found.placement] == ["eu"]
    assert found.summary is not None
    assert found.summary.clusters == 1
    gone = status(planned("eu"), outcome("eu"), observed("eu"), previous=found)
    assert [r.name for r in gone.clusters] == ["eu"]


def test_suspended_goes_on_telling_how_things_are() -> None:
    app = application(suspend=True)
    found = row(status(planned("eu"), outcome("eu"), observed("eu", "Degraded", 1), app=app), "eu")
    assert (found.state, found.health, found.ready) == ("Suspended", "Degraded", "1/3")


def test_a_rejected_secret_does_not_show_its_values() -> None:
    secret = ObjectOutcome(
        ObjectId("", "Secret", "demo", "db"), "Failed", "Invalid", 'data: Invalid value: "aHVudGVyMg=="'
    )
    assert "aHVudGVyMg" not in str(status(planned("eu"), outcome("eu", "Failed", secret)))


@pytest.mark.parametrize("text", ["\x1b[31mred\x1b[0m", "a\nb", "\u202eevil"])
def test_no_control_characters_reach_the_status(text: str) -> None:
    found = status(planned("eu"), outcome("eu", "Failed", ObjectOutcome(WEB, "Failed", "Bad", text)))
    assert row(found, "eu").message.isprintable()


def test_the_summary_counts() -> None:
    found = status(
        planned("ap", "eu", "us"),
        *(outcome("ap"), observed("ap")),
        *(outcome("eu"), observed("eu", "Degraded", 1)),
        *(outcome("us", "Failed"), observed("us", "Healthy", None, None)),
    )
    summary = found.summary
    assert summary is not None
    assert (summary.clusters, summary.applied, summary.healthy, summary.ready) == (3, 2, 2, "4/6")


def test_the_placement_says_where_how_many_and_why() -> None:
    (placed,) = status(planned("eu")).placement
    assert (placed.cluster, placed.replicas, placed.why) == ("eu", 3, "each 3")


def test_who_is_left_is_told_by_outcomes_and_by_who_is_away_when_nobody_says() -> None:
    reach = {"eu": Reach(), "us": AWAY, "ap": Reach()}
    found = status(planned("eu"), outcome("eu"), observed("eu"), reach=reach, leaving=None)
    assert [(r.name, r.state) for r in found.clusters] == [("eu", "Applied"), ("us", "Removing")]
