"""A thousand clusters aren't looked through for each Secret, nor for each agent that comes."""

from typing import Any

import msgspec

from atoll.api.objects import ObjectId
from atoll.hub.roster import Roster
from atoll.kube.objects import Object, decode_object
from atoll.runtime.changes import Change


def cluster(name: str, uid: str = "", **connection: Any) -> Object:
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "uid": f"of-{name}", "resourceVersion": "1"},
        "spec": {"connection": connection},
        "status": {"uid": uid},
    }
    return decode_object(msgspec.json.encode(body))


def change(old: Object | None, new: Object | None) -> Change[Object]:
    name = (new or old).name  # type: ignore[union-attr]  # one of them is there
    return Change(ObjectId("atoll.dev", "Cluster", "", name), old, new)


def test_by_its_secret_and_by_its_identity_as_they_are_now() -> None:
    roster = Roster()
    first = cluster("first", "one", direct={"kubeconfigSecret": "shared"})
    second = cluster("second", "two", direct={"kubeconfigSecret": "shared"})
    third = cluster("third", "one", pull={})
    for live in (first, second, third):
        roster.changed(change(None, live))
    assert roster.reached_with("shared") == {"first", "second"}
    assert roster.reached_with("third") == frozenset()
    assert roster.known_as("one") == {"first", "third"}
    assert (roster.uid("second"), roster.uid("nobody")) == ("two", "")

    roster.changed(change(first, cluster("first", "three", direct={"kubeconfigSecret": "its-own"})))
    assert roster.reached_with("shared") == {"second"}
    assert roster.reached_with("its-own") == {"first"}
    assert roster.known_as("one") == {"third"}
    assert roster.known_as("three") == {"first"}

    roster.changed(change(second, None))
    assert roster.reached_with("shared") == roster.known_as("two") == frozenset()
