"""`differences[].labels`, `annotations` and `replicas`."""

from typing import Any

import pytest

from atoll.api.differences import Difference
from atoll.api.editing import found
from atoll.api.objects import Json, manifest
from atoll.plan.planner import plan
from atoll.testing.worlds import body, config, deployment, everywhere, fleet, intent


def delivered(*differences: Difference) -> list[Json]:
    app = intent(deployment(), config(), differences=differences)
    return [m.body for m in plan(app, fleet("a")).deliveries["a"].objects]


@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_they_are_set_on_every_object(field: str) -> None:
    for obj in delivered(everywhere(**{field: {"team": "shop"}})):
        assert obj["metadata"][field] == {"team": "shop"}


def test_selectors_and_pod_templates_stay_as_they_are() -> None:
    web = delivered(everywhere(labels={"app": "other"}))[0]
    assert web["metadata"]["labels"] == {"app": "other"}
    assert found(web, ("spec", "selector", "matchLabels")) == {"app": "web"}
    assert found(web, ("spec", "template", "metadata", "labels")) == {"app": "web"}


def test_others_are_kept_and_the_last_difference_wins() -> None:
    labelled = manifest(
        body("v1", "ConfigMap", "x") | {"metadata": {"name": "x", "namespace": "demo", "labels": {"a": "1", "b": "1"}}}
    )
    app = intent(labelled, differences=(everywhere(labels={"b": "2"}), everywhere(labels={"b": "3", "c": "3"})))
    (obj,) = plan(app, fleet("a")).deliveries["a"].objects
    assert obj.body["metadata"]["labels"] == {"a": "1", "b": "3", "c": "3"}


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        ({"web": 3}, [3, 1]),
        ({"*": 2}, [2, 2]),
        ({"*": 2, "api": 0}, [2, 0]),
        ({"web": 0}, [0, 1]),
    ],
)
def test_replicas_by_workload_or_for_every_one(replicas: dict[str, int], expected: list[Any]) -> None:
    app = intent(
        deployment("web"), deployment("api", replicas=1), config(), differences=(everywhere(replicas=replicas),)
    )
    planned = plan(app, fleet("a"))
    assert [found(m.body, ("spec", "replicas")) for m in planned.deliveries["a"].objects[:2]] == expected
    assert planned.deliveries["a"].objects[2].body == config().body
