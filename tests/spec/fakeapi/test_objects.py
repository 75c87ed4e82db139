"""Creation, updates and deletion in the fake API server."""

import pytest

from atoll.api.objects import GroupKind, Json
from atoll.testing.fakeapi import FakeCluster, Kind, Refusal

CRD: Json = {
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"kind": "Thing", "plural": "things"},
        "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}],
    },
}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def kind(cluster: FakeCluster, group: str, name: str) -> Kind:
    found = cluster.kinds.of(GroupKind(group, name))
    assert found is not None
    return found


def make(cluster: FakeCluster, name: str, **metadata: object) -> Json:
    return cluster.create(
        kind(cluster, "", "ConfigMap"), "default", {"metadata": {"name": name, **metadata}, "data": {"x": "1"}}
    )


def test_an_update_with_an_old_version_is_refused(cluster: FakeCluster) -> None:
    maps = kind(cluster, "", "ConfigMap")
    first = make(cluster, "a")
    cluster.update(maps, "default", "a", {**first, "data": {"x": "2"}})
    with pytest.raises(Refusal, match="modified") as refusal:
        cluster.update(maps, "default", "a", {**first, "data": {"x": "3"}})
    assert refusal.value.code == 409


def test_an_update_that_changes_nothing_is_no_write(cluster: FakeCluster) -> None:
    first = make(cluster, "a")
    revision = cluster.store.revision
    assert cluster.update(kind(cluster, "", "ConfigMap"), "default", "a", first)["metadata"] == first["metadata"]
    assert cluster.store.revision == revision


def test_a_name_is_taken_once(cluster: FakeCluster) -> None:
    make(cluster, "a")
    with pytest.raises(Refusal) as refusal:
        make(cluster, "a")
    assert refusal.value.reason == "AlreadyExists"


def test_deletion_waits_for_finalizers_and_takes_no_new_ones(cluster: FakeCluster) -> None:
    maps = kind(cluster, "", "ConfigMap")
    make(cluster, "a", finalizers=["x.io/y"])
    dying = cluster.delete(maps, "default", "a")
    assert dying
    assert dying["metadata"]["deletionTimestamp"]
    with pytest.raises(Refusal, match="no new finalizers"):
        cluster.patch(maps, "default", "a", {"metadata": {"finalizers": ["x.io/y", "z.io/z"]}})
    cluster.patch(maps, "default", "a", {"metadata": {"finalizers": None}})
    with pytest.raises(Refusal, match="not found"):
        cluster.get(maps, "default", "a")


@pytest.mark.parametrize("field", ["uid", "resourceVersion"])
def test_deletion_heeds_preconditions(cluster: FakeCluster, field: str) -> None:
    maps = kind(cluster, "", "ConfigMap")
    live = make(cluster, "a")
    with pytest.raises(Refusal) as refusal:
        cluster.delete(maps, "default", "a", preconditions={field: "other"})
    assert refusal.value.code == 409
    assert cluster.delete(maps, "default", "a", preconditions={field: live["metadata"][field]}) is None


def test_a_pod_has_its_grace_period(cluster: FakeCluster) -> None:
    pods = kind(cluster, "", "Pod")
    cluster.create(pods, "default", {"metadata": {"name": "p"}})
    dying = cluster.delete(pods, "default", "p")
    assert dying
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 30
    cluster.reap()
    with pytest.raises(Refusal):
        cluster.get(pods, "default", "p")


def test_a_namespace_takes_its_content_along_and_waits_for_finalizers(cluster: FakeCluster) -> None:
    namespaces, maps = kind(cluster, "", "Namespace"), kind(cluster, "", "ConfigMap")
    cluster.create(namespaces, "", {"metadata": {"name": "n"}})
    cluster.create(maps, "n", {"metadata": {"name": "plain"}})
    cluster.create(maps, "n", {"metadata": {"name": "held", "finalizers": ["x.io/y"]}})
    left = cluster.delete(namespaces, "", "n")
    assert left
    assert left["status"]["phase"] == "Terminating"
    assert list(cluster.store.all(maps.group_kind)) == [("n", "held")]
    with pytest.raises(Refusal, match="being terminated"):
        cluster.create(maps, "n", {"metadata": {"name": "late"}})
    cluster.patch(maps, "n", "held", {"metadata": {"finalizers": None}})
    with pytest.raises(Refusal, match="not found"):
        cluster.get(namespaces, "", "n")


def test_an_object_needs_its_namespace(cluster: FakeCluster) -> None:
    with pytest.raises(Refusal, match='namespaces "nowhere" not found'):
        cluster.create(kind(cluster, "", "ConfigMap"), "nowhere", {"metadata": {"name": "a"}})


def test_a_crd_brings_its_kind_and_takes_it_away(cluster: FakeCluster) -> None:
    crds = kind(cluster, "apiextensions.k8s.io", "CustomResourceDefinition")
    cluster.create(crds, "", CRD)
    things = kind(cluster, "example.org", "Thing")
    made = cluster.create(things, "default", {"metadata": {"name": "t", "finalizers": ["x.io/y"]}, "status": {"a": 1}})
    assert "status" not in made
    cluster.delete(crds, "", "things.example.org")
    assert cluster.kinds.of(things.group_kind) is None
    assert not cluster.store.all(things.group_kind)


def test_a_dry_run_stores_nothing(cluster: FakeCluster) -> None:
    maps = kind(cluster, "", "ConfigMap")
    before = cluster.store.revision
    cluster.create(maps, "default", {"metadata": {"name": "a"}}, dry_run=True)
    cluster.apply(maps, "default", "b", {"data": {"x": "1"}}, manager="m", dry_run=True)
    assert cluster.store.revision == before
    assert not cluster.store.all(maps.group_kind)
