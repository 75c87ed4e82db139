"""What is wrong with a rollout is said before anything is changed, with the field's path."""

from typing import Any

import pytest

from tests.spec.api.shop import application, errors

Json = dict[str, Any]
DEV: Json = {"name": "dev", "clusters": ["eu-1"]}
PROD: Json = {"name": "prod", "clusters": ["us-1"]}
URL = "http://prometheus.monitoring:9090"


def refused(**rollout: Any) -> list[str]:
    return errors(application(rollout=rollout))


@pytest.mark.parametrize(
    "rollout",
    [
        {"stages": [DEV, PROD]},
        {"stages": [DEV, {"name": "rest", "all": True, "approval": True, "pause": "1h"}]},
        {"stages": [DEV, {"name": "prod", "selector": {"matchLabels": {"env": "prod"}}}]},
        {"maxUnavailable": 2, "onFailure": "rollback", "offline": "wait", "offlineAfter": "90s"},
        {"maxUnavailable": "100%", "gates": {"healthyFor": "30s"}},
        {"gates": {"check": {"prometheus": {"url": URL, "query": "up", "min": 1}, "every": "15s"}}},
        {"gates": {"check": {"http": {"url": "https://shop.example/ready", "contains": "ok"}}}},
    ],
)
def test_these_are_right(rollout: Json) -> None:
    assert refused(**rollout) == []


@pytest.mark.parametrize(
    ("rollout", "path", "words"),
    [
        ({"stages": [DEV]}, "spec.rollout.stages", "no stage takes us-1"),
        ({"stages": [DEV, PROD | {"clusters": ["us-1", "eu-1"]}]}, "stages[1].clusters", "eu-1 is in stage dev, too"),
        ({"stages": [DEV, PROD | {"name": "dev"}]}, "stages[1].name", "dev is the name of stage 1, too"),
        ({"stages": [{"name": "rest", "all": True}, DEV]}, "stages[0].all", "last stage"),
        ({"stages": [{"name": "dev"}]}, "stages[0]", "no cluster is named"),
        ({"stages": [DEV | {"name": "Dev 1"}, PROD]}, "stages[0].name", "expected"),
        ({"stages": [DEV, PROD | {"where": "cluster.labels["}]}, "stages[1].where", "CEL"),
        ({"maxUnavailable": 0}, "spec.rollout.maxUnavailable", "neither a number from 1"),
        ({"maxUnavailable": "half"}, "spec.rollout.maxUnavailable", "neither a number from 1"),
        ({"maxUnavailable": "0%"}, "spec.rollout.maxUnavailable", "neither a number from 1"),
        ({"gates": {}}, "spec.rollout.gates", "says nothing"),
        ({"gates": {"healthyFor": "soon"}}, "gates.healthyFor", "expected"),
        ({"gates": {"check": {}}}, "gates.check", "either http or prometheus"),
        ({"gates": {"check": {"prometheus": {"url": URL, "query": "up"}}}}, "check.prometheus", "needs a threshold"),
        (
            {"gates": {"check": {"prometheus": {"url": URL, "query": "up", "min": 2, "max": 1}}}},
            "check.prometheus.min",
            "above max",
        ),
        ({"gates": {"check": {"http": {"url": "file:///etc/passwd"}}}}, "check.http.url", "expected"),
        ({"gates": {"check": {"http": {"url": "http://user:secret@shop.example/"}}}}, "check.http.url", "expected"),
        ({"onFailure": "ignore"}, "spec.rollout.onFailure", "invalid enum value"),
        ({"stagse": []}, "spec.rollout.stagse", "did you mean stages?"),
    ],
)
def test_these_are_refused_with_the_field_named(rollout: Json, path: str, words: str) -> None:
    found = refused(**rollout)
    assert any(path in issue and words in issue for issue in found), found
