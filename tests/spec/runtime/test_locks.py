"""Locks of older programs: a record in an annotation, byte for byte as client-go's resourcelock writes it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.lease import LeaderElection
from atoll.runtime.locks import ANNOTATION, CONFIGMAP, ENDPOINT
from atoll.testing.fakeapi import FakeApi
from tests.spec.runtime.conftest import until

TIMES = {"duration": 0.6, "renew": 0.4, "retry": 0.05}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        yield client


async def held(client: Client) -> Json:
    record: Json = json.loads((await client.get(CONFIGMAPS, "lock", "default")).annotations[ANNOTATION])
    return record


def candidate(client: Client, name: str) -> LeaderElection:
    return LeaderElection(client, "lock", "default", name, **TIMES, lock=CONFIGMAP)


async def test_a_config_map_is_held_as_client_go_holds_it(client: Client) -> None:
    leading = asyncio.Event()

    async def lead() -> None:
        leading.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(candidate(client, "a").run(lead))
    await asyncio.wait_for(leading.wait(), 5)
    record = await held(client)
    assert list(record) == [
        "holderIdentity",
        "leaseDurationSeconds",
        "acquireTime",
        "renewTime",
        "leaderTransitions",
    ]
    assert record["holderIdentity"] == "a"
    assert record["leaderTransitions"] == 0
    assert len(record["renewTime"]) == len("2026-01-01T00:00:00Z")
    task.cancel()
    await asyncio.wait([task])
    assert (await held(client))["holderIdentity"] == ""


async def test_a_lock_that_another_program_renews_is_not_taken_and_one_that_it_left_is(client: Client) -> None:
    def body(renewed: str) -> Json:
        record = {
            "holderIdentity": "host_1",
            "leaseDurationSeconds": 1,
            "acquireTime": "2026-01-01T00:00:00Z",
            "renewTime": renewed,
            "leaderTransitions": 3,
        }
        return {"metadata": {"name": "lock", "namespace": "default", "annotations": {ANNOTATION: json.dumps(record)}}}

    await client.create(CONFIGMAPS, body("2026-01-01T00:00:00Z"))
    led = asyncio.Event()

    async def lead() -> None:
        led.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(candidate(client, "a").run(lead))
    for second in range(1, 5):
        await asyncio.sleep(0.4)
        live = await client.get(CONFIGMAPS, "lock", "default")
        renewed = body(f"2026-01-01T00:00:{second:02}Z")["metadata"]["annotations"]
        await client.patch(CONFIGMAPS, "lock", "default", {"metadata": {"annotations": renewed}})
        assert not led.is_set(), live.annotations
    await until(led.is_set)
    assert (await held(client))["leaderTransitions"] == 4
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("note", [None, "", "nonsense", "[]"])
def test_what_is_no_record_is_none(note: str | None) -> None:
    annotations = {} if note is None else {ANNOTATION: note}
    assert ENDPOINT.read({"metadata": {"annotations": annotations}}) == {}


def test_what_else_is_noted_stays() -> None:
    record = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.123456Z",
        "renewTime": "2026-01-01T00:00:07Z",
        "leaseTransitions": 2,
    }
    written = CONFIGMAP.written({"metadata": {"name": "x", "annotations": {"a": "b"}}}, record)
    assert written["metadata"]["annotations"] == {
        "a": "b",
        ANNOTATION: '{"holderIdentity":"a","leaseDurationSeconds":15,"acquireTime":"2026-01-01T00:00:00Z",'
        '"renewTime":"2026-01-01T00:00:07Z","leaderTransitions":2}',
    }
    assert CONFIGMAP.read(written)["leaseTransitions"] == 2
