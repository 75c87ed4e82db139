"""What the fault proxy promises, before a scripted server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import Expired, TooManyRequests, Unavailable, Unreachable
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.faultproxy import Answer, Cut, Delay, Expire, FaultProxy, Slow, Stall, to

EVENT = (
    b'{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1",'
    b'"metadata":{"name":"a","namespace":"b","resourceVersion":"%d"}}}\n'
)


class Server:
    """Answers what it was asked, and sends an event on its watches when it is told to."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes, str]] = []
        self.events: asyncio.Queue[bytes] = asyncio.Queue()
        self.url = ""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.raw_path, body, request.headers.get("Authorization", "")))
        if "watch" not in request.query:
            return web.Response(body=body or b"x" * 1000, headers={"X-Kept": "yes"}, content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(await self.events.get())


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Server, FaultProxy]]:
    server = Server()
    runner = web.ServerRunner(web.Server(server.serve, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with FaultProxy(Config(server=server.url, token="secret"), seed=1) as proxy:
            yield server, proxy
    finally:
        await runner.cleanup()


async def test_requests_and_answers_pass_unchanged_and_are_noted() -> None:
    async with served() as (server, proxy), aiohttp.ClientSession() as session:
        url = URL(f"{proxy.url}/api/v1/things/a%2Fb?x=1%202", encoded=True)
        async with session.post(url, data=b'{"a":1}', headers={"Authorization": "Bearer t"}) as answer:
            assert (answer.status, answer.headers["X-Kept"], await answer.read()) == (200, "yes", b'{"a":1}')
    assert server.seen == [("POST", "/api/v1/things/a%2Fb?x=1%202", b'{"a":1}', "Bearer t")]
    [noted] = proxy.asked("POST", "things")
    assert (noted.method, noted.status, noted.watch, noted.sent) == ("POST", 200, False, 7)


async def test_its_configuration_carries_the_credentials() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        await client.text("/version")
    assert server.seen[0][3] == "Bearer secret"


async def test_events_of_a_watch_come_one_by_one() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        events = client.watch(CONFIGMAPS, "1", "b")
        for number in (2, 3):
            server.events.put_nowait(EVENT % number)
            assert (await asyncio.wait_for(anext(events), 2)).object.resource_version == str(number)
        await events.aclose()
        assert [e.watch for e in proxy.requests] == [True]


async def test_an_answer_of_its_own_for_those_that_match_and_as_often_as_said() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        overload = proxy.on(to("GET", "/busy$"), Answer(429, retry_after=7), times=2)
        for _ in range(2):
            with pytest.raises(TooManyRequests) as caught:
                await client.text("/busy")
            assert caught.value.retry_after == 7
        await client.text("/busy")
        await client.text("/other")
        assert overload.met == 2
        assert [e.status for e in proxy.asked("GET")] == [429, 429, 200, 200]
        assert len(server.seen) == 2
        proxy.on(to(), Answer(503))
        with pytest.raises(Unavailable):
            await client.text("/other")


async def test_a_watch_that_is_too_old() -> None:
    async with served() as (_, proxy), Client(proxy.config) as client:
        proxy.on(to(watch=True), Expire())
        with pytest.raises(Expired):
            await anext(client.watch(CONFIGMAPS, "1", "b"))


async def test_cut_before_the_server_sees_it_and_in_the_middle_of_the_body() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        rule = proxy.on(to("GET"), Cut())
        with pytest.raises(Unreachable):
            await client.text("/a")
        assert not server.seen
        assert proxy.requests[0].status == 0
        rule.end()
        proxy.on(to("GET"), Cut(after=10))
        with pytest.raises(Unreachable):
            await client.text("/a")
        assert server.seen
        assert proxy.requests[-1].sent == 10


async def test_running_requests_can_be_cut() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        events = client.watch(CONFIGMAPS, "1", "b")
        server.events.put_nowait(EVENT % 2)
        await anext(events)
        assert proxy.cut(to(watch=True)) == 1
        with pytest.raises(Unreachable):
            await anext(events)


async def test_late_and_slow_answers() -> None:
    async with served() as (_, proxy), Client(proxy.config) as client:
        late = proxy.on(to(), Delay(0.2))
        began = time.monotonic()
        await client.text("/a")
        assert time.monotonic() - began >= 0.2
        late.end()
        proxy.on(to(), Slow(5000))  # of 1000 bytes
        began = time.monotonic()
        assert len(await client.text("/a")) == 1000
        assert time.monotonic() - began >= 0.18


async def test_a_watch_that_stands_still_goes_on_where_it_was() -> None:
    async with served() as (server, proxy), Client(proxy.config) as client:
        events = client.watch(CONFIGMAPS, "1", "b")
        server.events.put_nowait(EVENT % 2)
        await anext(events)
        stall = proxy.on(to(watch=True), Stall())
        waiting = asyncio.ensure_future(anext(events))
        server.events.put_nowait(EVENT % 3)
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await client.text("/others-are-not-held-up")
        stall.end()
        assert (await asyncio.wait_for(waiting, 2)).object.resource_version == "3"
        await events.aclose()


async def test_a_black_hole_swallows_everything_while_it_lasts() -> None:
    async with served() as (server, proxy), Client(proxy.config, timeout=0.2) as client:
        hole = proxy.blackhole()
        with pytest.raises(Unreachable):
            await client.text("/a")
        assert not server.seen
        hole.end()
        await client.text("/a")


async def test_the_same_seed_gives_the_same_chances() -> None:
    async def outcome() -> list[int]:
        async with served() as (_, proxy), aiohttp.ClientSession() as session:
            proxy.on(to(), Answer(500), chance=0.5)
            for _ in range(20):
                async with session.get(f"{proxy.url}/a"):
                    pass
            return [exchange.status for exchange in proxy.requests]

    first = await outcome()
    assert set(first) == {200, 500}
    assert await outcome() == first
