"""What comes after the metadata of an object is kept once, however many clusters have it; nothing of it is lost."""

from typing import Any

import msgspec
import pytest

from atoll.kube.objects import decode_object

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
    "parts", [CONTENT, {}, {"data": {}, "status": {"phase": "Ready"}}, {"data": {"t": "y" * 9000}}]
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
