"""Informers of a real API server, through a proxy that breaks connections."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.runtime.changes import Change
from atoll.runtime.informer import Informer
from atoll.runtime.ratelimit import Backoff
from atoll.testing.faultproxy import Cut, Expire, FaultProxy, to
from tests.fleet.conftest import Fleet

State = str | None


class Room:
    """A namespace of a real member, and an informer of it that sees everything through the proxy."""

    def __init__(self, name: str, writer: Client, reader: Client, proxy: FaultProxy) -> None:
        self.name, self.writer, self.reader, self.proxy = name, writer, reader, proxy
        self.told: dict[str, list[State]] = defaultdict(lambda: [None])

    async def put(self, name: str, x: str, app: str = "ours") -> None:
        metadata = {"name": name, "namespace": self.name, "labels": {"app": app}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": x}}
        await self.writer.apply(CONFIGMAPS, body, name=name, namespace=self.name, manager="test", force=True)

    async def delete(self, name: str) -> bool:
        try:
            await self.writer.delete(CONFIGMAPS, name, self.name)
        except NotFound:
            return False
        return True

    async def truth(self) -> dict[str, str]:
        found = await self.writer.list(CONFIGMAPS, self.name, labels="app=ours")
        return {o.name: x_of(o) for o in found.items}

    @asynccontextmanager
    async def informer(self, *, watch_timeout: int = 300) -> AsyncIterator[Informer[str]]:
        informer: Informer[str] = Informer(
            self.reader,
            CONFIGMAPS,
            namespace=self.name,
            labels="app=ours",
            transform=x_of,
            page=5,
            watch_timeout=watch_timeout,
            backoff=Backoff(0.01, 0.1),
        )
        informer.subscribe(self.hear)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()
            await asyncio.wait([task])

    def hear(self, change: Change[str]) -> None:
        assert change.old == self.told[change.id.name][-1]
        self.told[change.id.name].append(change.new)


def x_of(found: Object) -> str:
    return str(found.body()["data"]["x"])


def copy_of(informer: Informer[str]) -> dict[str, str]:
    return {identity.name: x for identity, x in informer.items()}


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  any condition can be waited for
            await asyncio.sleep(0.01)


@pytest.fixture
async def room(fleet: Fleet, namespace: str) -> AsyncIterator[Room]:
    member = fleet.members[0]
    async with (
        FaultProxy(load_kubeconfig(fleet.kubeconfig, member)) as proxy,
        Client(proxy.config) as reader,
        fleet.client(member) as writer,
    ):
        await writer.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        yield Room(namespace, writer, reader, proxy)
        await writer.delete(NAMESPACES, namespace)


async def test_a_storm_of_writes_is_told_in_order_and_ends_in_the_truth(room: Room) -> None:
    """Connections break, and versions are forgotten, in the middle of it."""
    chance = random.Random(7)
    happened: dict[str, list[State]] = defaultdict(lambda: [None])
    number = 0

    async def write(name: str) -> None:
        """One writer a name, so that what happened to it is known in its order."""
        nonlocal number
        for _ in range(25):
            number += 1
            x, action = str(number), chance.random()
            if action < 0.2:
                if await room.delete(name):
                    happened[name].append(None)
            else:
                app = "ours" if action < 0.8 else "theirs"
                await room.put(name, x, app)
                happened[name].append(x if app == "ours" else None)

    async with room.informer(watch_timeout=2) as informer, asyncio.TaskGroup() as scope:
        writers = [scope.create_task(write(f"m{index}")) for index in range(8)]
        room.proxy.on(to(watch=True), Expire(), chance=0.2)
        room.proxy.on(to(watch=True), Cut(after=3000), chance=0.3)
        while not all(writer.done() for writer in writers):
            await asyncio.sleep(0.05)
            room.proxy.cut(to(watch=True))
        truth = await room.truth()
        await until(lambda: copy_of(informer) == truth)
        assert informer.restarts > 2
    for name, told in room.told.items():
        rest = iter(happened[name])
        assert all(any(state == found for found in rest) for state in told), (name, told, happened[name])


async def test_a_broken_watch_resumes_without_a_list_and_tells_nothing_twice(room: Room) -> None:
    await room.put("a", "1")
    async with room.informer() as informer:
        await informer.wait_synced()
        for number in range(2, 6):
            await until(lambda: any(exchange.watch for exchange in room.proxy.under_way))
            room.proxy.cut(to(watch=True))
            await room.put("a", str(number))
            await until(lambda number=number: copy_of(informer) == {"a": str(number)})  # type: ignore[misc]
        assert room.told["a"] == [None, "1", "2", "3", "4", "5"]
        assert len(room.proxy.asked("GET", "configmaps", watch=False)) == 1


async def test_an_object_that_leaves_the_selector_is_gone_and_returns_as_new(room: Room) -> None:
    await room.put("a", "1")
    async with room.informer() as informer:
        await informer.wait_synced()
        await until(lambda: any(exchange.watch for exchange in room.proxy.under_way))
        await room.put("a", "2", "theirs")
        await room.put("a", "3", "ours")
        await until(lambda: copy_of(informer) == {"a": "3"})
        assert room.told["a"] == [None, "1", None, "3"]


async def test_a_version_that_the_server_has_forgotten_leads_to_a_new_list(room: Room) -> None:
    await room.put("gone", "1")
    async with room.informer() as informer:
        await informer.wait_synced()
        await until(lambda: any(exchange.watch for exchange in room.proxy.under_way))
        informer._mirror.version = "1"
        room.proxy.cut(to(watch=True))
        await room.delete("gone")
        await room.put("new", "2")
        await until(lambda: copy_of(informer) == {"new": "2"})
        assert room.told["gone"] == [None, "1", None]
        assert len({exchange.query for exchange in room.proxy.asked("GET", "configmaps", watch=False)}) >= 1


async def test_watches_that_the_server_ends_are_opened_again_unnoticed(room: Room) -> None:
    await room.put("a", "1")
    async with room.informer(watch_timeout=1) as informer:
        await informer.wait_synced()
        await asyncio.sleep(2.5)
        await room.put("a", "2")
        await until(lambda: copy_of(informer) == {"a": "2"})
        assert informer.restarts == 0
        assert len(room.proxy.asked("GET", "configmaps", watch=True)) >= 3
        assert len(room.proxy.asked("GET", "configmaps", watch=False)) == 1


async def test_names_taken_again_are_other_objects(room: Room) -> None:
    await room.put("a", "1")
    async with room.informer() as informer:
        await informer.wait_synced()
        await until(lambda: any(exchange.watch for exchange in room.proxy.under_way))
        informer._mirror.version = "1"
        room.proxy.cut(to(watch=True))
        await room.delete("a")
        await room.put("a", "1")
        await until(lambda: room.told["a"] == [None, "1", None, "1"])
