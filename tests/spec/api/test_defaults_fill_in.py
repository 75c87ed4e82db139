"""ApplicationDefaults: what an Application doesn't say, its namespace's say, then everybody's."""

from typing import Any

import pytest

from atoll.api.defaults import with_defaults
from atoll.api.validate import validate
from tests.spec.api.shop import APPLICATION, application

EU: dict[str, Any] = {"placement": {"clusters": ["eu-1"]}}
ALL: dict[str, Any] = {"placement": {"all": True}, "failover": {"after": "1m"}}


@pytest.mark.parametrize(
    ("own", "given", "placement", "failover"),
    [
        ({"clusters": ["us-1"]}, (EU, ALL), {"clusters": ["us-1"]}, {"after": "1m"}),
        (None, (EU, ALL), {"clusters": ["eu-1"]}, {"after": "1m"}),
        (None, (ALL,), {"all": True}, {"after": "1m"}),
        (None, (EU,), {"clusters": ["eu-1"]}, None),
        (None, (), None, None),
    ],
)
def test_the_nearest_that_says_something_counts(own: Any, given: Any, placement: Any, failover: Any) -> None:
    spec = with_defaults(application(placement=own), *given)["spec"]
    assert (spec.get("placement"), spec.get("failover")) == (placement, failover)


STAGED: dict[str, Any] = {"rollout": {"stages": [{"name": "all", "all": True}], "onFailure": "rollback"}}


@pytest.mark.parametrize(
    ("own", "rollout"),
    [
        (None, STAGED["rollout"]),
        ({"paused": True}, STAGED["rollout"] | {"paused": True}),
        ({"paused": False}, STAGED["rollout"] | {"paused": False}),
        ({"maxUnavailable": 1, "paused": True}, {"maxUnavailable": 1, "paused": True}),
        ({}, {}),
    ],
)
def test_a_pause_by_hand_is_no_rollout_of_its_own(own: Any, rollout: Any) -> None:
    assert with_defaults(application(rollout=own), EU, STAGED)["spec"]["rollout"] == rollout


def test_an_application_that_says_all_is_left_as_it_is() -> None:
    assert with_defaults(APPLICATION, EU) is APPLICATION


def test_a_placement_that_is_missing_is_an_error_where_the_defaults_are_known() -> None:
    homeless = application(placement=None, differences=None)
    (known,) = validate(homeless, defaults=True)
    assert (known.path, known.severity) == ("spec", "error")
    assert known.message.startswith("placement is missing: give clusters, selector or where, or all: true")
    (unknown,) = validate(homeless)
    assert unknown.severity == "warning"
