"""Options of `deploy` and `create`: where, how many, and what differs per cluster."""

from typing import Any

import pytest

from atoll.api.validate import validate
from atoll.cli.application.create import deployment, service
from atoll.cli.application.placing import Wishes, spec_of, wrap
from atoll.cli.exits import UsageError

DEPLOYMENT = deployment("web", "nginx:1", [(80, 8080)], [], [], [])


def spec(**wishes: Any) -> dict[str, Any]:
    return spec_of(Wishes(**({"clusters": ("eu-1,us-1",)} | wishes)))


@pytest.mark.parametrize(
    ("wishes", "placement"),
    [
        ({"clusters": ("a,b", "c", "a")}, {"clusters": ["a", "b", "c"]}),
        ({"all_clusters": True}, {"all": True}),
        ({"selector": "env=prod,tier=1"}, {"selector": {"matchLabels": {"env": "prod", "tier": "1"}}}),
        ({"where": "cluster.region == 'eu'"}, {"where": "cluster.region == 'eu'"}),
        ({"clusters": ("a",), "where": "true"}, {"clusters": ["a"], "where": "true"}),
    ],
)
def test_where(wishes: dict[str, Any], placement: dict[str, Any]) -> None:
    assert spec_of(Wishes(**wishes)) == {"placement": placement}


def test_nowhere_is_asked_back() -> None:
    with pytest.raises(UsageError, match="where is it to run"):
        spec_of(Wishes())
    with pytest.raises(UsageError, match="stands alone"):
        spec_of(Wishes(all_clusters=True, clusters=("a",)))


@pytest.mark.parametrize(
    ("wishes", "replicas"),
    [
        ({"replicas": ("3",)}, {"each": 3}),
        ({"replicas": ("web=3", "1")}, {"each": 1, "workloads": {"web": {"each": 3}}}),
        ({"total": ("9",)}, {"total": 9}),
        ({"total": ("9",), "weights": ("eu-1=2,*=1",)}, {"total": 9, "weights": {"eu-1": 2, "*": 1}}),
        ({"total": ("web=9",), "replicas": ("1",)}, {"each": 1, "workloads": {"web": {"total": 9}}}),
    ],
)
def test_how_many_everywhere(wishes: dict[str, Any], replicas: dict[str, Any]) -> None:
    assert spec(**wishes)["replicas"] == replicas


def test_what_differs_on_one_cluster_comes_after_what_holds_on_all() -> None:
    found = spec(
        registries=("us-1=docker.io:5000", "*=quay.io"),
        images=("us-1:gcr.io/shop=docker.io/shop",),
        env=("us-1:web/app:URL=http://x:1/?a=b", "us-1:web/app:EMPTY="),
        replicas=("eu-1:web=3", "us-1:*=1", "us-1:0"),
    )
    assert found["differences"] == [
        {"all": True, "images": [{"registry": "quay.io"}]},
        {
            "clusters": ["us-1"],
            "images": [{"registry": "docker.io:5000"}, {"from": "gcr.io/shop", "to": "docker.io/shop"}],
            "env": {"web/app": {"URL": "http://x:1/?a=b", "EMPTY": ""}},
            "replicas": {"*": 0},
        },
        {"clusters": ["eu-1"], "replicas": {"web": 3}},
    ]
    assert "replicas" not in found


@pytest.mark.parametrize(
    "wishes",
    [
        {"replicas": ("-1",)},
        {"replicas": ("x",)},
        {"replicas": ("=1",)},
        {"replicas": ("1", "2")},
        {"replicas": ("1",), "total": ("2",)},
        {"replicas": ("eu-1:web=x",)},
        {"weights": ("a=1",)},
        {"total": ("3",), "weights": ("a=b",)},
        {"registries": ("docker.io",)},
        {"images": ("a=b",)},
        {"env": ("eu-1:A=b",)},
        {"env": ("eu-1:web:A",)},
        {"selector": "env"},
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(wishes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        spec(**wishes)


def test_what_create_makes_is_a_valid_application() -> None:
    wishes = Wishes(
        clusters=("eu-1", "us-1"),
        total=("9",),
        weights=("eu-1=2,us-1=1",),
        registries=("us-1=docker.io",),
        env=("us-1:web:A=b",),
    )
    body = wrap("web", "demo", [DEPLOYMENT, service("web", [(80, 8080)])], wishes)
    assert validate(body, known_clusters=["eu-1", "us-1"]) == ()
    container = body["spec"]["manifests"][0]["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "web", "image": "nginx:1", "ports": [{"containerPort": 8080}]}
    assert body["spec"]["manifests"][1]["spec"]["ports"] == [{"name": "port-80", "port": 80, "targetPort": 8080}]
