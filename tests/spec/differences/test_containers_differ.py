"""`differences[].env`, `command`, `args` and `resources`: by `workload` or `workload/container`."""

from typing import Any

import pytest

from atoll.api.editing import found
from atoll.api.objects import Json
from atoll.plan.commands import with_args, with_command
from atoll.plan.env import with_env
from atoll.plan.planner import plan
from atoll.plan.resources import with_resources
from atoll.testing.worlds import config, container, deployment, everywhere, fleet, intent

SECRET = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def var(name: str, value: str) -> Json:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (None, {"A": "1"}, [var("A", "1")]),
        ([], {"A": "1"}, [var("A", "1")]),
        ([var("A", "1"), SECRET, var("C", "3")], {"B": "2"}, [var("A", "1"), var("B", "2"), var("C", "3")]),
        ([var("A", "1"), var("C", "3")], {"A": None}, [var("C", "3")]),
        ([var("A", "1")], {"A": None}, None),
        ([var("A", "1")], {"Z": None}, [var("A", "1")]),
        ([var("X", "$(A)")], {"B": "2", "A": "1"}, [var("X", "$(A)"), var("A", "1"), var("B", "2")]),
        ([var("A", "1")], {"A": ""}, [var("A", "")]),
        (None, {"A": None}, None),
    ],
)
def test_variables_keep_their_order(before: Any, wanted: dict[str, str | None], after: Any) -> None:
    old = container() if before is None else container(env=before)
    assert with_env(old, wanted).get("env") == after


def test_nothing_to_change_gives_the_same_container() -> None:
    old = container(env=[var("A", "1")], command=["run"], args=["x"], resources={"limits": {"cpu": "1"}})
    assert with_env(old, {"A": "1"}) is old
    assert with_command(old, ("run",)) is old
    assert with_args(old, ("x",)) is old
    assert with_resources(old, {"limits": {"cpu": "1"}}) is old


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (None, ("a", "b"), ["a", "b"]),
        (["x"], ("a",), ["a"]),
        (["x"], (), None),  # back to what the image says
    ],
)
def test_commands_and_arguments_are_replaced_as_a_whole(before: Any, wanted: tuple[str, ...], after: Any) -> None:
    old = container() if before is None else container(command=before, args=before)
    assert with_command(old, wanted).get("command") == after
    assert with_args(old, wanted).get("args") == after


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (None, {"limits": {"cpu": "1"}}, {"limits": {"cpu": "1"}}),
        (
            {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}},
            {"requests": {"cpu": "2"}},
            {"requests": {"cpu": "2", "memory": "1Gi"}, "limits": {"cpu": "2"}},
        ),
        ({"limits": {"cpu": "2", "memory": "1Gi"}}, {"limits": {"cpu": None}}, {"limits": {"memory": "1Gi"}}),
        ({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}, {"limits": None}, {"requests": {"cpu": "1"}}),
    ],
)
def test_resources_are_merged(before: Any, wanted: dict[str, Any], after: Any) -> None:
    old = container() if before is None else container(resources=before)
    assert with_resources(old, wanted)["resources"] == after


TWO = deployment("web", container("app"), container("log"), initContainers=[container("init")])


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("web", {"app", "log"}),  # an init container does something else
        ("web/log", {"log"}),
        ("web/init", {"init"}),  # by name it is meant
        ("web/none", set()),
        ("other", set()),
    ],
)
@pytest.mark.parametrize(
    ("field", "wish"),
    [("env", {"A": "1"}), ("command", ("run",)), ("args", ("-v",)), ("resources", {"limits": {"cpu": "1"}})],
)
def test_keys_name_a_workload_or_one_of_its_containers(field: str, wish: Any, key: str, expected: set[str]) -> None:
    difference = everywhere(**{field: {key: wish}})
    planned = plan(intent(TWO, config("other"), differences=(difference,)), fleet("a"))
    spec = found(planned.deliveries["a"].objects[0].body, ("spec", "template", "spec"))
    assert {c["name"] for c in [*spec["containers"], *spec["initContainers"]] if field in c} == expected
    missed = () if expected else (f"spec.differences[0].{field}[{key}] meets no object of the application",)
    assert planned.warnings == missed


@pytest.mark.parametrize("env", [-1, "A=1", {"A": "1"}, [[]], ["A=1"], [1.5, var("A", "1")]])
def test_variables_of_no_form_stay_for_the_members_server_to_refuse(env: Any) -> None:
    """An Application is planned, and told of, whatever its objects hold."""
    old = container(env=env)
    assert with_env(old, {"A": "2"}) is old


def test_a_variable_whose_name_is_none_is_another() -> None:
    nameless = {"name": ["A"], "value": "1"}
    assert with_env(container(env=[nameless]), {"A": "2"})["env"] == [nameless, var("A", "2")]
