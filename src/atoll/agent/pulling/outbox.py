"""What there is to tell the hub: of each thing the latest word, for as long as it takes to say it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice

import msgspec
import structlog

from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.objects import ObjectId
from atoll.api.observation import Observation
from atoll.api.rooms import Room, Rooms
from atoll.fleet.capacity import Capacity
from atoll.pull.protocol import AnyMessage, Beat, Count, Left, MemberState, Report, Stock
from atoll.runtime import failpoints

log = structlog.get_logger(__name__)

BURST = 0.02
"""Seconds in which what happens together is told together."""
AT_ONCE = 100
"""Applications in one report."""
LEFT_AT_ONCE = 500
"""Objects that are asked about in one message."""
OBJECTS, TEXT = 20, 1024
"""Objects in trouble of one application, and characters of each message: the status shows fewer, and shorter ones."""
REPORT_TEXT = 384 << 10
"""Characters after which a report goes on in another: a hub takes 4 MiB of JSON, in which one has up to six bytes."""
STATUSES = 1536 << 10
"""Bytes of statuses, which are JSON already, of one application."""
FEW, ROOMS = 256, 2 << 20
"""Kinds of nodes that are told of whatever their size; bytes of a count that tell of nodes. More are left out, the
fullest first: what isn't told of is no room.
"""
URGENT = {"Failed": 0, "Conflict": 1, "Waiting": 2}

Send = Callable[[AnyMessage], Awaitable[None]]


class Outbox:
    """Fed by those who work on the member; emptied by whoever is connected.

    `catch_up(uid)` has health be as new as what is told of delivery; `stock()` counts the objects of each application,
    and is None while that isn't known. Messages are numbered over the agent's life.
    """

    def __init__(self, catch_up: Callable[[str], Awaitable[None]], stock: Callable[[], dict[str, int] | None]) -> None:
        self._catch_up = catch_up
        self._stock = stock
        self._member = MemberState()
        self._number = 0
        self._outcomes: dict[str, Outcome] = {}
        self._refusals: dict[str, Outcome] = {}
        self._observations: dict[str, Observation] = {}
        self._capacity: Capacity | None = None
        self._news: dict[str, None] = {}
        self._stocked: dict[str, None] = {}
        self._left: dict[ObjectId, None] = {}
        self._all_stock = self._counted = self._stated = False
        self._stir = asyncio.Event()

    def number(self) -> int:
        """The next message's."""
        self._number += 1
        return self._number

    # What happens

    def delivered(self, outcome: Outcome) -> None:
        self._outcomes[outcome.uid] = outcome
        self._touch(outcome.uid)

    def observed(self, observation: Observation) -> None:
        self._observations[observation.uid] = observation
        self._touch(observation.uid)

    def counted(self, capacity: Capacity) -> None:
        self._capacity, self._counted = capacity, True
        self._stir.set()

    @property
    def member(self) -> MemberState:
        """How the member is reached."""
        return self._member

    def reached(self, member: MemberState) -> None:
        if member != self._member:
            self._member = member
            self.state()

    def state(self) -> None:
        """How the agent itself does is to be told now, not with the next beat."""
        self._stated = True
        self._stir.set()

    def found(self, uid: str) -> None:
        """The number of objects of application `uid` changed."""
        self._stocked[uid] = None
        self._stir.set()

    def left(self, about: ObjectId) -> None:
        """Only the hub can say what becomes of an object."""
        self._left[about] = None
        self._stir.set()

    def restock(self) -> None:
        """All that was told of objects is void: they are counted anew."""
        self._all_stock = True
        self._stir.set()

    def refused(self, outcomes: Iterable[Outcome]) -> None:
        """What isn't taken, which hides what becomes of the older intent that is held instead."""
        now = {outcome.uid: outcome for outcome in outcomes}
        for uid in self._refusals.keys() | now.keys():
            if self._refusals.get(uid) != now.get(uid):
                self._touch(uid)
        self._refusals = now

    def again(self, uids: Iterable[str]) -> None:
        """Somebody wants to know, though nothing has changed."""
        for uid in uids:
            self._touch(uid)

    def forget(self, uid: str) -> None:
        """It is of no interest any more what becomes of application `uid`."""
        self._outcomes.pop(uid, None)
        self._observations.pop(uid, None)

    def _touch(self, uid: str) -> None:
        self._news[uid] = None
        self._stir.set()

    # Telling

    def rewind(self) -> None:
        """Whoever listens from now on knows nothing yet."""
        self._news = dict.fromkeys((*self._outcomes, *self._observations, *self._refusals))
        self._all_stock, self._counted = True, self._capacity is not None
        self._left.clear()  # it asks anew
        self._stir.set()

    async def pump(self, send: Send, beat: Callable[[], Beat]) -> None:
        """Until cancelled: tell what there is to tell; `beat()` is how the agent does. What `send` raises ends it."""
        while True:
            await self._stir.wait()
            await asyncio.sleep(BURST)
            self._stir.clear()
            if self._stated:
                self._stated = False
                await send(beat())
            if self._counted and self._capacity is not None:
                self._counted = False
                await send(_count(self.number(), self._capacity))
            await self._tell_stock(send)
            await self._tell_left(send)
            while self._news:
                await self._report(send)

    async def _tell_stock(self, send: Send) -> None:
        if not self._all_stock and not self._stocked:
            return
        stock = self._stock()
        if stock is None:
            return
        complete, some = self._all_stock, tuple(self._stocked)
        self._all_stock = False
        self._stocked.clear()
        objects = stock if complete else {uid: stock.get(uid, 0) for uid in some}
        await send(Stock(self.number(), objects, complete))

    async def _tell_left(self, send: Send) -> None:
        while self._left:
            some = list(islice(self._left, LEFT_AT_ONCE))
            for about in some:
                del self._left[about]
            await send(Left(self.number(), tuple(some)))

    @failpoints.around("agent.report")
    async def _report(self, send: Send) -> None:
        uids = [uid for uid, _ in zip(self._news, range(AT_ONCE), strict=False)]
        for uid in uids:
            await self._catch_up(uid)
        outcomes: list[Outcome] = []
        briefs: list[Outcome] = []
        seen: list[Observation] = []
        size = 0
        for uid in uids:
            if size >= REPORT_TEXT:
                break
            self._news.pop(uid, None)
            if (outcome := self._refusals.get(uid) or self._outcomes.get(uid)) is not None:
                outcomes.append(outcome)
                briefs.append(brief(outcome))
                size += sum(len(found.message) for found in briefs[-1].objects)
            if (observation := self._observations.get(uid)) is not None:
                seen.append(observation := told(observation))
                size += _text(observation)
        await send(Report(self.number(), tuple(briefs), tuple(seen)))
        for outcome in outcomes:
            if outcome.gone and self._outcomes.get(outcome.uid) is outcome:
                self.forget(outcome.uid)


