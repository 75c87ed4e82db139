"""Events of Applications: trouble, and that it is over. What goes as it should is in the status alone."""

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
        (NEW, READY, []),
        (status(("Ready", "False", "Applying")), READY, []),
        (status(("Ready", "False", "RollingOut")), READY, []),
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
