"""What comes after the metadata of an object is kept once, however many clusters have it; nothing of it is lost."""

from typing import Any

import msgspec
import pytest

from atoll.kube.objects import decode_object
from atoll.kube.pool import LEAST, Pool
from atoll.kube.resources import CONFIGMAPS

TYPICAL = {
    "name": "a",
    "namespace": "n",
    "uid": "u-1",
    "resourceVersion": "7",
    "creationTimestamp": "2026-11-23T13:33:10Z",
    "labels": {"app": 'say "a"'},
}
CONTENT = {"data": {"text": "x" * 400}}


def encoded(uid: str, **parts: Any) -> bytes:
    metadata = {"name": "a", "namespace": "n", "uid": uid, "managedFields": [{"manager": "m"}]}
    return msgspec.json.encode({"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, **parts})


def test_two_clusters_share_it() -> None:
    one, other = (decode_object(encoded(uid, **CONTENT)) for uid in ("1", "2"))
    assert one.rest is other.rest
    assert len(one.rest) > 400
    assert one.uid != other.uid


@pytest.mark.parametrize(
    "parts", [CONTENT, {}, {"data": {}, "status": {"phase": "Ready"}}, {"data": {"t": "y" * 30_000}}]
)
@pytest.mark.parametrize("managed", [True, False])
def test_all_of_it_is_there(parts: dict[str, Any], managed: bool) -> None:
    text = encoded("1", **parts)
    expected = msgspec.json.decode(text)
    if not managed:
        del expected["metadata"]["managedFields"]
    found = decode_object(text, managed_fields=managed)
    assert found.body() == expected
    assert msgspec.json.decode(found.raw) == expected


def test_metadata_that_come_last_or_not_at_all() -> None:
    last = msgspec.json.encode({"kind": "ConfigMap", "apiVersion": "v1", "data": {}, "metadata": {"name": "a"}})
    assert decode_object(last).raw == last
    assert decode_object(b'{"kind":"Status","apiVersion":"v1"}').raw == b'{"kind":"Status","apiVersion":"v1"}'


def test_a_status_is_not_remembered() -> None:
    one, other = (decode_object(encoded(uid, status={"phase": "Ready"})) for uid in ("1", "2"))
    assert not one.rest
    assert not other.rest


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"generation": 3, "annotations": {"note": "Ä"}, "finalizers": ["example.dev/wait"]},
        {"managedFields": [{"manager": "m"}]},
    ],
)
@pytest.mark.parametrize("parts", [CONTENT, {}, {"status": {"phase": "Ready"}}])
def test_metadata_that_are_told_already_are_not_kept_as_text(more: dict[str, Any], parts: dict[str, Any]) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": TYPICAL | more, **parts}
    item = {"metadata": TYPICAL | more, **parts}
    for found in (
        decode_object(msgspec.json.encode({"kind": "ConfigMap", **body})),
        decode_object(msgspec.json.encode(item), CONFIGMAPS),
    ):
        assert not found.head
        expected = body | {"metadata": {name: part for name, part in body["metadata"].items() if name[0] != "m"}}
        assert found.body() == expected
        assert msgspec.json.decode(found.raw) == expected


@pytest.mark.parametrize(
    "rare",
    [
        {"generateName": "a-"},
        {"unknown": {"deep": 1}},
        {"ownerReferences": [{"kind": "Node", "blockOwnerDeletion": True}]},
        {"deletionTimestamp": "2026-11-23T13:33:10Z"},
        {"deletionGracePeriodSeconds": 0},
        {"generation": 0},
        {"namespace": ""},
        {"labels": {}},
        {"annotations": None},
        {"finalizers": []},
        {"creationTimestamp": None},
    ],
)
def test_whatever_else_metadata_say_is_there(rare: dict[str, Any]) -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": TYPICAL | rare, **CONTENT}
    assert decode_object(msgspec.json.encode(body)).body() == body
    assert decode_object(msgspec.json.encode(body), CONFIGMAPS).body() == body


def test_an_object_of_another_version_than_asked_for_says_so() -> None:
    body = {"kind": "ConfigMap", "apiVersion": "v2", "metadata": TYPICAL, **CONTENT}
    assert decode_object(msgspec.json.encode(body), CONFIGMAPS).body() == body


def test_what_nobody_holds_is_let_go() -> None:
    pool: Pool[list[int]] = Pool()
    held = [pool.one([number], number) for number in range(LEAST)]
    assert all(pool.one([number], number) is known for number, known in enumerate(held))
    del held[10:]
    pool.one([LEAST], LEAST)
    assert len(pool) == 11
    assert pool.one([5], 5) is held[5]


def test_two_values_with_one_mark_are_two() -> None:
    pool: Pool[str] = Pool()
    assert (pool.one("a", 1), pool.one("b", 1), pool.one("a", 1)) == ("a", "b", "a")
