"""Events of Applications: trouble, that it is over, and of a few of many that all went as it should."""

import asyncio
from typing import Any, cast

import pytest

from atoll.api.common import Condition
from atoll.api.status import ApplicationStatus
from atoll.hub.events import Recorder
from atoll.kube.objects import of_body


class Hub:
    """Takes the Events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    async def create(self, _: Any, body: dict[str, Any]) -> None:
        self.events.append((body["type"], body["reason"]))


def status(*conditions: tuple[str, str, str]) -> ApplicationStatus:
    found = (Condition(name, cast("Any", truth), reason) for name, truth, reason in conditions)
    return ApplicationStatus(conditions=tuple(found))


READY = status(("Ready", "True", "Ready"))
NEW = ApplicationStatus()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (NEW, READY, [("Normal", "Ready")]),
        (status(("Ready", "False", "RollingOut")), READY, [("Normal", "Ready")]),
        (READY, READY, []),
        (NEW, status(("Ready", "False", "Failed"), ("Stalled", "True", "Failed")), [("Warning", "Failed")]),
        (status(("Ready", "False", "Failed"), ("Stalled", "True", "Failed")), READY, [("Normal", "Ready")]),
        (status(("Ready", "Unknown", "Unreachable")), READY, [("Normal", "Ready")]),
        (
            READY,
            status(("Ready", "False", "NoClusters"), ("Placed", "False", "NoClusters")),
            [("Warning", "NoClusters")],
        ),
    ],
)
async def test_trouble_and_its_end_are_told(
    before: ApplicationStatus, after: ApplicationStatus, told: list[tuple[str, str]]
) -> None:
    hub = Hub()
    recorder = Recorder(cast("Any", hub))
    metadata = {"name": "shop", "namespace": "demo", "uid": "uid", "resourceVersion": "1"}
    recorder.transitions(of_body({"metadata": metadata}), before, after)
    writing = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    writing.cancel()
    assert hub.events == told


async def test_of_a_wave_few_are_told_of_unless_they_were_in_trouble() -> None:
    hub = Hub()
    recorder = Recorder(cast("Any", hub))
    failed = status(("Ready", "False", "Failed"))
    for n in range(100):
        metadata = {"name": f"shop-{n}", "namespace": "demo", "uid": f"uid-{n}", "resourceVersion": "1"}
        recorder.transitions(of_body({"metadata": metadata}), failed if n >= 50 else NEW, READY)
    writing = asyncio.create_task(recorder.run())
    for _ in range(200):
        await asyncio.sleep(0)
    writing.cancel()
    assert 60 <= len(hub.events) < 65
