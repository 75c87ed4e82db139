"""A message that is one frame of DATA is written and read with both heads in one; whatever else comes isn't touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.link import frames
from atoll.link.mux import MESSAGE_MOST, WINDOW_FIRST, Channel, Mux
from atoll.link.session import LinkError
from atoll.link.websocket import head
from atoll.link.whole import ShortWay

SIZES = [1, 117, 118, 119, 300, MESSAGE_MOST]
"""The first of two bytes' length is 118: eight of the frame's head are before it."""


class Heard:
    """A sink."""

    def __init__(self) -> None:
        self.data = b""

    def opened(self) -> None: ...
    def ended(self) -> None: ...
    def taken(self) -> None: ...
    def datagram(self, data: bytes) -> None: ...
    def gone(self, error: LinkError | None) -> None: ...

    def received(self, data: bytes) -> None:
        self.data += data


class End:
    """One end with an open stream, number 1, that the other end has opened, or this one."""

    def __init__(self, *, dialled: bool) -> None:
        self.mux = Mux(dialled=dialled, offered=self.offered)
        self.way = ShortWay(self.mux, dialled=dialled)
        self.heard = Heard()
        credit = frames.U32.pack(WINDOW_FIRST)
        if dialled:
            self.channel = self.mux.open("x", self.heard)
            self.mux.receive(frames.frame(frames.OPENED, 1, credit))
        else:
            self.mux.receive(frames.frame(frames.OPEN, 1, credit + b"x"))
        self.mux.take(1 << 20)

    def offered(self, channel: Channel) -> None:
        self.channel, channel.sink = channel, self.heard
        self.mux.accept(channel)


def ends(*, up: bool) -> tuple[End, End]:
    """Who sends and who receives; `up`: from the agent, who masks."""
    agent, hub = End(dialled=True), End(dialled=False)
    return (agent, hub) if up else (hub, agent)


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_a_message_is_written_as_the_long_way_would_and_read(size: int, *, up: bool) -> None:
    sender, receiver = ends(up=up)
    data = bytes(range(256)) * 64
    wire = sender.way.message(sender.channel, data[:size])
    assert wire == head(size + 8, masked=up) + frames.frame(frames.DATA, 1, data[:size])
    assert receiver.way.receive(wire)
    assert receiver.heard.data == data[:size]
    assert sender.channel.credit == receiver.channel.granted == WINDOW_FIRST - size


KINDS = st.sampled_from([frames.DATA, frames.DATA, frames.WINDOW, frames.END, frames.DATAGRAM])
FRAMES = st.lists(st.tuples(KINDS, st.sampled_from([1, 1, 3]), st.binary(max_size=200)), min_size=1, max_size=2)


@given(FRAMES, st.booleans(), st.integers(-1, 1), st.sampled_from([bytes(4), b"mask"]))
def test_nothing_else_is_taken(sent: list[tuple[int, int, bytes]], up: bool, more: int, key: bytes) -> None:
    """Several frames, a piece of one, more than one; another kind; an unknown stream; a mask that is one."""
    inside = b"".join(frames.frame(*each) for each in sent)
    begin = head(len(inside), masked=up)
    wire = (begin[:-4] + key if up else begin) + inside
    wire = wire[:more] if more < 0 else wire + bytes(more)
    _, receiver = ends(up=up)
    one = len(sent) == 1 and sent[0][:2] == (frames.DATA, 1) and sent[0][2] != b""
    assert receiver.way.receive(wire) == (one and not more and not (up and any(key)))
    assert receiver.heard.data == (sent[0][2] if receiver.heard.data else b"")


@pytest.mark.parametrize("up", [True, False])
def test_what_a_stream_may_not_get_is_left_to_the_long_way(*, up: bool) -> None:
    sender, receiver = ends(up=up)
    wire = sender.way.message(sender.channel, b"hello")
    receiver.channel.granted = 4
    assert not receiver.way.receive(wire)
    with pytest.raises(frames.ProtocolError):
        receiver.mux.receive(frames.frame(frames.DATA, 1, b"hello"))


def test_a_message_waits_behind_whatever_else_is_to_go() -> None:
    sender, _ = ends(up=True)
    way, channel = sender.way, sender.channel
    assert way.message(channel, bytes(MESSAGE_MOST + 1)) == way.message(channel, b"") == b""
    sender.mux.ping(b"12345678")
    assert way.message(channel, b"x") == b""
    sender.mux.take(1 << 20)
    assert way.message(channel, b"x") != b""
    channel.credit = 1
    assert way.message(channel, b"xx") == b""
    sender.mux.end(channel)
    sender.mux.take(1 << 20)
    assert way.message(channel, b"x") == b""
