"""A placement means the clusters for which all conditions that it gives hold."""

import pytest

from atoll.api.common import LabelSelector, SelectorRequirement
from atoll.api.placement import Placement
from atoll.plan.planner import plan
from atoll.testing.worlds import cluster, fleet, intent

EU = cluster("eu-1", labels={"env": "prod", "tier": "gold"}, provider="aws", region="eu-west-1", version="v1.36.1")
US = cluster("us-1", labels={"env": "prod"}, provider="gcp", region="us-east1", version="v1.35.0")
DEV = cluster("dev", labels={"env": "dev"}, provider="aws", region="eu-west-1")
BARE = cluster("bare")
WORLD = fleet(EU, US, DEV, BARE)


def placed(placement: Placement) -> list[str]:
    return list(plan(intent(placement=placement), WORLD).deliveries)


def labels(**wanted: str) -> LabelSelector:
    return LabelSelector(match_labels=wanted)


def requires(key: str, operator: str, *values: str) -> LabelSelector:
    return LabelSelector(match_expressions=(SelectorRequirement(key, operator, values),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (Placement(all=True), ["bare", "dev", "eu-1", "us-1"]),
        (Placement(clusters=("us-1", "eu-1")), ["eu-1", "us-1"]),
        (Placement(clusters=("eu-1", "eu-1")), ["eu-1"]),
        (Placement(selector=labels(env="prod")), ["eu-1", "us-1"]),
        (Placement(selector=labels(env="prod", tier="gold")), ["eu-1"]),
        (Placement(selector=LabelSelector()), ["bare", "dev", "eu-1", "us-1"]),  # as everywhere in Kubernetes
        (Placement(selector=requires("env", "In", "dev", "test")), ["dev"]),
        (Placement(selector=requires("env", "NotIn", "dev")), ["bare", "eu-1", "us-1"]),  # absent is not in
        (Placement(selector=requires("tier", "Exists")), ["eu-1"]),
        (Placement(selector=requires("env", "DoesNotExist")), ["bare"]),
        (Placement(where='cluster.provider == "aws"'), ["dev", "eu-1"]),
        (Placement(where='cluster.region.startsWith("us-")'), ["us-1"]),
        (Placement(where='cluster.labels.env == "prod"'), ["eu-1", "us-1"]),  # "bare" has no such label: not meant
        (Placement(where='cluster.name in ["eu-1", "bare"]'), ["bare", "eu-1"]),
        (Placement(clusters=("eu-1", "dev"), selector=labels(env="prod")), ["eu-1"]),
        (Placement(selector=labels(env="prod"), where='cluster.provider == "gcp"'), ["us-1"]),
        (Placement(all=True, where='cluster.provider == "gcp"'), ["us-1"]),
        (Placement(clusters=("eu-1",), selector=labels(env="dev")), []),
        (Placement(), []),
    ],
)
def test_all_conditions_must_hold(placement: Placement, expected: list[str]) -> None:
    assert placed(placement) == expected


def test_a_placement_without_a_condition_means_no_cluster_and_says_so() -> None:
    planned = plan(intent(placement=Placement()), WORLD)
    assert planned.warnings == ("spec.placement gives no condition: name clusters, a selector, where, or all: true",)


@pytest.mark.parametrize(
    ("placement", "name", "why"),
    [
        (Placement(all=True), "dev", "all clusters"),
        (Placement(clusters=("eu-1",)), "eu-1", "named"),
        (Placement(clusters=("eu-1",)), "dev", "not named"),
        (Placement(clusters=("eu-1",), selector=labels(env="prod")), "eu-1", "named, labels match"),
        (Placement(selector=labels(env="prod")), "dev", "label env is dev, not prod"),
        (Placement(selector=labels(env="prod")), "bare", "label env is missing, not prod"),
        (Placement(selector=requires("env", "In", "a", "b")), "dev", "label env is dev, not one of a, b"),
        (Placement(selector=requires("env", "NotIn", "dev")), "dev", "label env is dev, not other than dev"),
        (Placement(selector=requires("env", "Exists")), "bare", "label env is missing, not present"),
        (Placement(selector=requires("env", "DoesNotExist")), "dev", "label env is dev, not absent"),
        (Placement(where='cluster.provider == "aws"'), "eu-1", "where holds"),
        (Placement(where='cluster.provider == "aws"'), "us-1", 'where does not hold: cluster.provider == "aws"'),
        (
            Placement(where='cluster.labels.env == "prod"'),
            "bare",
            "where does not hold: no such key 'env': cluster.labels.env == \"prod\"",
        ),
    ],
)
def test_every_cluster_is_told_why_in_words(placement: Placement, name: str, why: str) -> None:
    verdicts = {v.cluster: v for v in plan(intent(placement=placement), WORLD).verdicts}
    assert verdicts.keys() == {"eu-1", "us-1", "dev", "bare"}
    assert verdicts[name].why == why


def test_a_name_that_is_no_cluster_is_a_warning_since_it_may_come_later() -> None:
    planned = plan(intent(placement=Placement(clusters=("eu-1", "moon"))), WORLD)
    assert list(planned.deliveries) == ["eu-1"]
    assert [(v.chosen, v.why) for v in planned.verdicts if v.cluster == "moon"] == [(False, "no such cluster (yet)")]
    assert planned.warnings == ("spec.placement.clusters: moon: no such cluster (yet)",)


def test_an_expression_that_does_not_compile_places_nothing_new_and_takes_nothing_away() -> None:
    broken = intent(placement=Placement(where="cluster.provider =="))
    planned = plan(broken, fleet(EU, US, previous={"eu-1": None}))
    assert list(planned.deliveries) == ["eu-1"]
    assert len(planned.warnings) == 1
    assert planned.warnings[0].startswith("spec.placement.where: ")


def test_an_expression_is_asked_again_when_the_cluster_changed_in_what_it_sees() -> None:
    app = intent(placement=Placement(where='cluster.labels["env"] == "prod"'))
    assert list(plan(app, fleet(cluster("a", labels={"env": "dev"}))).deliveries) == []
    assert list(plan(app, fleet(cluster("a", labels={"env": "prod"}))).deliveries) == ["a"]


def test_an_expression_that_is_too_much_to_compute_places_nothing_new_and_takes_nothing_away() -> None:
    where = (
        "cluster.labels.all(a, cluster.labels.all(b, cluster.labels.all(c, cluster.labels[a] == cluster.labels[b])))"
    )
    many = {f"k{n}": "v" for n in range(40)}
    world = fleet("few", cluster("here", labels=many), cluster("new", labels=many), previous={"here": None})
    planned = plan(intent(placement=Placement(where=where)), world)
    assert list(planned.deliveries) == ["few", "here"]
    assert planned.warnings[0].startswith("spec.placement.where: too much to compute: macros over 40 items")