def _count(number: int, found: Capacity) -> Count:
    return Count(
        number,
        found.nodes,
        found.ready_nodes,
        found.regions,
        found.zones,
        found.allocatable,
        found.requested,
        _roomiest(found.rooms),
        tuple((*workload, since) for workload, since in found.waiting.items()),
    )


def _roomiest(rooms: Rooms | None) -> Rooms | None:
    """As many as may be told of."""
    if rooms is None or len(rooms) <= FEW:
        return rooms
    kept: list[Room] = []
    size = 0
    for room in sorted(rooms, key=lambda room: (room.pods * room.nodes, room.free.get("cpu", 0)), reverse=True):
        size += len(msgspec.json.encode(room))
        if size > ROOMS:
            log.warning("more nodes than can be told of", told=len(kept), kinds=len(rooms))
            break
        kept.append(room)
    return tuple(kept)


def told(seen: Observation) -> Observation:
    """`seen` without statuses that are too large together: they would take everything else with them."""
    if sum(len(raw) for _, raw in seen.statuses) > STATUSES:
        log.warning("statuses too large to be told of", application=str(seen.key))
        return msgspec.structs.replace(seen, statuses=())
    return seen


def _text(seen: Observation) -> int:
    said = sum(len(problem.message) for problem in seen.problems)
    return said + sum(len(raw) for _, raw in seen.statuses) + sum(map(len, seen.carry.values()))


def brief(outcome: Outcome) -> Outcome:
    """`outcome` with the worst of its objects only."""
    worst = sorted(outcome.objects, key=lambda found: URGENT.get(found.state, 3))[:OBJECTS]
    return msgspec.structs.replace(outcome, objects=tuple(map(_short, worst)))


def _short(found: ObjectOutcome) -> ObjectOutcome:
    return msgspec.structs.replace(found, message=found.message[:TEXT])
