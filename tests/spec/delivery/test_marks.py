"""What is put on an object, and whose an object is by what is on it."""

import gc
from typing import Any

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.objects import Key, manifest
from atoll.deliver.marks import Whose, judge
from atoll.deliver.refusals import Refusal
from atoll.deliver.stamp import Stamper, applyset_id, clean
from atoll.kube.objects import of_body

KEY = Key("demo", "shop")


def config(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "demo"}, **fields}


def test_the_marks() -> None:
    item = Stamper("h1").stamp(manifest(config(data={"a": "b"})), KEY, "u1")
    body = item.sent(Revision(3, "u1", 7))
    assert body["metadata"]["labels"] == {
        "atoll.dev/hub": "h1",
        "atoll.dev/app": "u1",
        "applyset.kubernetes.io/part-of": applyset_id("h1"),
    }
    assert body["metadata"]["annotations"] == {
        "atoll.dev/digest": item.digest,
        "atoll.dev/revision": "3/u1/7",
        "atoll.dev/application": "demo/shop",
    }
    assert body["data"] == {"a": "b"}


def test_the_digest_is_of_the_content_alone() -> None:
    stamper = Stamper("h1")
    one = stamper.stamp(manifest(config(data={"a": "b", "c": "d"})), KEY, "u1")
    same = stamper.stamp(manifest(config(data={"c": "d", "a": "b"})), Key("x", "y"), "u2")
    other = stamper.stamp(manifest(config(data={"a": "c"})), KEY, "u1")
    assert one.digest == same.digest != other.digest


def test_a_manifest_of_many_clusters_is_digested_once_and_forgotten_with_it() -> None:
    stamper = Stamper("h1")
    shared = manifest(config())
    first, second = (stamper.stamp(shared, KEY, "u1") for _ in range(2))
    assert first.body["metadata"]["name"] == "c"
    assert first.digest is second.digest
    del shared, first, second
    gc.collect()
    assert stamper._contents == {}


def test_an_applyset_id_is_the_keps() -> None:
    """KEP-3659: applyset-<base64url(sha256("<name>.<namespace>.<kind>.<group>"))>-v1, a valid label value."""
    found = applyset_id("4fd8b96b")
    assert found == "applyset-aQ3nKnSN0j1mfLqDpezLs4_G7ztFr68d395CUdAEoqw-v1"
    assert len(found) <= 63


def test_string_data_becomes_data() -> None:
    body = clean(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"a": "Y Q=\n="}, "stringData": {"b": "b"}}
    )
    assert body["data"] == {"a": "YQ==", "b": "Yg=="}
    assert "stringData" not in body


def test_rules_that_a_controller_fills_in_are_not_sent() -> None:
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {}, "rules": []}
    assert "rules" in clean(body)
    assert "rules" not in clean({**body, "aggregationRule": {"clusterRoleSelectors": [{}]}})


def test_what_only_servers_write_is_not_sent() -> None:
    body = clean(config(metadata={"name": "c", "uid": "u", "resourceVersion": "5", "creationTimestamp": None}))
    assert body["metadata"] == {"name": "c"}


# Whose


def verdict(
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    *,
    adopt: bool = False,
    known: bool = False,
    alive: bool = True,
    kind: str = "ConfigMap",
    **metadata: Any,
) -> Whose | str:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "c", "labels": labels or {}, **metadata},
    }
    body["metadata"]["annotations"] = annotations or {}
    delivery = Delivery(KEY, "u1", "c1", Revision(2, "u1", 5), (), adopt=adopt)
    found = judge(of_body(body), "h1", delivery, known=known, claimed=lambda _: alive, managers=("helm",))
    return found.reason if isinstance(found, Refusal) else found


OURS = {"atoll.dev/hub": "h1", "atoll.dev/app": "u1"}


def test_labelled_as_ours_is_ours() -> None:
    assert verdict(OURS) is Whose.OURS


def test_a_newer_revision_is_left_alone() -> None:
    assert verdict(OURS, {"atoll.dev/revision": "2/u1/6"}) == "NewerRevision"
    assert verdict(OURS, {"atoll.dev/revision": "3/u1/1"}) == "NewerRevision"
    assert verdict(OURS, {"atoll.dev/revision": "2/u1/5"}) is Whose.OURS
    assert verdict(OURS, {"atoll.dev/revision": "1/u1/9"}) is Whose.OURS
    assert verdict(OURS, {"atoll.dev/revision": "nonsense"}) is Whose.OURS


def test_another_hubs_and_another_applications_are_theirs_whatever_we_are_told() -> None:
    assert verdict({"atoll.dev/hub": "h2", "atoll.dev/app": "u1"}, adopt=True) == "OtherHub"
    assert verdict({"atoll.dev/hub": "h1", "atoll.dev/app": "u2"}, adopt=True) == "OtherApplication"


def test_a_dead_applications_is_taken_when_told() -> None:
    labels = {"atoll.dev/hub": "h1", "atoll.dev/app": "u2"}
    assert verdict(labels, alive=False) == "FormerApplication"
    assert verdict(labels, alive=False, adopt=True) is Whose.FREE


def test_an_unmarked_object_is_taken_when_told_or_when_it_was_ours() -> None:
    assert verdict() == "Exists"
    assert verdict(adopt=True) is Whose.FREE
    assert verdict(known=True) is Whose.OURS
    assert verdict(annotations={"atoll.dev/revision": "1/u1/1"}) is Whose.OURS


def test_a_namespace_that_atoll_made_is_free() -> None:
    assert verdict({"app.kubernetes.io/managed-by": "atoll"}, kind="Namespace") is Whose.FREE
    assert verdict({"app.kubernetes.io/managed-by": "atoll"}) == "Exists"


def test_what_is_being_deleted_is_waited_for() -> None:
    assert verdict(OURS, deletionTimestamp="2026-01-01T00:00:00Z") == "Terminating"
