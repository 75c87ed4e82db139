"""Two muxes and a wire between them that delivers when and in pieces as it likes, against a model of two byte strings.

Nothing is lost, doubled or reordered; a reader who stands still holds up its own stream only; no more is held than
windows allow; at a loss every stream ends, at every byte.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from atoll.link.mux import WINDOW_FIRST, WINDOW_MOST, Channel, Mux
from atoll.link.session import LinkError, Lost
from atoll.link.websocket import Unwrapper, head
from atoll.link.whole import ShortWay
from tests.machines.effort import effort

HUB, AGENT = 0, 1
SIDES = st.sampled_from([HUB, AGENT])
SIZES = st.one_of(st.integers(1, 300), st.sampled_from([65_535, 65_536, 65_537, 200_000, WINDOW_FIRST + 1]))


class End:
    """One end of one stream, with what a user of it would know."""

    def __init__(self, world: "MuxMachine", side: int, channel: Channel | None = None) -> None:
        self.world = world
        self.side = side
        self.channel: Channel | None = channel
        self.peer: End | None = None
        self.accepted = False
        self.paused = False
        self.written = 0
        self.held: list[bytes] = []
        self.read = 0
        """Bytes let go of; all bytes come in the order of `pattern`."""
        self.wrote_end = False
        self.saw_end = False
        self.error: LinkError | None = None
        self.over = False

    @property
    def alive(self) -> bool:
        return not self.over

    def opened(self) -> None:
        assert self.alive
        assert not self.accepted
        self.accepted = True

    def received(self, data: bytes) -> None:
        assert self.alive
        assert not self.saw_end
        assert data
        self.held.append(data)
        if not self.paused:
            self.let_go()

    def let_go(self) -> None:
        assert self.channel is not None
        for data in self.held:
            assert data == pattern(self.other(), self.channel.id, self.read, len(data))
            self.read += len(data)
            self.world.muxes[self.side].consumed(self.channel, len(data))
        self.held.clear()

    def other(self) -> int:
        return 1 - self.side

    def ended(self) -> None:
        assert self.alive
        assert not self.saw_end
        self.saw_end = True

    def taken(self) -> None:
        assert self.alive

    def datagram(self, data: bytes) -> None:
        assert data == b"message"

    def gone(self, error: LinkError | None) -> None:
        assert self.alive
        self.over = True
        self.error = error


def pattern(side: int, number: int, at: int, size: int) -> bytes:
    """What `side` writes to stream `number` from byte `at` on: other streams' bytes differ."""
    unit = bytes((side * 7 + number * 13 + i * 3) % 251 for i in range(251))
    shift = at % 251
    return ((unit[shift:] + unit[:shift]) * (size // 251 + 1))[:size]


class MuxMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.ends: list[End] = []
        self.lost = False
        self.wires: list[bytearray] = [bytearray(), bytearray()]
        """What was sent by each side and hasn't arrived."""
        self.pongs = [0, 0]
        self.pings = [0, 0]
        self.muxes = [self.mux(HUB), self.mux(AGENT)]
        self.short = [ShortWay(mux, dialled=side == AGENT) for side, mux in enumerate(self.muxes)]
        for side in (HUB, AGENT):
            self.open(side, "now")
        self.run_dry()

    def mux(self, side: int) -> Mux:
        def ponged(payload: bytes) -> None:
            assert payload == b"12345678"
            self.pongs[side] += 1

        def offered(channel: Channel) -> None:
            end = End(self, side, channel)
            channel.sink = end
            opener = next(e for e in self.ends if e.channel and e.channel.id == channel.id)
            end.peer, opener.peer = opener, end
            assert opener.channel is not None
            assert channel.target == opener.channel.target
            self.ends.append(end)
            if channel.target.startswith("refused"):
                self.muxes[side].refuse(channel, "NotAllowed", "no")
                end.over = True
            elif channel.target.startswith("now"):
                self.muxes[side].accept(channel)
                end.accepted = True

        return Mux(dialled=side == AGENT, offered=offered, ponged=ponged)

    # What users of both ends do.

    @precondition(lambda self: not self.lost and len(self.ends) < 12)
    @rule(side=SIDES, kind=st.sampled_from(["now", "later", "refused"]))
    def open(self, side: int, kind: str) -> None:
        end = End(self, side)
        self.ends.append(end)
        end.channel = self.muxes[side].open(f"{kind}/{len(self.ends)}", end)

    def some(self, data: Any, *, accepted: bool = True) -> End | None:
        fitting = [e for e in self.ends if e.alive and e.accepted == accepted and e.channel]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @precondition(lambda self: not self.lost)
    @rule(data=st.data())
    def accept_late(self, data: Any) -> None:
        waiting = [e for e in self.ends if e.alive and not e.accepted and e.channel and e.channel.id % 2 != e.side]
        if waiting:
            end = data.draw(st.sampled_from(waiting))
            self.muxes[end.side].accept(end.channel)
            end.accepted = True

    @rule(data=st.data(), size=SIZES, pieces=st.integers(1, 3), last=st.booleans(), unread=st.booleans())
    def write(self, data: Any, size: int, pieces: int, *, last: bool, unread: bool) -> None:
        """`last`: nothing follows; `unread`: the other end has stopped reading."""
        end = self.some(data)
        if end is None or end.wrote_end or end.channel is None:
            return
        if unread and end.peer is not None:
            end.peer.paused = True
        for _ in range(pieces):
            data = pattern(end.side, end.channel.id, end.written, size)
            message = b"" if self.lost else self.short[end.side].message(end.channel, data)
            if message:  # what may go at once, alone
                (inside,) = Unwrapper(masked=end.side == AGENT).feed(message)
                self.wires[end.side] += inside
            else:
                self.muxes[end.side].write(end.channel, data)
            end.written += size
        if last:
            end.wrote_end = True
            self.muxes[end.side].end(end.channel)

    @rule(data=st.data())
    def end_writing(self, data: Any) -> None:
        end = self.some(data)
        if end is not None and end.channel is not None:
            end.wrote_end = True
            self.muxes[end.side].end(end.channel)

    @rule(data=st.data())
    def pause(self, data: Any) -> None:
        end = self.some(data)
        if end is not None:
            end.paused = True

    @rule(data=st.data())
    def go_on(self, data: Any) -> None:
        end = self.some(data)
        if end is not None:
            end.paused = False
            end.let_go()

    @rule(data=st.data(), accepted=st.booleans())
    def reset(self, data: Any, *, accepted: bool) -> None:
        end = self.some(data, accepted=accepted)
        if end is not None and end.channel is not None:
            self.muxes[end.side].reset(end.channel, "Aborted")
            end.over = True

    @rule(data=st.data())
    def datagram(self, data: Any) -> None:
        end = self.some(data)
        if end is not None and end.channel is not None:
            self.muxes[end.side].datagram(end.channel, b"message")

    @precondition(lambda self: not self.lost)
    @rule(side=SIDES)
    def ping(self, side: int) -> None:
        self.pings[side] += 1
        self.muxes[side].ping(b"12345678")

    # What the network does.

    @precondition(lambda self: not self.lost)
    @rule(side=SIDES, limit=st.sampled_from([1, 100, 65_536, 1 << 20]))
    def send(self, side: int, limit: int) -> None:
        parts = self.muxes[side].take(limit)
        self.wires[side] += b"".join(parts)

    @precondition(lambda self: not self.lost)
    @rule(side=SIDES, size=st.one_of(st.integers(1, 40), st.integers(1, 400_000)))
    def arrive(self, side: int, size: int) -> None:
        wire = self.wires[side]
        data = bytes(wire[:size])
        del wire[:size]
        self.receive(1 - side, data)

    def receive(self, side: int, data: bytes) -> None:
        """By the short way, where that is possible."""
        message = head(len(data), masked=side == HUB) + data
        if not (self.muxes[side].between and self.short[side].receive(message)):
            self.muxes[side].receive(data)

    @precondition(lambda self: not self.lost)
    @rule()
    def settle(self) -> None:
        """All that can move moves: then readers have all that was written, but for windows of those who stand still."""
        self.run_dry()
        for end in self.ends:
            peer = end.peer
            if peer is None or end.over or peer.over or not (end.accepted and peer.accepted):
                continue
            if not peer.paused:
                assert peer.read == end.written
                assert peer.saw_end == end.wrote_end
            else:
                assert peer.read + sum(map(len, peer.held)) >= min(end.written, peer.read + WINDOW_FIRST // 2)
        assert self.pongs == [min(p, 1) if p else 0 for p in self.pings] or all(
            pong <= ping for pong, ping in zip(self.pongs, self.pings, strict=True)
        )

    def run_dry(self) -> None:
        while any(m.waits for m in self.muxes) or any(self.wires):
            for side in (HUB, AGENT):
                self.wires[side] += b"".join(self.muxes[side].take(1 << 16))
                data, self.wires[side] = bytes(self.wires[side]), bytearray()
                if data:
                    self.receive(1 - side, data)

    @precondition(lambda self: not self.lost and self.ends)
    @rule(chance=st.integers(0, 30))
    def lose_the_connection(self, chance: int) -> None:
        """At whatever byte the wires have come to."""
        if chance:
            return
        self.lost = True
        for mux in self.muxes:
            mux.abandon(Lost("Closed", "cut"))

    # What always holds.

    @invariant()
    def no_more_is_held_than_windows_allow(self) -> None:
        for end in getattr(self, "ends", ()):
            assert sum(map(len, end.held)) <= WINDOW_MOST
            if end.channel is not None and end.alive:
                assert sum(map(len, end.held)) <= end.channel.window
                assert end.channel.credit >= 0

    @invariant()
    def bytes_come_from_what_was_written(self) -> None:
        for end in getattr(self, "ends", ()):
            if end.peer is not None:
                assert end.read + sum(map(len, end.held)) <= end.peer.written

    @invariant()
    def the_books_agree(self) -> None:
        for side, mux in enumerate(getattr(self, "muxes", ())):
            alive = {e.channel.id for e in self.ends if e.side == side and e.alive and e.channel}
            assert set(mux.channels) == alive
            assert mux.waits == bool(mux._control or mux._ready or mux._datagrams or mux._pong) or self.lost
            assert mux._windows == sum(c.window for c in mux.channels.values())
            assert mux._peers == sum(c.id % 2 != side for c in mux.channels.values())

    def teardown(self) -> None:
        """In the end a connection that wasn't lost brings everything that is not held up to where it goes."""
        if not hasattr(self, "muxes") or self.lost:
            return
        for end in self.ends:
            if end.alive and end.accepted:
                end.paused = False
                end.let_go()
        self.settle()


TestMux = MuxMachine.TestCase
TestMux.settings = effort(150)
