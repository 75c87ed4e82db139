"""However much there is to tell, no message is larger than a hub takes: else the same one would end each call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from atoll.agent.pulling.outbox import Outbox
from atoll.api.delivery import ObjectOutcome, Outcome
from atoll.api.intent import Revision
from atoll.api.objects import Key, ObjectId
from atoll.api.observation import Observation, Problem
from atoll.api.rooms import Room
from atoll.fleet.capacity import Capacity
from atoll.pull.framing import TO_HUB
from atoll.pull.protocol import AnyMessage, Beat, Count, Report
from atoll.runtime.supervise import cancel_and_wait
from tests.delivering import eventually


class Hub:
    def __init__(self) -> None:
        self.heard: list[AnyMessage] = []

    async def hear(self, message: AnyMessage) -> None:
        assert len(msgspec.json.encode(message)) <= TO_HUB
        self.heard.append(message)


@asynccontextmanager
async def talking(box: Outbox, hub: Hub) -> AsyncIterator[None]:
    pump = asyncio.create_task(box.pump(hub.hear, lambda: Beat(box.number(), 0)))
    try:
        yield
    finally:
        await cancel_and_wait(pump)


async def caught_up(_: str) -> None:
    """It is."""


def outbox() -> Outbox:
    return Outbox(caught_up, lambda: None)


@pytest.mark.parametrize("letter", ["x", "試", "\x01"])
async def test_hundreds_of_applications_in_much_trouble(letter: str) -> None:
    box, hub = outbox(), Hub()
    about = [ObjectId("apps", "Deployment", "demo", f"one-{n}") for n in range(50)]
    uids = {f"uid-{n}" for n in range(250)}
    for uid in sorted(uids):
        troubles = tuple(ObjectOutcome(one, "Failed", "Invalid", letter * 5_000) for one in about)
        key = Key("demo", uid)
        box.delivered(Outcome(key, uid, "a", Revision(1, uid, 1), "Failed", 50, 0, troubles))
        problems = tuple(Problem(one, "Missing", letter * 256) for one in about[:3])
        box.observed(Observation(key, uid, "a", "Degraded", problems=problems))
    async with talking(box, hub):

        def told() -> bool:
            reports = [m for m in hub.heard if isinstance(m, Report)]
            outcomes = {o.uid for report in reports for o in report.outcomes}
            seen = {o.uid for report in reports for o in report.observations}
            return outcomes == seen == uids

        await eventually(told)


async def test_statuses_that_are_too_large_take_nothing_else_with_them() -> None:
    box, hub = outbox(), Hub()
    large = msgspec.Raw(msgspec.json.encode({"x": "y" * 1_000_000}))
    statuses = tuple((ObjectId("", "Pod", "demo", f"p{n}"), large) for n in range(6))
    box.observed(Observation(Key("demo", "app"), "u", "a", "Degraded", statuses=statuses))
    async with talking(box, hub):
        await eventually(lambda: [m for m in hub.heard if isinstance(m, Report) and m.observations])


async def test_thousands_of_nodes_none_like_another() -> None:
    box, hub = outbox(), Hub()
    labels = {f"example.com/a-label-of-number-{n}": f"some-value-{n}" for n in range(30)}
    rooms = tuple(Room({"cpu": n, "memory": n << 20}, n % 110, labels=labels | {"id": str(n)}) for n in range(5_000))
    box.counted(Capacity(5_000, 5_000, rooms=rooms))
    async with talking(box, hub):
        await eventually(lambda: hub.heard)
    count = hub.heard[0]
    assert isinstance(count, Count)
    assert count.nodes == 5_000
    assert count.rooms is not None
    assert max(room.pods for room in count.rooms) == 109
    assert len(count.rooms) > 1_000
