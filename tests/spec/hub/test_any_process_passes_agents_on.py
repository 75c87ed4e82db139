"""A process that does not lead joins agents with the one that does, byte for byte, and makes room when it leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from atoll.api.names import HUB_CONFIGMAP, SYSTEM_NAMESPACE
from atoll.fleet.register import KEY_LEADER
from atoll.hub.agents import relay as module
from atoll.hub.agents.relay import Relay, own_address
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, FakeCluster
from atoll.testing.localfleet.ports import choose


class Standby:
    """One that stands by, and a leader that answers what it got when that has ended."""

    def __init__(self, client: Client, relay: Relay, port: int, leader: str) -> None:
        self.client, self.relay, self.port, self.leader = client, relay, port, leader

    async def leads(self, address: str) -> None:
        metadata = {"name": HUB_CONFIGMAP, "namespace": SYSTEM_NAMESPACE}
        body = {"metadata": metadata, "data": {KEY_LEADER: address}}
        await self.client.apply(
            CONFIGMAPS, body, name=HUB_CONFIGMAP, namespace=SYSTEM_NAMESPACE, manager="test", force=True
        )

    async def talk(self, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read() + b" heard")
    await writer.drain()
    writer.close()


@pytest.fixture
async def standby(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Standby]:
    monkeypatch.setattr(module, "REMEMBER", 0.0)
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(FakeApi(FakeCluster(1)))
        client = await stack.enter_async_context(Client(api.config))
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        stack.callback(server.close)
        port = choose(set())
        relay = Relay(client, f"127.0.0.1:{port}", f"127.0.0.1:{port}")
        await stack.enter_async_context(relay.standing())
        yield Standby(client, relay, port, f"127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_what_is_said_arrives_at_the_leader_and_back_one_direction_after_the_other(standby: Standby) -> None:
    await standby.leads(standby.leader)
    data = bytes(range(256)) * 4000
    assert await standby.talk(data) == data + b" heard"


@pytest.mark.parametrize("leader", ["nobody", "itself", "one that is gone"])
async def test_where_nobody_leads_the_connection_is_broken_off_at_once(standby: Standby, leader: str) -> None:
    if leader != "nobody":
        await standby.leads(f"127.0.0.1:{standby.port if leader == 'itself' else choose({standby.port})}")
    with pytest.raises(ConnectionError):
        await standby.talk(b"hello")


async def test_aside_its_port_is_free_and_what_it_joined_is_over(standby: Standby) -> None:
    await standby.leads(standby.leader)
    reader, writer = await asyncio.open_connection("127.0.0.1", standby.port)
    writer.write(b"half a")
    await writer.drain()
    await standby.talk(b"so that the first has been joined")
    async with standby.relay.aside():
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        own = await asyncio.start_server(_answer, "127.0.0.1", standby.port)
        assert await standby.talk(b"hello") == b"hello heard"
        own.close()
        await own.wait_closed()
    assert await standby.talk(b"again") == b"again heard"
    writer.close()


async def test_where_it_is_found(standby: Standby) -> None:
    assert await own_address("https://127.0.0.1:6443", "10.0.0.7:8443") == "10.0.0.7:8443"
    assert await own_address("https://127.0.0.1:6443", ":8443") == "127.0.0.1:8443"  # by which it reaches that server
