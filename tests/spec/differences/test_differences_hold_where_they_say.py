"""Each difference names its clusters; several hold in order; nothing else is touched."""

from copy import deepcopy

import pytest

from atoll.api.common import LabelSelector
from atoll.api.differences import Difference, ImageRule, Patch, Target
from atoll.api.editing import found
from atoll.api.objects import manifest
from atoll.plan.planner import plan
from atoll.testing.worlds import body, cluster, config, container, deployment, everywhere, fleet, intent

WORLD = fleet(
    cluster("eu-1", labels={"env": "prod"}, provider="aws"),
    cluster("us-1", labels={"env": "prod"}, provider="gcp"),
    cluster("dev", labels={"env": "dev"}, provider="aws"),
)
ENV: dict[str, dict[str, str | None]] = {"web": {"LEVEL": "debug"}}


@pytest.mark.parametrize(
    ("difference", "where"),
    [
        (Difference(all=True, env=ENV), {"eu-1", "us-1", "dev"}),
        (Difference(clusters=("us-1",), env=ENV), {"us-1"}),
        (Difference(selector=LabelSelector({"env": "prod"}), env=ENV), {"eu-1", "us-1"}),
        (Difference(where='cluster.provider == "aws"', env=ENV), {"eu-1", "dev"}),
        (Difference(clusters=("dev", "us-1"), selector=LabelSelector({"env": "prod"}), env=ENV), {"us-1"}),
        (Difference(where='cluster.labels.nothing == "x"', env=ENV), set()),
        (Difference(env=ENV), set()),
    ],
)
def test_a_difference_holds_where_all_its_conditions_do(difference: Difference, where: set[str]) -> None:
    deliveries = plan(intent(differences=(difference,)), WORLD).deliveries
    assert {name for name, d in deliveries.items() if d.objects != deliveries_without().get(name)} == where


def deliveries_without() -> dict[str, object]:
    return {name: d.objects for name, d in plan(intent(), WORLD).deliveries.items()}


def test_several_hold_in_their_order() -> None:
    app = intent(
        differences=(
            everywhere(env={"web": {"LEVEL": "info", "A": "1"}}),
            Difference(clusters=("dev",), env={"web": {"LEVEL": "debug", "A": None}}),
        )
    )
    deliveries = plan(app, WORLD).deliveries

    def env(name: str) -> object:
        return found(deliveries[name].objects[0].body, ("spec", "template", "spec", "containers"))[0]["env"]

    assert env("dev") == [{"name": "LEVEL", "value": "debug"}]
    assert env("eu-1") == [{"name": "A", "value": "1"}, {"name": "LEVEL", "value": "info"}]


def test_an_expression_that_does_not_compile_refuses_the_clusters_that_it_could_mean() -> None:
    app = intent(differences=(Difference(clusters=("dev",), where="1 +", env=ENV),))
    planned = plan(app, WORLD)
    assert planned.refusals.keys() == {"dev"}
    assert planned.refusals["dev"].path == "spec.differences[0].where"
    assert planned.deliveries.keys() == {"eu-1", "us-1"}


def test_an_unknown_cluster_is_a_warning() -> None:
    planned = plan(intent(differences=(Difference(clusters=("moon",), env=ENV),)), WORLD)
    assert planned.warnings == ("spec.differences[0].clusters: moon: no such cluster (yet)",)


def test_what_meets_nothing_is_a_warning_once_for_all_clusters() -> None:
    app = intent(
        differences=(everywhere(images=(ImageRule(from_="quay.io", to="x"),), replicas={"queue": 1}, env={"x": {}}),)
    )
    assert plan(app, WORLD).warnings == (
        "spec.differences[0].images[0] meets no object of the application",
        "spec.differences[0].env[x] meets no object of the application",
        "spec.differences[0].replicas[queue] meets no object of the application",
    )


def test_clusters_that_get_the_same_share_every_object() -> None:
    web, settings = deployment(), config()
    app = intent(web, settings, differences=(Difference(where='cluster.provider == "aws"', env=ENV),))
    eu, us, dev = (plan(app, WORLD).deliveries[name].objects for name in ("eu-1", "us-1", "dev"))
    planned = plan(app, WORLD).deliveries
    assert planned["eu-1"].objects is planned["dev"].objects
    assert us[0] is web
    assert eu[1] is settings
    assert dev[1] is settings


def test_manifests_are_never_changed_in_place() -> None:
    value = {"nested": {"list": [1]}}
    web = deployment("web", container(env=[{"name": "A", "value": "1"}], resources={"limits": {"cpu": "1"}}))
    before = deepcopy(web.body)
    target = Target(name="web")
    difference = everywhere(
        images=(ImageRule(tag="9"),),
        env={"web": {"A": None, "B": "2"}},
        command={"web": ("x",)},
        args={"web": ("y",)},
        resources={"web": {"limits": {"cpu": None}}},
        labels={"l": "1"},
        annotations={"a": "1"},
        replicas={"web": 3},
        patches=(
            Patch(target, "add", "/spec/extra", value),
            Patch(target, "add", "/spec/extra/nested/list/-", 2),
            Patch(target, "remove", "/spec/selector"),
        ),
    )
    planned = plan(intent(web, differences=(difference,)), WORLD)
    assert planned.refusals == {}
    assert web.body == before
    assert value == {"nested": {"list": [1]}}
    assert found(planned.deliveries["dev"].objects[0].body, ("spec", "extra", "nested", "list")) == [1, 2]


@pytest.mark.parametrize(
    "odd",
    [
        body("apps/v1", "Deployment", "web"),
        body("apps/v1", "Deployment", "web", spec=None),
        body("apps/v1", "Deployment", "web", spec={"template": {"spec": {"containers": None}}}),
        body("apps/v1", "Deployment", "web", spec={"template": {"spec": {"containers": ["text", {}]}}}),
        body("apps/v1", "Deployment", "web", spec={"template": {"spec": {"containers": [{"name": "x", "image": 1}]}}}),
        body("v1", "Pod", "web", spec={"containers": {}}),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": None},
    ],
)
def test_odd_manifests_are_left_for_the_api_server_to_judge(odd: dict[str, object]) -> None:
    difference = everywhere(images=(ImageRule(tag="9"),), env=ENV, replicas={"*": 2}, labels={"a": "b"})
    assert plan(intent(manifest(odd), differences=(difference,)), fleet("a")).refusals == {}
