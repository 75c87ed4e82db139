"""The fake's server-side apply agrees with Kubernetes' documentation of it."""

from typing import Any

import pytest

from atoll.api.objects import Json
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS
from atoll.testing.fakeapi import FakeCluster, Refusal
from atoll.testing.fakeapi.kinds import Kind


class Bench:
    """A cluster, and applying to it in few words."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        found = self.cluster.kinds.find("", "v1", "configmaps"), self.cluster.kinds.find("apps", "v1", "deployments")
        assert found[0]
        assert found[1]
        self.config_maps: Kind = found[0]
        self.deployments: Kind = found[1]

    def apply(self, manager: str, data: Json, *, force: bool = False, labels: Json | None = None) -> Json:
        metadata = {"name": "a"} | ({"labels": labels} if labels is not None else {})
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata} | ({"data": data} if data else {})
        return self.cluster.apply(self.config_maps, "default", "a", body, manager=manager, force=force)

    def deploy(self, manager: str, containers: list[Any], *, force: bool = False, **spec: Any) -> Json:
        body = {"metadata": {"name": "web"}, "spec": {**spec, "template": {"spec": {"containers": containers}}}}
        return self.cluster.apply(self.deployments, "default", "web", body, manager=manager, force=force)

    def owners(self, body: Json) -> dict[str, Any]:
        return {entry["manager"]: entry["fieldsV1"] for entry in body["metadata"]["managedFields"]}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def containers(body: Json) -> list[Json]:
    found: list[Json] = body["spec"]["template"]["spec"]["containers"]
    return found


def test_an_apply_creates_and_owns_what_it_says(bench: Bench) -> None:
    made = bench.apply("one", {"x": "1"}, labels={"l": "v"})
    assert made["metadata"]["uid"]
    assert bench.owners(made) == {"one": {"f:metadata": {"f:labels": {"f:l": {}}}, "f:data": {"f:x": {}}}}


def test_the_same_apply_again_leaves_the_version_alone(bench: Bench) -> None:
    first = bench.apply("one", {"x": "1"})
    assert bench.apply("one", {"x": "1"}) == first


def test_a_field_no_longer_applied_goes(bench: Bench) -> None:
    bench.apply("one", {"x": "1", "y": "2"})
    assert bench.apply("one", {"x": "1"})["data"] == {"x": "1"}


def test_a_field_that_another_applied_too_stays_when_one_drops_it(bench: Bench) -> None:
    bench.apply("one", {"x": "1", "y": "2"})
    bench.apply("two", {"y": "2"})
    left = bench.apply("one", {"x": "1"})
    assert left["data"] == {"x": "1", "y": "2"}
    assert bench.owners(left)["two"] == {"f:data": {"f:y": {}}}


def test_a_different_value_conflicts_and_names_manager_and_field(bench: Bench) -> None:
    bench.apply("one", {"x": "1"})
    with pytest.raises(Refusal) as refusal:
        bench.apply("two", {"x": "2"})
    assert refusal.value.code == 409
    assert refusal.value.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one" using v1', "field": ".data.x"}
    ]
    assert refusal.value.message == 'Apply failed with 1 conflict: conflict with "one" using v1: .data.x'


def test_force_takes_the_field_and_its_owner_loses_it(bench: Bench) -> None:
    bench.apply("one", {"x": "1", "y": "1"})
    taken = bench.apply("two", {"x": "2"}, force=True)
    assert taken["data"] == {"x": "2", "y": "1"}
    assert bench.owners(taken) == {"one": {"f:data": {"f:y": {}}}, "two": {"f:data": {"f:x": {}}}}
    bench.apply("one", {"y": "1"})
    assert bench.apply("one", {"y": "1"})["data"] == {"x": "2", "y": "1"}


def test_an_update_owns_what_it_changed_and_an_apply_then_conflicts_with_it(bench: Bench) -> None:
    live = bench.apply("one", {"x": "1", "y": "1"})
    edited = bench.cluster.update(
        bench.config_maps, "default", "a", {**live, "data": {"x": "9", "y": "1"}}, manager="ed"
    )
    assert bench.owners(edited)["ed"] == {"f:data": {"f:x": {}}}
    with pytest.raises(Refusal, match='conflict with "ed" using v1 at 2026-'):
        bench.apply("one", {"x": "1", "y": "1"})


def test_items_of_an_associative_list_are_told_apart_by_their_key(bench: Bench) -> None:
    bench.deploy("one", [{"name": "web", "image": "a"}, {"name": "log", "image": "b"}])
    bench.deploy("two", [{"name": "extra", "image": "c"}])
    left = bench.deploy("one", [{"name": "web", "image": "a2"}])
    assert [(c["name"], c["image"]) for c in containers(left)] == [("web", "a2"), ("extra", "c")]


def test_an_item_stays_for_another_who_owns_something_in_it(bench: Bench) -> None:
    bench.deploy("one", [{"name": "web", "image": "a", "tty": True}])
    bench.deploy("two", [{"name": "web", "stdin": True}])
    left = bench.deploy("one", [])
    assert containers(left) == [{"name": "web", "stdin": True}]


def test_ports_of_the_same_number_differ_by_protocol(bench: Bench) -> None:
    ports = [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]
    made = bench.deploy("one", [{"name": "dns", "ports": ports}])
    again = bench.deploy("two", [{"name": "dns", "ports": [{"containerPort": 53, "protocol": "TCP", "name": "t"}]}])
    assert [p.get("name") for p in containers(again)[0]["ports"]] == [None, "t"]
    assert containers(made)[0]["ports"] == ports


def test_status_goes_by_its_own_path(bench: Bench) -> None:
    bench.deploy("one", [{"name": "web"}], replicas=1)
    body = {"metadata": {"name": "web"}, "status": {"readyReplicas": 1}}
    told = bench.cluster.apply(bench.deployments, "default", "web", body, manager="kubelet", subresource="status")
    assert told["status"] == {"readyReplicas": 1}
    assert told["metadata"]["generation"] == 1
    changed = bench.deploy("one", [{"name": "web"}], replicas=2)
    assert changed["status"] == {"readyReplicas": 1}
    assert changed["metadata"]["generation"] == 2


def test_resource_kinds_are_the_clients(bench: Bench) -> None:
    assert (bench.config_maps.resource, bench.deployments.resource) == (CONFIGMAPS, DEPLOYMENTS)
