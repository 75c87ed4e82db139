"""Frames and WebSocket messages come out the same, however the bytes were cut; what breaks the rules is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.link import frames, websocket
from atoll.link.frames import Parser, ProtocolError
from atoll.link.websocket import Closed, Unwrapper, accept_key, head

CONTROL = st.tuples(
    st.sampled_from([frames.OPEN, frames.WINDOW, frames.END, frames.RESET]), st.integers(0, 99), st.binary(max_size=60)
)
DATA = st.tuples(st.just(frames.DATA), st.integers(1, 99), st.binary(min_size=1, max_size=200))
CUTS = st.lists(st.integers(1, 50), min_size=1, max_size=20)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    found, at, turn = [], 0, 0
    while at < len(data):
        found.append(data[at : at + cuts[turn % len(cuts)]])
        at += len(found[-1])
        turn += 1
    return found


def joined(found: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """DATA pieces of one stream that follow each other are one."""
    result: list[tuple[int, int, bytes]] = []
    for kind, stream, payload in found:
        if result and kind == frames.DATA and result[-1][:2] == (kind, stream):
            payload = result.pop()[2] + payload
        result.append((kind, stream, payload))
    return result


@given(st.lists(st.one_of(CONTROL, DATA), max_size=8), CUTS)
def test_frames(sent: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    parser = Parser()
    wire = b"".join(frames.frame(*f) for f in sent)
    assert joined([f for piece in pieces(wire, cuts) for f in parser.feed(piece)]) == joined(sent)


def test_it_is_known_whether_the_next_byte_begins_something() -> None:
    wire = head(8 + 5, masked=False) + frames.frame(frames.DATA, 7, b"hello")
    for cut in range(len(wire) + 1):
        unwrapper, parser = Unwrapper(masked=False), Parser()
        for piece in unwrapper.feed(wire[:cut]):
            parser.feed(piece)
        assert (unwrapper.between and parser.between) == (cut in {0, len(wire)})


@given(st.lists(st.binary(max_size=300), max_size=6), CUTS, st.booleans(), st.binary(min_size=4, max_size=4))
def test_messages(sent: list[bytes], cuts: list[int], masked: bool, key: bytes) -> None:
    """Also those of a client that masks; cut anywhere, and each as a whole."""
    wire, whole = b"", Unwrapper(masked=masked)
    for payload in sent:
        plain = payload
        begin = head(len(payload), masked=masked)
        if masked:
            begin = begin[:-4] + key
            payload = bytes(b ^ key[i % 4] for i, b in enumerate(payload))
        wire += begin + payload
        assert b"".join(whole.feed(begin + payload)) == plain
        assert b"".join(whole.feed(head(len(plain), masked=masked) + plain)) == plain  # as ours are: masked by nothing
    unwrapper = Unwrapper(masked=masked)
    assert b"".join(p for piece in pieces(wire, cuts) for p in unwrapper.feed(piece)) == b"".join(sent)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_every_length_of_message(size: int) -> None:
    assert b"".join(Unwrapper(masked=False).feed(head(size, masked=False) + bytes(size))) == bytes(size)


@pytest.mark.parametrize(
    "wire",
    [
        frames.HEADER.pack(99 << 24, 1),
        frames.HEADER.pack(0, 1),
        frames.HEADER.pack(frames.DATA << 24 | frames.PAYLOAD_MOST + 1, 1),
        frames.HEADER.pack(frames.OPEN << 24 | frames.CONTROL_MOST + 1, 1),
    ],
    ids=["unknown kind", "kind 0", "long data", "long control frame"],
)
def test_what_no_peer_of_ours_sends_ends_the_connection(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(wire)


def test_a_server_refuses_unmasked_messages_and_a_client_masked_ones() -> None:
    for masked in (True, False):
        with pytest.raises(ProtocolError):
            Unwrapper(masked=masked).feed(head(5, masked=not masked) + b"hello")


def test_a_proxys_ping_is_answered_once_and_a_goodbye_is_heard() -> None:
    unwrapper = Unwrapper(masked=False)
    ping = head(2, masked=False, opcode=0x9) + b"hi"
    assert unwrapper.feed(ping + ping) == []
    assert unwrapper.answers == [head(2, masked=True, opcode=0xA) + b"hi"]
    with pytest.raises(Closed):
        unwrapper.feed(websocket.goodbye(masked=False))


def test_the_accept_key_is_the_one_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_reason_survives_text_that_is_no_utf8() -> None:
    assert frames.read_reason(b"Unreachable\n\xff oops") == ("Unreachable", "\ufffd oops")
    assert frames.read_reason(b"") == ("Failed", "")
