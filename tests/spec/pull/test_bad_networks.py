"""Between agent and hub a bad network: what is wanted arrives in order and once, and what is done is told."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from atoll.agent.state import Folder
from atoll.kube.resources import CONFIGMAPS
from atoll.link import connection, dialling
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.badwire import BadWire
from tests.delivering import eventually

from .conftest import NAMESPACE, configmap
from .linked import Linked

CHANGES = 12
FLAPS = 25


@pytest.fixture
async def wire(linked: Linked) -> AsyncIterator[BadWire]:
    """The agent of `a` dials through it."""
    await cancel_and_wait(linked.working.pop("a"))
    state = await Folder(linked.folder / "a").load()
    assert state is not None
    async with BadWire("127.0.0.1", linked.port, seed=1) as wire:
        linked.dial("a", msgspec.structs.replace(state, addresses=(f"https://127.0.0.1:{wire.port}",)))
        await eventually(lambda: wire.open, 10)
        yield wire
        await cancel_and_wait(linked.working.pop("a"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses are noticed and mended in tenths of seconds."""
    monkeypatch.setattr(connection, "SILENCE", 1.2)
    monkeypatch.setattr(connection, "PING_EVERY", 0.4)
    monkeypatch.setattr(connection, "PULSE", 0.2)
    monkeypatch.setattr(dialling, "FIRST_MOST", 0.1)
    monkeypatch.setattr(dialling, "LATER_MOST", 0.1)


@asynccontextmanager
async def trouble(wire: BadWire, kind: str) -> AsyncIterator[None]:
    task: asyncio.Task[None] | None = None
    match kind:
        case "cuts":
            task = asyncio.create_task(_again(wire))
        case "stall":
            task = asyncio.create_task(_stall(wire))
        case "loss of 5 %":
            wire.loss = 0.05
        case "300 ± 100 ms":
            wire.latency = (0.2, 0.4)
        case _:
            wire.rate = 64_000
    try:
        yield
    finally:
        wire.loss, wire.latency, wire.rate = 0.0, (0.0, 0.0), 0
        if task is not None:
            await cancel_and_wait(task)


async def _again(wire: BadWire) -> None:
    while True:
        await asyncio.sleep(0.15)
        wire.cut()


async def _stall(wire: BadWire) -> None:
    """Longer than a silent peer is waited for."""
    await asyncio.sleep(0.3)
    resume = wire.stall()
    try:
        await asyncio.sleep(2.0)
    finally:
        resume()


@pytest.mark.parametrize("kind", ["cuts", "stall", "loss of 5 %", "300 ± 100 ms", "64 kB/s"])
async def test_nothing_is_lost_nor_doubled(quick: None, linked: Linked, wire: BadWire, kind: str) -> None:
    seen: list[int] = []

    async def watch() -> None:
        since = (await linked.clients["a"].get(CONFIGMAPS, "one", NAMESPACE)).resource_version
        changes = linked.clients["a"].watch(CONFIGMAPS, since, NAMESPACE, fields="metadata.name=one")
        async for event in changes:
            if event.type != "BOOKMARK":
                seen.append(int(event.object.body()["data"]["v"]))  # noqa: PERF401  it doesn't end

    await linked.deploy("app", configmap("one", v="0", x="x" * 2000))
    await linked.ready("app")
    watching = asyncio.create_task(watch())
    async with trouble(wire, kind):
        for number in range(1, CHANGES + 1):
            await linked.deploy("app", configmap("one", v=str(number), x="x" * 2000))
            await asyncio.sleep(0.1)
        await linked.data_becomes("a", "one", v=str(CHANGES), x="x" * 2000)
    await linked.ready("app", 20.0)
    with contextlib.suppress(asyncio.CancelledError):
        await cancel_and_wait(watching)
    assert seen == sorted(set(seen)), seen  # each wanted content at most once, and none after a newer one
    assert seen[-1] == CHANGES


async def test_many_flaps_leave_nothing_behind(quick: None, linked: Linked, wire: BadWire) -> None:
    hub = linked.side.hub
    assert hub is not None
    await linked.deploy("app", configmap("one", v="0"))
    await linked.ready("app")
    gc.collect()
    tasks, files = len(asyncio.all_tasks()), _open_files()
    for _ in range(FLAPS):
        await eventually(lambda: (s := hub.ends.listener.session("a")) is not None and s.connections)
        session = hub.ends.listener.session("a")
        assert session is not None
        wire.cut()
        await asyncio.wait_for(session.wait_lost(), 5.0)
    await linked.deploy("app", configmap("one", v="1"))
    await linked.ready("app")
    await asyncio.sleep(1.5)  # what was closed in good order has a second to say so
    gc.collect()
    assert len(asyncio.all_tasks()) <= tasks + 2
    assert _open_files() <= files + 2


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
