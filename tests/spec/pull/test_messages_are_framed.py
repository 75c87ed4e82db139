"""Messages of any size in any portions; unknown ones are passed over; what is too large or broken ends the stream."""

import json
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.api.delivery import Delivery, Outcome, Removal
from atoll.api.intent import Revision
from atoll.api.objects import Key, ObjectId, manifest
from atoll.pull.framing import HEAD, TO_HUB, ProtocolError, Reader, frame
from atoll.pull.protocol import (
    SPOKEN,
    Beat,
    Bye,
    Deliver,
    Hello,
    Remove,
    Report,
    ToAgent,
    ToHub,
    Versions,
    agree,
    packed,
)

KEY = Key("demo", "app")


def delivery(text: str = "x", **more: object) -> Delivery:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"v": text, "a": "1"}}
    return Delivery(KEY, "u1", "a", Revision(1, "u1", 7), (manifest(body),), **more)  # type: ignore[arg-type]


def text_frame(text: bytes, flag: int = 0) -> bytes:
    return HEAD.pack(len(text), flag) + text


@given(st.lists(st.text(max_size=5000), max_size=5), st.lists(st.integers(1, 3000), min_size=1))
def test_whatever_the_portions_the_messages_are_the_same(texts: list[str], sizes: list[int]) -> None:
    sent = [Bye("Reason", text) for text in texts]
    data = b"".join(map(frame, sent))
    reader: Reader[ToHub] = Reader(ToHub, TO_HUB)
    found: list[ToHub] = []
    while data:
        size = sizes[len(data) % len(sizes)]
        found += reader.feed(data[:size])
        data = data[size:]
    assert found == sent
    assert reader.between


def test_a_delivery_comes_as_it_was_with_all_that_structs_hold() -> None:
    protected = frozenset({ObjectId("", "ConfigMap", "demo", "one")})
    sent = delivery("ü" * 10_000, adopt=True, protected=protected)
    reader: Reader[ToAgent] = Reader(ToAgent, 1 << 20)
    (found,) = reader.feed(frame(packed(sent)))
    assert isinstance(found, Deliver)
    assert msgspec.json.decode(found.delivery, type=Delivery) == sent
    removal = Removal(KEY, "u1", "a", orphan=True, revision=Revision(1, "u1", 8))
    assert list(reader.feed(frame(Remove(removal)))) == [Remove(removal)]


def test_equal_deliveries_have_equal_names_whatever_the_order_of_their_keys() -> None:
    one = delivery(protected=frozenset({ObjectId("", "A", "", "1"), ObjectId("", "B", "", "2")}))
    body = dict(reversed(one.objects[0].body.items()))
    other = msgspec.structs.replace(one, objects=(manifest(body),))
    assert packed(one).digest == packed(other).digest
    assert packed(one).digest != packed(delivery("y")).digest


def test_large_messages_travel_compressed() -> None:
    assert len(frame(packed(delivery("x" * 100_000)))) < 5_000


def test_fields_and_messages_of_a_newer_peer_are_passed_over() -> None:
    reader: Reader[ToHub] = Reader(ToHub, TO_HUB)
    news = {"is": "mood", "number": 3, "cheerful": True}
    more = {"is": "beat", "number": 4, "ping": 1, "since": "later", "member": {"reachable": True, "flavour": "k8s"}}
    (found,) = reader.feed(b"".join(text_frame(json.dumps(m).encode()) for m in (news, more)))
    assert isinstance(found, Beat)
    assert (found.number, found.ping, found.member.reachable) == (4, 1, True)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IB", TO_HUB + 1, 0),
        text_frame(b"{}", flag=2),
        text_frame(b"not json"),
        text_frame(b'{"is": "beat", "number": "four", "ping": 1}'),
        text_frame(b"[" * 100_000),
        text_frame(b"no zlib", flag=1),
        text_frame(zlib.compress(b" " * (TO_HUB + 1)), flag=1),
        text_frame(zlib.compress(b"{}" * 500)[:-20], flag=1),
    ],
    ids=["too long", "unknown flag", "no JSON", "wrong type", "too deep", "no zlib", "inflates to too much", "cut off"],
)
def test_what_breaks_the_rules_is_no_message(data: bytes) -> None:
    reader: Reader[ToHub] = Reader(ToHub, TO_HUB)
    with pytest.raises(ProtocolError):
        list(reader.feed(data))


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [((1, 2), (1, 2), 2), ((1, 2), (2, 3), 2), ((2, 3), (1, 2), 2), ((2, 3), (4, 5), None), ((1, 1), (2, 2), None)],
)
def test_the_newest_version_that_both_speak_is_spoken(
    ours: tuple[int, int], theirs: tuple[int, int], expected: int | None
) -> None:
    assert agree(Versions(*ours), Versions(*theirs)) == expected


def test_what_this_version_says_can_be_read_by_it() -> None:
    """The names and forms of versions 1 and 2, as written down here: a change of these is a change of the version."""
    outcome = Outcome(KEY, "u1", "a", Revision(1, "u1", 7), "Applied", 1, 1)
    said = [
        (Hello(SPOKEN, 5, "0.1.0", "h", held={"u1": "d"}), {
            "is": "hello", "versions": {"oldest": 1, "newest": 2}, "life": 5, "agent": "0.1.0", "hub": "h",
            "held": {"u1": "d"},
        }),
        (Report(3, (outcome,)), {
            "is": "report", "number": 3, "outcomes": [
                {"key": ["demo", "app"], "uid": "u1", "cluster": "a", "revision": [1, "u1", 7], "state": "Applied",
                 "total": 1, "applied": 1, "objects": [], "gone": False, "versions": [], "newer": None}
            ],
        }),
    ]  # fmt: skip
    for message, expected in said:
        assert json.loads(msgspec.json.encode(message)) == expected
