"""At admission the clusters' labels are known, too: stages that overlap by them, or leave clusters out, are told."""

from typing import Any

import msgspec
import pytest

from atoll.api.application import Application
from atoll.plan.foresight import misfits
from atoll.testing.worlds import cluster

FLEET = {
    c.name: c
    for c in (
        cluster("a", region="eu", labels={"env": "dev", "rack": "1"}),
        cluster("b", region="eu", labels={"env": "prod"}),
        cluster("c", region="us", labels={"env": "prod"}),
    )
}
DEV = {"name": "dev", "where": "cluster.labels.env == 'dev'"}
PROD = {"name": "prod", "selector": {"matchLabels": {"env": "prod"}}}
EU = {"name": "eu", "where": "cluster.region == 'eu'"}


def told(placement: Any, **spec: Any) -> list[str]:
    body = {"metadata": {"name": "shop"}, "spec": {"placement": placement, **spec}}
    found = list(misfits(msgspec.convert(body, Application).spec, FLEET))
    assert {issue.severity for issue in found} <= {"warning"}
    return [str(issue) for issue in found]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([DEV, PROD], []),
        ([DEV, {"name": "rest", "all": True}], []),
        ([DEV, EU], ["c: no stage of spec.rollout.stages takes it", "a: the stages dev and eu overlap: both take it"]),
        ([PROD, EU], ["b: the stages prod and eu overlap: both take it"]),
        ([DEV], ["b, c: no stage of spec.rollout.stages takes it"]),
        ([], []),
    ],
)
def test_stages_that_overlap_or_leave_clusters_out(stages: list[Any], words: list[str]) -> None:
    found = told({"all": True}, rollout={"stages": stages})
    assert len(found) == len(words)
    for word in words:
        assert any(issue.startswith(f"spec.rollout.stages: {word}") for issue in found), found


def test_only_clusters_that_are_meant_count() -> None:
    assert told({"clusters": ["a"]}, rollout={"stages": [DEV]}) == []
    assert told({"clusters": ["a"], "fallback": [{"clusters": ["c"]}]}, rollout={"stages": [DEV]}) != []


def test_a_spread_by_what_no_cluster_has() -> None:
    assert told({"all": True, "spread": [{"by": "rack", "min": 2}, {"by": "region", "min": 2}]}) == []
    assert told({"clusters": ["b", "c"], "spread": [{"by": "rack", "min": 2}]}) == [
        "spec.placement.spread[0].by: no cluster that is meant has a rack: b, c"
    ]
    assert told({"clusters": ["none"], "spread": [{"by": "rack", "min": 2}]}) == [], "they are yet to come"
