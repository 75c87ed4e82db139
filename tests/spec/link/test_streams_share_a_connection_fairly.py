"""What a mux promises: turns, windows, and bounds against a peer that breaks the rules."""

import pytest

from atoll.link import frames, mux
from atoll.link.frames import ProtocolError, frame
from atoll.link.mux import STREAMS_MOST, WINDOW_FIRST, WINDOW_LEAST, WINDOW_MOST, WINDOWS_MOST, Channel, Mux
from atoll.link.session import LinkError


class Recorder:
    """A sink that reads everything at once, or nothing."""

    def __init__(self, end: "Mux", *, reads: bool = True) -> None:
        self.end = end
        self.reads = reads
        self.channel: Channel | None = None
        self.data = bytearray()
        self.error: LinkError | None = None

    def opened(self) -> None: ...
    def ended(self) -> None: ...
    def taken(self) -> None: ...
    def datagram(self, data: bytes) -> None: ...

    def received(self, data: bytes) -> None:
        self.data += data
        if self.reads and self.channel is not None:
            self.end.consumed(self.channel, len(data))

    def gone(self, error: LinkError | None) -> None:
        self.error = error


class Pair:
    """A hub that accepts everything, and an agent."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.taken: list[Recorder] = []
        self.hub = Mux(dialled=False, offered=self.offered)
        self.agent = Mux(dialled=True, offered=lambda _: None)

    def offered(self, channel: Channel) -> None:
        recorder = Recorder(self.hub, reads=self.reads)
        recorder.channel = channel
        channel.sink = recorder
        self.taken.append(recorder)
        self.hub.accept(channel)

    def open(self) -> Channel:
        recorder = Recorder(self.agent)
        recorder.channel = self.agent.open("x", recorder)
        return recorder.channel

    def settle(self) -> None:
        while self.hub.waits or self.agent.waits:
            self.hub.receive(b"".join(self.agent.take(1 << 24)))
            self.agent.receive(b"".join(self.hub.take(1 << 24)))


def test_no_turn_is_longer_than_64_kib() -> None:
    pair = Pair()
    first, second = pair.open(), pair.open()
    pair.settle()
    pair.agent.write(first, bytes(200_000))
    pair.agent.write(second, b"short")
    sent = pair.agent.take(100_000)
    sizes = [len(part) for part in sent]
    assert sizes == [8, 65_536, 8, 5, 8, 65_536]  # headers between: the short one had to wait for one turn


def test_a_reader_that_stands_still_holds_up_nobody_else() -> None:
    pair = Pair(reads=False)
    stalled, moving = pair.open(), pair.open()
    pair.settle()
    pair.taken[1].reads = True
    for _ in range(50):
        pair.agent.write(stalled, bytes(100_000))
        pair.agent.write(moving, bytes(100_000))
        pair.settle()
    assert len(pair.taken[0].data) == WINDOW_FIRST
    assert len(pair.taken[1].data) == 5_000_000


def test_a_window_grows_only_where_its_reader_waits_for_more() -> None:
    quick, slow = Pair(), Pair(reads=False)
    for pair in (quick, slow):
        channel = pair.open()
        pair.settle()
        pair.agent.write(channel, bytes(20 << 20))
        pair.settle()
    assert quick.taken[0].channel is not None
    assert quick.taken[0].channel.window == WINDOW_MOST
    assert slow.taken[0].channel is not None
    assert slow.taken[0].channel.window == WINDOW_FIRST


def test_ten_thousand_streams_get_small_windows() -> None:
    pair = Pair()
    channels = [pair.open() for _ in range(10_000)]
    assert channels[-1].window == WINDOW_LEAST
    assert sum(c.window for c in channels) <= WINDOWS_MOST + len(channels) * WINDOW_LEAST


def test_streams_beyond_the_bound_are_refused_and_room_comes_back() -> None:
    pair = Pair()
    channels = [pair.open() for _ in range(STREAMS_MOST + 1)]
    pair.settle()
    last = channels[-1].sink
    assert isinstance(last, Recorder)
    assert last.error is not None
    assert last.error.reason == "Busy"
    pair.agent.reset(channels[0], "Aborted")
    pair.settle()
    again = pair.open()
    pair.settle()
    assert again.open


def test_a_peer_gets_one_pong_however_often_it_asks() -> None:
    pair = Pair()
    for _ in range(100_000):
        pair.hub.receive(frame(frames.PING, 0, b"12345678"))
    assert b"".join(pair.hub.take(1)) == frame(frames.PONG, 0, b"12345678")
    assert not pair.hub.waits


def test_a_peer_that_opens_and_never_reads_is_given_up() -> None:
    hub = Mux(dialled=False, offered=lambda channel: hub.refuse(channel, "NotAllowed", "x" * 1000))

    def flood() -> None:
        for number in range(1, 20_001, 2):
            hub.receive(frame(frames.OPEN, number, frames.U32.pack(1000) + b"x"))

    with pytest.raises(ProtocolError, match="reads no answer"):
        flood()


def test_datagrams_are_dropped_when_too_many_wait() -> None:
    pair = Pair()
    channel = pair.open()
    pair.settle()
    sent = [pair.agent.datagram(channel, bytes(1000)) for _ in range(1000)]
    assert sent.count(True) == mux.DATAGRAMS_MOST // 1008
    pair.settle()
    assert pair.agent.datagram(channel, b"again")


U32 = frames.U32.pack


@pytest.mark.parametrize(
    "wire",
    [
        frame(frames.DATA, 7, b"x"),
        frame(frames.OPEN, 2, U32(1000) + b"x"),
        frame(frames.OPEN, 1, U32(1000) + b"x") * 2,
        frame(frames.OPEN, 1, b"x"),
        frame(frames.OPENED, 2, U32(1000)),
        frame(frames.OPEN, 1, U32(1000)) + frame(frames.OPENED, 1, U32(1000)),
        frame(frames.OPEN, 1, U32(1000)) + frame(frames.WINDOW, 1, U32(2**32 - 1)),
        frame(frames.OPEN, 1, U32(1000)) + frame(frames.END, 1) * 2,
        frame(frames.OPEN, 1, U32(1000)) + frame(frames.END, 1) + frame(frames.DATA, 1, b"x"),
        frame(frames.OPEN, 1, U32(1000)) + frame(frames.DATA, 1, bytes(65_536)) * 5,
        frame(frames.RESET, 0),
    ],
    ids=[
        "data of no stream", "a number that is ours", "a number used twice", "no window", "an answer to nothing",
        "an answer to its own question", "endless credit", "two ends", "data after the end", "more than the window",
        "stream 0",
    ],
)  # fmt: skip
def test_who_breaks_the_rules_loses_the_connection(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        Pair(reads=False).hub.receive(wire)


def test_what_was_on_its_way_to_a_stream_that_is_gone_is_dropped() -> None:
    pair = Pair()
    channel = pair.open()
    pair.settle()
    taken = pair.taken[0].channel
    assert taken is not None
    pair.hub.reset(taken, "Aborted", "enough")
    pair.agent.write(channel, b"on its way")
    pair.agent.end(channel)
    pair.settle()
    assert isinstance(channel.sink, Recorder)
    assert str(channel.sink.error) == "enough"
    assert pair.hub.channels == {}


def test_a_stream_with_more_credit_than_any_window_takes_no_other_with_it() -> None:
    """The connection ends by it, and every stream hears of that."""
    pair = Pair()
    pair.open()
    pair.settle()
    with pytest.raises(ProtocolError, match="more credit"):
        pair.hub.receive(frame(frames.OPEN, 3, frames.U32.pack(2**32 - 1) + b"x"))
    pair.hub.abandon(LinkError("Protocol"))
    assert pair.taken[0].error is not None
    assert not pair.hub.channels


def test_a_target_that_is_too_long_is_no_stream() -> None:
    pair = Pair()
    with pytest.raises(ValueError, match="at most"):
        pair.agent.open("x" * 2_000, Recorder(pair.agent))
    assert not pair.agent.channels
    pair.open()
    pair.settle()
    assert len(pair.taken) == 1
