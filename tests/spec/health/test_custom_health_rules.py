"""`spec.health`: a user's own rules, in CEL."""

from atoll.api.application import HealthRule
from atoll.api.objects import Json
from atoll.observe.custom import compile_rules
from atoll.observe.health import assess

from .bodies import condition, custom, deployment

DATABASE = {"api_version": "example.org/v1", "kind": "Database"}


def health(body: Json, *rules: HealthRule) -> tuple[str, str]:
    found = assess(body, compile_rules(rules))
    return found.health, found.message


def phase(value: str) -> Json:
    return custom(phase=value)


RULE = HealthRule(
    **DATABASE,
    degraded="object.status.phase == 'Broken'",
    suspended="object.status.phase == 'Asleep'",
    healthy="object.status.phase in ['Up', 'Asleep']",
    message="'phase ' + object.status.phase",
)


def test_the_first_that_holds_of_degraded_suspended_healthy_decides() -> None:
    assert health(phase("Broken"), RULE) == ("Degraded", "phase Broken")
    assert health(phase("Asleep"), RULE) == ("Suspended", "phase Asleep")
    assert health(phase("Up"), RULE) == ("Healthy", "phase Up")


def test_none_that_holds_is_progressing() -> None:
    assert health(phase("Starting"), RULE) == ("Progressing", "phase Starting")


def test_a_rule_replaces_what_atoll_knows_of_the_kind() -> None:
    rule = HealthRule(api_version="apps/v1", kind="Deployment", healthy="object.status.readyReplicas > 0")
    assert health(deployment(3, readyReplicas=1, availableReplicas=1), rule)[0] == "Healthy"


def test_it_holds_for_every_version_of_its_kind_and_for_no_other() -> None:
    other = HealthRule(api_version="example.org/v2", kind="Database", degraded="true")
    assert health(phase("Up"), other)[0] == "Degraded"
    assert health(deployment(), other)[0] == "Healthy"


def test_a_rule_that_fails_is_unknown_and_says_why() -> None:
    body = custom()
    del body["status"]
    found, message = health(body, RULE)
    assert found == "Unknown"
    assert message.startswith("spec.health: ")
    assert "status" in message


def test_a_rule_that_answers_no_truth_is_unknown() -> None:
    assert health(phase("Up"), HealthRule(**DATABASE, healthy="object.status.phase"))[0] == "Unknown"


def test_a_rule_that_does_not_compile_is_unknown_and_spares_other_kinds() -> None:
    broken = HealthRule(**DATABASE, healthy="object.status.phase ==")
    assert health(phase("Up"), broken)[0] == "Unknown"
    assert health(deployment(), broken)[0] == "Healthy"


def test_a_message_that_fails_is_left_out() -> None:
    rule = HealthRule(**DATABASE, healthy="true", message="object.status.absent")
    assert health(phase("Up"), rule) == ("Healthy", "")


def test_a_message_is_one_clean_line() -> None:
    rule = HealthRule(**DATABASE, healthy="true", message="'a\\n\\u001b[31mb'")
    assert health(phase("Up"), rule) == ("Healthy", "a b")


def test_several_rules_of_a_kind_are_asked_in_order() -> None:
    first, second = HealthRule(**DATABASE, degraded="false"), HealthRule(**DATABASE, healthy="true")
    assert health(phase("Up"), first, second)[0] == "Healthy"


def test_deletion_comes_before_any_rule() -> None:
    body = custom(condition("Ready", "True"))
    body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert health(body, HealthRule(**DATABASE, healthy="true"))[0] == "Progressing"
