"""Conditions: Accepted, Placed, Applied, Healthy, Ready, and kstatus's Reconciling and Stalled."""

from typing import Any

import pytest

from atoll.api.delivery import ObjectOutcome
from atoll.api.status import ApplicationStatus
from atoll.api.times import format_time
from atoll.observe.status import settled

from .worlds import (
    AWAY,
    NOW,
    START,
    WEB,
    Issue,
    application,
    conditions,
    kstatus,
    observed,
    outcome,
    planned,
    status,
    trouble,
)

INVALID = (Issue("spec.manifests[0].kind", "is missing"),)
WELL = (outcome("eu"), observed("eu"))
FIVE = ["Accepted", "Placed", "Applied", "Healthy", "Ready"]


def test_all_is_well() -> None:
    found = status(planned("eu"), *WELL)
    assert [c.type for c in found.conditions] == FIVE
    assert {c.status for c in found.conditions} == {"True"}
    assert {c.observed_generation for c in found.conditions} == {found.observed_generation} == {1}
    assert (kstatus(found), settled(found)) == ("Current", True)


CASES: list[tuple[str, ApplicationStatus, dict[str, tuple[str, str]], str, bool]] = [
    (
        "not planned yet",
        status(None),
        {"Placed": ("Unknown", "Pending"), "Ready": ("Unknown", "Pending")},
        "InProgress",
        False,
    ),
    (
        "nothing delivered yet",
        status(planned("eu")),
        {"Applied": ("False", "Pending"), "Ready": ("False", "Pending")},
        "InProgress",
        False,
    ),
    (
        "being delivered",
        status(planned("eu"), outcome("eu", "Applying")),
        {"Reconciling": ("True", "Applying")},
        "InProgress",
        False,
    ),
    (
        "applied, not seen yet",
        status(planned("eu"), outcome("eu")),
        {"Healthy": ("Unknown", "Unknown")},
        "InProgress",
        False,
    ),
    (
        "rolling out",
        status(planned("eu"), outcome("eu"), observed("eu", "Progressing", 1)),
        {
            "Applied": ("True", "Applied"),
            "Healthy": ("False", "Progressing"),
            "Ready": ("False", "Progressing"),
            "Reconciling": ("True", "Progressing"),
        },
        "InProgress",
        False,
    ),
    (
        "an object was deleted on the member",
        status(planned("eu"), outcome("eu"), observed("eu", "Missing")),
        {"Healthy": ("False", "Missing")},
        "InProgress",
        False,
    ),
    (
        "degraded",
        status(planned("eu"), outcome("eu"), observed("eu", "Degraded", 1, 3, trouble())),
        {
            "Applied": ("True", "Applied"),
            "Healthy": ("False", "Degraded"),
            "Ready": ("False", "Degraded"),
            "Stalled": ("True", "Degraded"),
        },
        "Failed",
        True,
    ),
    (
        "one degraded, another still on its way",
        status(
            planned("eu", "us"), outcome("eu"), observed("eu", "Degraded"), outcome("us"), observed("us", "Progressing")
        ),
        {"Healthy": ("False", "Degraded"), "Reconciling": ("True", "Progressing")},
        "InProgress",
        False,
    ),
    (
        "conflict",
        status(
            planned("eu"),
            outcome("eu", "Conflict", ObjectOutcome(WEB, "Conflict", "OwnedByOthers", "kubectl")),
            observed("eu"),
        ),
        {"Applied": ("False", "Conflict"), "Stalled": ("True", "Conflict")},
        "Failed",
        True,
    ),
    (
        "refused",
        status(planned(refused={"eu": "x"})),
        {"Applied": ("False", "Failed"), "Stalled": ("True", "Failed")},
        "Failed",
        True,
    ),
    (
        "waits for a kind that the cluster does not serve",
        status(
            planned("eu"),
            outcome("eu", "Waiting", ObjectOutcome(WEB, "Waiting", "KindNotServed", "x")),
            observed("eu", "Missing"),
        ),
        {"Applied": ("False", "Waiting"), "Reconciling": ("True", "Waiting")},
        "InProgress",
        True,
    ),
    (
        "unreachable",
        status(planned("eu", "us"), *WELL, outcome("us"), observed("us"), reach={"us": AWAY}),
        {
            "Applied": ("Unknown", "Unreachable"),
            "Ready": ("Unknown", "Unreachable"),
            "Reconciling": ("True", "Unreachable"),
        },
        "InProgress",
        True,
    ),
    (
        "unreachable there, failed here",
        status(planned("eu", "us"), outcome("eu", "Failed"), observed("eu"), reach={"us": AWAY}),
        {"Applied": ("False", "Failed"), "Stalled": ("True", "Failed")},
        "Failed",
        True,
    ),
    (
        "invalid",
        status(None, issues=INVALID),
        {
            "Accepted": ("False", "Invalid"),
            "Placed": ("Unknown", "NotAccepted"),
            "Ready": ("False", "Invalid"),
            "Stalled": ("True", "Invalid"),
        },
        "Failed",
        True,
    ),
    (
        "no cluster fits",
        status(planned(out={"eu": "label env is test"})),
        {"Placed": ("False", "NoClusters"), "Ready": ("False", "NoClusters"), "Stalled": ("True", "NoClusters")},
        "Failed",
        True,
    ),
    (
        "it would remove everything",
        status(planned(), *WELL, held="say allowEmpty"),
        {"Applied": ("False", "Held"), "Stalled": ("True", "Held")},
        "Failed",
        True,
    ),
    (
        "suspended by its user",
        status(planned("eu"), *WELL, app=application(suspend=True)),
        {"Applied": ("Unknown", "Suspended"), "Healthy": ("True", "Healthy"), "Ready": ("Unknown", "Suspended")},
        "Current",
        True,
    ),
    (
        "a paused workload is as its user wants it",
        status(planned("eu"), outcome("eu"), observed("eu", "Suspended")),
        {"Healthy": ("True", "Suspended"), "Ready": ("True", "Ready")},
        "Current",
        True,
    ),
    (
        "leaving a cluster",
        status(planned("eu"), *WELL, outcome("us", "Removing")),
        {"Applied": ("False", "Removing"), "Healthy": ("True", "Healthy"), "Reconciling": ("True", "Removing")},
        "InProgress",
        False,
    ),
    (
        "leaving a cluster that is away",
        status(planned("eu"), *WELL, reach={"us": AWAY}, leaving=frozenset({"us"})),
        {"Applied": ("False", "Removing"), "Reconciling": ("True", "Unreachable")},
        "InProgress",
        True,
    ),
]


