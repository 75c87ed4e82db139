"""Between agent and hub a bad network: what is wanted arrives in order and once, and what is done is told.

Both for agents that pull, and for those through which the hub reaches in.
"""

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from atoll.agent.state import Folder
from atoll.kube.resources import CONFIGMAPS
from atoll.link import connection, dialling
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.badwire import BadWire
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually
from tests.networks import TROUBLES, trouble

from .conftest import NAMESPACE, configmap
from .linked import Linked, issuing, opened

CHANGES = 12
FLAPS = 200
TIME_WAIT = "06"
WORKS = 20
"""Flaps after which something is delivered in between."""


@pytest.fixture(params=["pull", "tunnel"])
async def linked(
    apis: dict[str, FakeApi], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Linked]:
    issuing(monkeypatch)
    async with opened(apis, tmp_path, request.param) as made:
        yield made


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
    monkeypatch.setattr(dialling, "FIRST_MOST", 0.0)
    monkeypatch.setattr(dialling, "LATER_MOST", 0.1)


@pytest.mark.parametrize("kind", TROUBLES)
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
    ports = linked.port, wire.port
    tasks, files, ends = _tasks(), _open_files(), _sockets(*ports)
    for flap in range(1, FLAPS + 1):
        await eventually(lambda: (s := hub.ends.listener.session("a")) is not None and s.connections)
        session = hub.ends.listener.session("a")
        assert session is not None
        if flap % WORKS == 0:
            await linked.deploy("app", configmap("one", v=str(flap)))
            await linked.data_becomes("a", "one", v=str(flap))
        wire.cut()
        await asyncio.wait_for(session.wait_lost(), 5.0)
    await linked.deploy("app", configmap("one", v="in the end"))
    await linked.ready("app")
    await asyncio.sleep(1.5)  # what was closed in good order has a second to say so
    gc.collect()
    assert _tasks() <= tasks + 2
    assert _sockets(*ports) == ends
    assert _open_files() <= files + FLAPS // 10  # clients of API servers keep some connections, now and then one more


def _tasks() -> int:
    """But for those of servers, one or two a connection: connections are counted by their ends, and as open files."""
    return sum(
        1 for task in asyncio.all_tasks() if not str(task.get_coro()).startswith("<coroutine object RequestHandler")
    )


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _sockets(*ports: int) -> Counter[str]:
    """Of this machine, at any of these ports, by their state (see proc(5)); those that wait for their time to be over
    are the kernel's.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = [row for row in rows if {int(row[n].rpartition(":")[2], 16) for n in (1, 2)} & set(ports)]
    return Counter(row[3] for row in ours if row[3] != TIME_WAIT)
