"""An Application comes back from the API server as it went in: nothing pruned, no list reordered, nulls kept."""

from typing import Any

import msgspec

from atoll.api.application import Application
from atoll.api.manifests import dump
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS
from tests.fleet.crds.conftest import Kubectl

SPEC: dict[str, Any] = {
    "manifests": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "creationTimestamp": None, "unknown": 1, "labels": {"b": "1", "a": "2"}},
            "spec": {
                "z": 1,
                "template": {"spec": {"containers": [{"name": "b", "image": "b"}, {"image": "a", "name": "a"}]}},
                "a": None,
                "list": [3, 1, None, 2],
                "float": 1.5,
                "large": 2**53 - 1,
                "empty": {},
                "none": [],
                "deep": [[{"x": None}]],
                "text": "äöü\n\u2028",
            },
            "unknown": {"status": {}},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}},
        {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "a"}},
    ],
    "placement": {"clusters": ["b", "a"], "selector": None},
    "replicas": None,
    "suspend": True,
    "differences": [
        {
            "all": True,
            "env": {"web": {"A": None, "B": ""}},
            "resources": {"web": {"limits": {"cpu": 1, "memory": None, "x.org/y": "2"}}},
            "patches": [
                {"target": {"kind": "Deployment"}, "op": "add", "path": "/spec/x", "value": value}
                for value in (None, {"a": [None, 1]}, 5, 1.5, [1, "a", None], "", True)
            ],
        }
    ],
}


def body(namespace: str) -> dict[str, Any]:
    metadata = {"name": "shop", "namespace": namespace}
    return {"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": SPEC}


async def test_created(hub: Client, demo: str) -> None:
    await hub.create(APPLICATIONS, body(demo))
    assert (await hub.get(APPLICATIONS, "shop", demo)).body()["spec"] == SPEC


async def test_applied_by_the_server(hub: Client, demo: str, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", text=dump([body(demo)]))
    live = await hub.get(APPLICATIONS, "shop", demo)
    assert live.body()["spec"] == SPEC
    kubectl("apply", "--server-side", "-f", "-", text=dump([body(demo)]))
    assert (await hub.get(APPLICATIONS, "shop", demo)).resource_version == live.resource_version


async def test_applied_by_kubectl_only_nulls_are_lost(hub: Client, demo: str, kubectl: Kubectl) -> None:
    """Kubectl's own: so a patch without value means null, as it did when it was written."""
    kubectl("apply", "-f", "-", text=dump([body(demo)]))
    live = (await hub.get(APPLICATIONS, "shop", demo)).body()
    assert live["spec"] == _without_nulls(SPEC)
    patches = msgspec.convert(live, Application).spec.differences[0].patches
    assert patches[0].value is None
    assert [patch.value for patch in patches[2:4]] == [5, 1.5]


def _without_nulls(value: Any) -> Any:
    """As kubectl leaves them out: of maps, not of lists."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


async def test_a_megabyte_fits(hub: Client, demo: str) -> None:
    large = body(demo)
    large["spec"] = {
        **SPEC,
        "manifests": [
            *SPEC["manifests"],
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": "x" * 1_000_000},
        ],
    }
    assert (await hub.create(APPLICATIONS, large)).body()["spec"] == large["spec"]