@pytest.mark.parametrize(("found", "expected", "computed", "final"), [pytest.param(*c[1:], id=c[0]) for c in CASES])
def test_conditions(found: ApplicationStatus, expected: dict[str, tuple[str, str]], computed: str, final: bool) -> None:
    said = conditions(found)
    assert {k: said.get(k) for k in expected} == expected
    assert kstatus(found) == computed
    assert settled(found) is final


@pytest.mark.parametrize("found", [pytest.param(c[1], id=c[0]) for c in CASES])
def test_conditions_agree_with_one_another(found: ApplicationStatus) -> None:
    said = conditions(found)
    assert list(said)[:5] == FIVE
    assert not {"Reconciling", "Stalled"} <= said.keys(), "never both"
    if {"Reconciling", "Stalled"} & said.keys():
        assert said["Ready"][0] != "True", "not ready while it is reconciling or stalled"
    else:
        assert said["Ready"][0] == "True" or said["Applied"][1] == "Suspended"
    assert all(c.status == "True" for c in found.conditions if c.type in {"Reconciling", "Stalled"}), "abnormal-true"
    assert all(c.reason and c.last_transition_time and len(c.message) <= 512 for c in found.conditions)


def test_the_older_generation_is_in_progress_for_kstatus() -> None:
    assert kstatus(status(planned("eu"), *WELL), generation=2) == "InProgress"


