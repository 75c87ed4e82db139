"""Which kinds a member serves is asked again where it couldn't be told, and not where it was."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.api.objects import GroupKind
from atoll.fleet import served
from atoll.fleet.identity import HubIdentity
from atoll.fleet.member import Member
from atoll.fleet.served import ServedKinds
from atoll.kube.client import Client
from atoll.kube.discovery import Discovery
from atoll.kube.errors import KubeError, TooManyRequests, Unreachable
from atoll.kube.objects import Resource
from atoll.runtime.watchset import WatchSet
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually

Told = list[frozenset[GroupKind]]
DEPLOYMENT = GroupKind("apps", "Deployment")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "QUIET", 0.0)
    monkeypatch.setattr(served, "AGAIN_FIRST", 0.01)


@asynccontextmanager
async def serving(api: FakeApi) -> AsyncIterator[Told]:
    """With rights in one namespace: no definition that comes tells that it is time to ask again."""
    told: Told = []
    async with Client(api.config) as client, WatchSet(client, "", lambda _: None, namespaces=("a",)) as watches:
        aware = ServedKinds(lambda _, kinds: told.append(kinds))
        task = asyncio.create_task(aware.engage(Member("m", "u", "v1", client, HubIdentity("hub"), watches)))
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_member_that_refused_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    refusals: list[KubeError] = [TooManyRequests(429), Unreachable("Reset", "")]
    tell = Discovery.all

    async def busy(discovery: Discovery) -> tuple[Resource, ...]:
        nonlocal asked
        asked += 1
        if refusals:
            raise refusals.pop()
        return await tell(discovery)

    monkeypatch.setattr(Discovery, "all", busy)
    async with FakeApi() as api, serving(api) as told:
        await eventually(lambda: told)
        assert DEPLOYMENT in told[0]
        await asyncio.sleep(0.05)
    assert asked == 3


async def test_an_aggregated_api_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    away = [frozenset({"metrics.k8s.io"})] * 2
    monkeypatch.setattr(Discovery, "stale_groups", property(lambda _: away.pop() if away else frozenset()))
    async with FakeApi() as api, serving(api) as told:
        await eventually(lambda: told)
        assert not away
