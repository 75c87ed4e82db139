"""What is counted where not everything may be read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from atoll.api.cluster import Resources
from atoll.fleet.capacity import Capacity, CapacityCount
from atoll.fleet.identity import HubIdentity
from atoll.fleet.member import Member
from atoll.kube.client import Client
from atoll.kube.resources import NODES
from atoll.runtime.watchset import WatchSet
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from tests.delivering import eventually


@asynccontextmanager
async def counting(api: FakeApi, *namespaces: str) -> AsyncIterator[list[Capacity]]:
    told: list[Capacity] = []
    async with Client(api.config) as client:
        allocatable = {"cpu": "4", "memory": "1Gi", "pods": "10"}
        status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
        await client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": status})
        await client.patch(NODES, "n", "", {"status": status}, subresource="status")
        async with WatchSet(client, "", lambda _: None, namespaces=namespaces) as watches:
            count = CapacityCount(lambda _, capacity: told.append(capacity))
            task = asyncio.create_task(count.engage(Member("m", "u", "v1", client, HubIdentity("hub"), watches)))
            try:
                yield told
            finally:
                task.cancel()
                await asyncio.wait([task])


@pytest.mark.parametrize("namespaces", [(), ("a",)])
async def test_nodes_are_counted_where_pods_are_forbidden(namespaces: tuple[str, ...]) -> None:
    async with FakeApi() as api:
        api.faults.rules.append(Rule(Refuse(403, "Forbidden"), plural="pods"))
        async with counting(api, *namespaces) as told:
            await eventually(lambda: told)
            assert told == [Capacity(1, 1, (), (), Resources(4.0, 1 << 30, 10), None)]


async def test_nothing_is_told_where_nodes_are_forbidden() -> None:
    async with FakeApi() as api:
        api.faults.rules.append(Rule(Refuse(403, "Forbidden"), plural="nodes", verb="list"))
        async with counting(api) as told:
            await asyncio.sleep(0.5)
            assert told == []


async def test_without_leave_for_all_namespaces_pods_are_not_even_asked_for() -> None:
    async with FakeApi() as api, counting(api, "a") as told:
        await eventually(lambda: told)
        assert told[0].requested is None
        assert api.requests["list"] == 1