def test_while_it_is_being_deleted() -> None:
    before = status(planned("eu", "us"), *WELL, outcome("us"))
    found = status(planned("eu", "us"), outcome("us", "Removing"), previous=before, deleting=True)
    assert [r.name for r in found.clusters] == ["us"]
    assert conditions(found)["Ready"] == ("False", "Removing")
    assert kstatus(found, deleting=True) == "Terminating"
    assert not settled(found)


def test_transitions_are_dated_and_messages_are_not_transitions() -> None:
    before = status(planned("eu"), outcome("eu"), observed("eu", "Progressing", 1))
    same = status(planned("eu"), outcome("eu"), observed("eu", "Degraded", 1), previous=before, now=NOW + 60)
    times = {c.type: c.last_transition_time for c in same.conditions}
    assert times["Healthy"] == times["Ready"] == START
    assert times["Stalled"] == format_time(NOW + 60)
    well = status(planned("eu"), *WELL, previous=same, now=NOW + 90)
    times = {c.type: c.last_transition_time for c in well.conditions}
    assert times["Healthy"] == times["Ready"] == format_time(NOW + 90)
    assert times["Accepted"] == START


def test_the_same_facts_give_the_same_status_whenever_they_are_looked_at() -> None:
    for _, before, *_ in CASES:
        assert "T" in before.conditions[0].last_transition_time
    facts: tuple[Any, ...] = (planned("eu"), outcome("eu"), observed("eu", "Degraded", 1, 3, trouble()))
    before = status(*facts)
    assert status(*facts, previous=before, now=NOW + 1000) == before


def test_a_hub_that_has_just_started_repeats_what_is_written() -> None:
    lost = outcome("ap", "Failed", ObjectOutcome(WEB, "Failed", "Invalid", "x"))
    before = status(
        planned("ap", "eu", "us"),
        *WELL,
        outcome("us"),
        observed("us", "Degraded", 1, 3, trouble()),
        lost,
        observed("ap"),
    )
    plan, later = planned("ap", "eu", "us"), NOW + 1000
    assert status(None, previous=before, now=later) == before
    assert status(plan, previous=before, now=later) == before
    assert status(plan, *WELL, outcome("us"), previous=before, now=later) == before
    assert status(plan, lost, observed("us", "Degraded", 1, 3, trouble()), previous=before, now=later) == before


def test_above_a_hundred_clusters_too() -> None:
    clusters = [f"c{n:03}" for n in range(200)]
    rows = [answer for c in clusters for answer in (outcome(c), observed(c))]
    before = status(planned(*clusters), *rows)
    assert status(planned(*clusters), previous=before, now=NOW + 1000) == before
    assert status(planned(*clusters), *rows[:50], previous=before, now=NOW + 1000) == before


def test_what_validation_says_is_said() -> None:
    issues = (*INVALID, Issue("spec.health[0]", "y"), Issue("spec.placement", "no cluster is named xx", "warning"))
    (accepted, *_) = status(None, issues=issues).conditions
    assert accepted.message == "spec.manifests[0].kind: is missing (and 1 more)"
    (accepted, *_) = status(planned("eu"), *WELL, issues=issues[2:]).conditions
    assert (accepted.status, accepted.message) == ("True", "spec.placement: no cluster is named xx")


def test_an_invalid_change_leaves_what_is_applied_as_it_is_and_says_so() -> None:
    before = status(planned("eu"), *WELL)
    found = status(None, *WELL, previous=before, issues=INVALID, app=application(2))
    assert (found.clusters, found.placement) == (before.clusters, before.placement)
    assert conditions(found)["Healthy"] == ("True", "Healthy")
    assert found.observed_generation == 2


def test_no_cluster_says_why_of_the_first_few() -> None:
    plan = planned(out={f"c{n}": "label env is test" for n in range(9)})
    message = next(c.message for c in status(plan).conditions if c.type == "Placed")
    assert message.startswith("no cluster was chosen: c0: label env is test; c1: ")
    assert message.endswith("; and 6 more")
