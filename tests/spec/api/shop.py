"""An Application that is right, for tests to spoil."""

import copy
from collections.abc import Mapping
from typing import Any

from atoll.api.issues import Issue
from atoll.api.validate import validate

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "initContainers": [{"name": "wait", "image": "busybox"}],
                "containers": [
                    {
                        "name": "app",
                        "image": "gcr.io/shop/web:1",
                        "env": [{"name": "A", "value": "1"}],
                        "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}],
                    },
                    {"name": "log", "image": "log:1"},
                ],
            }
        },
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]},
}
APPLICATION: dict[str, Any] = {
    "apiVersion": "atoll.dev/v1alpha1",
    "kind": "Application",
    "metadata": {"name": "shop", "namespace": "demo"},
    "spec": {
        "manifests": [DEPLOYMENT, SERVICE],
        "placement": {"clusters": ["eu-1", "us-1"]},
        "replicas": {"total": 9, "weights": {"eu-1": 2, "*": 1}},
        "differences": [
            {
                "clusters": ["us-1"],
                "images": [{"from": "gcr.io/shop", "to": "docker.io/shop"}],
                "env": {"web": {"A": "2"}, "web/log": {"B": None}},
                "patches": [
                    {"target": {"kind": "Service"}, "op": "add", "path": "/metadata/labels/x~1y", "value": "1"}
                ],
            }
        ],
    },
}
CLUSTERS = frozenset(("eu-1", "us-1"))


def application(**spec: Any) -> dict[str, Any]:
    """The right one with other fields in its spec; None takes a field away."""
    changed = copy.deepcopy(APPLICATION)
    changed["spec"].update(spec)
    changed["spec"] = {name: value for name, value in changed["spec"].items() if value is not None}
    return changed


def difference(**fields: Any) -> dict[str, Any]:
    return application(differences=[{"all": True, **fields}])


def manifest(**fields: Any) -> dict[str, Any]:
    """The right one with an object more: a ConfigMap with `fields`."""
    more = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, **fields}
    return application(manifests=[DEPLOYMENT, SERVICE, {k: v for k, v in more.items() if v is not None}])


def pod(**spec: Any) -> dict[str, Any]:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
    return application(manifests=[DEPLOYMENT, SERVICE, {**body, "spec": spec}])


def issues(body: Mapping[str, Any], **knowledge: Any) -> list[Issue]:
    return list(validate(dict(body), **{"known_clusters": CLUSTERS, **knowledge}))


def errors(body: Mapping[str, Any], **knowledge: Any) -> list[str]:
    return [str(issue) for issue in issues(body, **knowledge) if issue.severity == "error"]


def warnings(body: Mapping[str, Any], **knowledge: Any) -> list[str]:
    return [str(issue) for issue in issues(body, **knowledge) if issue.severity == "warning"]
