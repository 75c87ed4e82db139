"""A closer look costs the member something: only while it is needed, only so many at once, everyone in turn."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import pytest

from atoll.api.objects import ObjectId
from atoll.kube.client import Client
from atoll.kube.objects import Object, Resource, of_body
from atoll.observe import probe
from atoll.observe.probe import Asking, Probes
from atoll.runtime.changes import Change

from .bodies import deployment, live, pod, waiting


class Informer:
    """A stand-in that follows nothing until a test tells it."""

    running: ClassVar[list["Informer"]] = []

    def __init__(self, _: Client, resource: Resource, *, transform: Callable[[Object], Any], **where: str) -> None:
        self.resource, self.where, self.transform = resource, where, transform
        self.found: dict[ObjectId, Any] = {}
        self.handlers: list[Callable[[Change[Any]], None]] = []
        self.synced = True

    def subscribe(self, handler: Callable[[Change[Any]], None]) -> None:
        self.handlers.append(handler)

    def values(self) -> list[Any]:
        return list(self.found.values())

    def see(self, body: Any) -> None:
        seen = of_body(body)
        old, self.found[seen.id] = self.found.get(seen.id), self.transform(seen)
        for handler in self.handlers:
            handler(Change(seen.id, old, self.found[seen.id]))

    async def run(self) -> None:
        self.running.append(self)
        try:
            await asyncio.Event().wait()
        finally:
            self.running.remove(self)

    @classmethod
    def of(cls, kind: str) -> list["Informer"]:
        return [i for i in cls.running if i.resource.kind == kind]


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    Informer.running = []
    monkeypatch.setattr(probe, "Informer", Informer)
    monkeypatch.setattr(probe, "MOMENT", 0.05)


def asking(name: str, namespace: str = "shop") -> Asking:
    return Asking("uid", ObjectId("apps", "Deployment", namespace, name))


def body(name: str) -> dict[str, Any]:
    return deployment(spec={"selector": {"matchLabels": {"app": name}}})


@asynccontextmanager
async def looking(changed: Callable[[Asking], None] = lambda _: None, at_once: int = 20) -> AsyncIterator[Probes]:
    probes = Probes(cast("Client", None), changed, at_once=at_once)
    task = asyncio.create_task(probes.run())
    await asyncio.sleep(0)
    yield probes
    task.cancel()
    await asyncio.wait([task])


async def test_what_is_well_within_a_moment_is_never_looked_at() -> None:
    async with looking() as probes:
        probes.want(asking("web"), body("web"), urgent=False)
        await asyncio.sleep(0.02)
        probes.drop(asking("web"))
        await asyncio.sleep(0.08)
        assert Informer.running == []


async def test_a_look_is_at_its_own_pods_and_ends_when_all_is_well() -> None:
    async with looking() as probes:
        probes.want(asking("web"), body("web"), urgent=False)
        await asyncio.sleep(0.1)
        (pods,), (events,) = Informer.of("Pod"), Informer.of("Event")
        assert (pods.where["namespace"], pods.where["labels"]) == ("shop", "app=web")
        assert (events.where["namespace"], events.where["fields"]) == ("shop", "type=Warning")
        probes.drop(asking("web"))
        await asyncio.sleep(0.01)
        assert Informer.running == []


async def test_what_is_degraded_is_looked_at_immediately() -> None:
    async with looking() as probes:
        probes.want(asking("web"), body("web"), urgent=True)
        await asyncio.sleep(0.01)
        assert probes.running == 1


async def test_one_namespace_has_its_warnings_watched_once() -> None:
    async with looking() as probes:
        for name in ("a", "b", "c"):
            probes.want(asking(name), body(name), urgent=True)
        await asyncio.sleep(0.01)
        assert (len(Informer.of("Pod")), len(Informer.of("Event"))) == (3, 1)
        probes.drop(asking("a"))
        await asyncio.sleep(0.01)
        assert len(Informer.of("Event")) == 1


async def test_what_has_no_pods_has_its_warnings() -> None:
    about = Asking("uid", ObjectId("", "PersistentVolumeClaim", "shop", "data"))
    async with looking() as probes:
        probes.want(about, live("v1", "PersistentVolumeClaim"), urgent=True)
        await asyncio.sleep(0.01)
        assert Informer.of("Pod") == []
        (events,) = Informer.of("Event")
        events.see(
            live("v1", "Event", name="e1", namespace="shop")
            | {"involvedObject": {"kind": "PersistentVolumeClaim", "name": "data"}, "reason": "ProvisioningFailed"}
        )
        assert [e.reason for e in probes.seen(about).events] == ["ProvisioningFailed"]


async def test_what_is_new_is_told_and_survives_the_end_of_a_turn() -> None:
    told: list[Asking] = []
    async with looking(told.append) as probes:
        probes.want(asking("web"), body("web"), urgent=True)
        await asyncio.sleep(0.01)
        Informer.of("Pod")[0].see(pod("Pending", containerStatuses=[waiting("ErrImagePull", "x")]))
        assert told == [asking("web")]
        assert [p.troubles[0].reason for p in probes.seen(asking("web")).pods] == ["ErrImagePull"]


async def test_more_than_there_is_room_for_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TURN", 0.1)
    names = ["a", "b", "c", "d", "e"]
    looked: set[str] = set()
    async with looking(at_once=2) as probes:
        for name in names:
            probes.want(asking(name), body(name), urgent=True)
        for _ in range(60):
            await asyncio.sleep(0.01)
            now = [i.where["labels"] for i in Informer.of("Pod")]
            assert len(now) <= 2
            looked |= set(now)
        assert looked == {f"app={name}" for name in names}


async def test_nobody_gives_way_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TURN", 0.02)
    async with looking(at_once=2) as probes:
        probes.want(asking("a"), body("a"), urgent=True)
        probes.want(asking("b"), body("b"), urgent=True)
        await asyncio.sleep(0.01)
        before = list(Informer.running)
        await asyncio.sleep(0.1)
        assert before == Informer.running


async def test_another_selector_is_another_look() -> None:
    async with looking() as probes:
        probes.want(asking("web"), body("web"), urgent=True)
        await asyncio.sleep(0.01)
        probes.want(asking("web"), body("other"), urgent=True)
        await asyncio.sleep(0.01)
        assert [i.where["labels"] for i in Informer.of("Pod")] == ["app=other"]
