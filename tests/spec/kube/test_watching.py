"""A watch's bytes become its events, wherever the network cuts them."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.kube.errors import Expired, InternalError, Unreachable
from atoll.kube.resources import CONFIGMAPS
from atoll.kube.watching import Lines, WatchDecoder
from tests.spec.kube.conftest import configmap


def line(kind: str, body: object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": body}) + b"\n"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


STREAM = b"".join(
    [
        line("ADDED", configmap("a", "1")),
        b"\n",
        line("MODIFIED", configmap("ä", "2", managedFields=[{"manager": "x"}])),
        line("DELETED", configmap("a", "3")),
        line("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}}),
    ]
)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_events_do_not_depend_on_how_the_bytes_are_cut(places: list[int]) -> None:
    decoder = WatchDecoder(CONFIGMAPS)
    events = [event for piece in cut(STREAM, places) for event in decoder.feed(piece)]
    decoder.close()
    assert [(event.type, event.object.name, event.object.resource_version) for event in events] == [
        ("ADDED", "a", "1"),
        ("MODIFIED", "ä", "2"),
        ("DELETED", "a", "3"),
        ("BOOKMARK", "", "9"),
    ]
    assert b"managedFields" not in events[1].object.raw


@settings(deadline=None)
@given(
    st.lists(st.binary(max_size=20).map(lambda part: part.replace(b"\n", b"")), max_size=9),
    st.lists(st.integers(0, 99)),
)
def test_lines_come_back_as_they_were(parts: list[bytes], places: list[int]) -> None:
    lines = Lines()
    found = [each for piece in cut(b"\n".join(parts), places) for each in lines.feed(piece)]
    assert [*found, lines.rest] == (parts or [b""])


def test_a_huge_event_in_small_pieces_costs_linear_time() -> None:
    body = configmap("big") | {"data": {"key": "x" * 3_000_000}}
    data = line("ADDED", body)
    decoder = WatchDecoder(CONFIGMAPS)
    events = [event for at in range(0, len(data), 512) for event in decoder.feed(data[at : at + 512])]
    assert len(events[0].object.raw) > 3_000_000


def test_an_expired_version_ends_it_after_the_events_before() -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)"}
    events = WatchDecoder(CONFIGMAPS).feed(line("ADDED", configmap("a")) + line("ERROR", gone))
    assert next(events).type == "ADDED"
    with pytest.raises(Expired, match="too old"):
        next(events)


def test_other_errors_arrive_as_they_are() -> None:
    broken = {"kind": "Status", "code": 500, "reason": "InternalError", "message": "unable to decode"}
    with pytest.raises(InternalError, match="unable to decode"):
        list(WatchDecoder(CONFIGMAPS).feed(line("ERROR", broken)))


def test_an_end_within_an_event_is_no_end() -> None:
    decoder = WatchDecoder(CONFIGMAPS)
    list(decoder.feed(STREAM[:-20]))
    with pytest.raises(Unreachable, match="broke off") as caught:
        decoder.close()
    assert caught.value.reason == "Reset"


@pytest.mark.parametrize(
    "garbage", [b"<html>\n", b'{"type":"RENAMED","object":{}}\n', b'{"type":"ADDED"}\n', b"\xff\n"]
)
def test_what_is_no_event_is_named(garbage: bytes) -> None:
    with pytest.raises(Unreachable, match="no event") as caught:
        list(WatchDecoder(CONFIGMAPS).feed(garbage))
    assert caught.value.reason == "Protocol"


def test_what_never_ends_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's API server must not fill the memory in which all clusters are."""
    monkeypatch.setattr("atoll.kube.watching.LONGEST_EVENT", 1000)
    decoder = WatchDecoder(CONFIGMAPS)
    assert not list(decoder.feed(b"{" * 900))
    with pytest.raises(Unreachable, match="without a line's end") as caught:
        list(decoder.feed(b"{" * 900))
    assert caught.value.reason == "Protocol"
