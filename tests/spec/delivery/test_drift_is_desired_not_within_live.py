"""Drift: desired ⊆ live, as API servers write values."""

from typing import Any

import pytest

from atoll.deliver.compare import ABSENT, Difference, differences, differs

Json = dict[str, Any]


def deployment(**spec: Any) -> Json:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def pod(**container: Any) -> Json:
    spec = {"containers": [{"name": "app", "image": "i", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def custom(**spec: Any) -> Json:
    return {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        pytest.param(deployment(replicas=2), deployment(replicas=2, paused=True), id="others may add fields"),
        pytest.param(
            pod(resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}}),
            pod(resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}),
            id="quantities",
        ),
        pytest.param(
            pod(ports=[{"containerPort": 80}]), pod(ports=[{"containerPort": 80, "protocol": "TCP"}]), id="port"
        ),
        pytest.param(
            pod(env=[{"name": "B", "value": "2"}]),
            pod(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
            id="others may add elements with keys",
        ),
        pytest.param(pod(env=[{"name": "A", "value": ""}]), pod(env=[{"name": "A"}]), id="empty strings vanish"),
        pytest.param(pod(tty=False, args=[]), pod(), id="false and empty lists vanish"),
        pytest.param(deployment(strategy={}, template=None), deployment(), id="null and empty maps say nothing"),
        pytest.param(
            deployment(template={"metadata": {"creationTimestamp": None}}), deployment(template={}), id="null"
        ),
        pytest.param(custom(share=1), custom(share=1.0), id="whole numbers"),
        pytest.param({**deployment(), "status": {"x": 1}}, deployment(), id="status is not ours to set"),
        pytest.param(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"finalizers": ["a"]}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"finalizers": ["b", "a"]}},
            id="finalizers of others",
        ),
    ],
)
def test_no_drift(desired: Json, live: Json) -> None:
    assert differs(desired, live) == []


@pytest.mark.parametrize(
    ("desired", "live", "paths"),
    [
        pytest.param(deployment(replicas=2), deployment(replicas=3), ["/spec/replicas"], id="a value"),
        pytest.param(deployment(replicas=2), deployment(), ["/spec/replicas"], id="a field that is gone"),
        pytest.param(
            pod(image="i:1"), pod(image="i:2"), ["/spec/containers[name=app]/image"], id="an element, by its key"
        ),
        pytest.param(
            pod(env=[{"name": "A", "value": "1000m"}]),
            pod(env=[{"name": "A", "value": "1"}]),
            ["/spec/containers[name=app]/env[name=A]/value"],
            id="a text that looks like a quantity",
        ),
        pytest.param(pod(env=[{"name": "A"}]), pod(), ["/spec/containers[name=app]/env"], id="all elements gone"),
        pytest.param(
            pod(env=[{"name": "A"}]),
            pod(env=[{"name": "B"}]),
            ["/spec/containers[name=app]/env[name=A]"],
            id="an element gone",
        ),
        pytest.param(
            pod(command=["a", "b"]), pod(command=["a"]), ["/spec/containers[name=app]/command"], id="a list of values"
        ),
        pytest.param(
            pod(securityContext={"readOnlyRootFilesystem": False, "privileged": False}),
            pod(securityContext={"privileged": True}),
            [
                "/spec/containers[name=app]/securityContext/readOnlyRootFilesystem",
                "/spec/containers[name=app]/securityContext/privileged",
            ],
            id="false that means something",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
            {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
            ["/spec/volumes[name=v]/emptyDir"],
            id="an empty map that means something",
        ),
        pytest.param(custom(cpu="1000m"), custom(cpu="1"), ["/spec/cpu"], id="custom resources keep what they get"),
        pytest.param(
            custom(steps=[{"name": "a"}]),
            custom(steps=[{"name": "a"}, {"name": "b"}]),
            ["/spec/steps"],
            id="lists of custom resources are whole",
        ),
        pytest.param(
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "spec": {"ingress": [{"ports": [{"port": 1}]}]},
            },
            {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "spec": {"ingress": [{"ports": [{"port": 1}, {"port": 2}]}]},
            },
            ["/spec/ingress[0]/ports"],
            id="a policy's ports are whole",
        ),
        pytest.param(deployment(template={"a": 1}), deployment(template=[1]), ["/spec/template"], id="another shape"),
    ],
)
def test_drift(desired: Json, live: Json, paths: list[str]) -> None:
    assert differs(desired, live) == paths


def test_two_elements_of_one_key_are_compared_by_position() -> None:
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert differs(pod(env=twice), pod(env=twice)) == []
    other = [{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]
    assert differs(pod(env=twice), pod(env=other)) == ["/spec/containers[name=app]/env[1]/value"]


def test_it_is_told_what_is_there_instead() -> None:
    assert differences(deployment(replicas=2, paused=True), deployment(replicas=3)) == [
        Difference("/spec/replicas", 3),
        Difference("/spec/paused", ABSENT),
    ]
