"""The oracle sees every kind of wrong, and says it in words."""

from typing import Any

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE, applyset_parent
from atoll.api.objects import Key, ObjectId, manifest
from atoll.deliver.stamp import Item, Stamper
from atoll.kube.objects import Object, decode_object
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.oracle import touched, wrong

HUB = "0a1b2c3d"
APP = Key("demo", "shop")


def item(name: str, value: str = "1") -> Item:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "demo"}}
    return Stamper(HUB).stamp(manifest(body | {"data": {"v": value}}), APP, "uid-of-shop")


def live(body: dict[str, Any], version: str = "7", uid: str = "u", **metadata: Any) -> Object:
    full = {**body, "metadata": {**body["metadata"], "uid": uid, "resourceVersion": version, **metadata}}
    return decode_object(msgspec.json.encode(full), CONFIGMAPS)


def parent(kinds: str = "ConfigMap", namespaces: str = "demo") -> Object:
    annotations = {
        "applyset.kubernetes.io/contains-group-kinds": kinds,
        "applyset.kubernetes.io/additional-namespaces": namespaces,
    }
    metadata = {"name": applyset_parent(HUB), "namespace": SYSTEM_NAMESPACE, "annotations": annotations}
    return live({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


def say(*there: Object, wanted: tuple[Item, ...] = ()) -> list[str]:
    return wrong("eu", {i.id: i for i in wanted}, {o.id: o for o in there}, HUB)


def test_as_it_should_be() -> None:
    assert say() == []
    assert say(parent(), live(item("one").body), wanted=(item("one"),)) == []


def test_missing() -> None:
    assert say(wanted=(item("one"),)) == [f"eu: {item('one').id} is missing"]


def test_another_value() -> None:
    said = say(parent(), live(item("one", "2").body), wanted=(item("one", "1"),))
    assert f"eu: {item('one').id}: /data/v is '2'" in said


def test_being_deleted() -> None:
    going = live(item("one").body, deletionTimestamp="2026-01-01T00:00:00Z")
    assert say(parent(), going, wanted=(item("one"),)) == [f"eu: {item('one').id} is being deleted"]


def test_there_and_should_not_be() -> None:
    assert say(parent(), live(item("two").body)) == [f"eu: {item('two').id} of demo/shop is there and should not be"]


def test_not_on_record() -> None:
    one = live(item("one").body)
    assert say(one, wanted=(item("one"),)) == ["eu: there is no ApplySet parent"]
    assert say(parent("Secret", "other"), one, wanted=(item("one"),)) == [
        "eu: the ApplySet parent does not record ConfigMap",
        "eu: the ApplySet parent does not record demo",
    ]


def test_a_bystander() -> None:
    def world(*objects: Object) -> dict[ObjectId, Object]:
        return {o.id: o for o in objects}

    def theirs(name: str, **metadata: Any) -> Object:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "theirs"}}
        return live(body, **metadata)

    before = world(theirs("a"), theirs("b"), theirs("c"), live(item("one").body))
    after = world(theirs("a"), theirs("b", version="8"), theirs("c", uid="other", version="9"), theirs("d"))
    said = touched(before, after, "theirs")
    assert [text.split(" ", 1)[1] for text in said] == [
        "was written: resourceVersion 7 became 8",
        "was made anew",
        "came",
    ]
    assert touched(before, world(), "theirs")[0].endswith("went")
    assert touched(before, before, "theirs") == []
