"""Whoever writes an Application chooses what the hub asks; so it asks few addresses, follows nothing, reads little."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from atoll.api.objects import Key
from atoll.api.rollout import Check, HttpCheck, PrometheusCheck, Rollout
from atoll.api.rollout import Gates as GatesWish
from atoll.hub.gates import MOST_BYTES, Gates, ask, permitted, samples
from atoll.plan.progress import Answer
from tests.delivering import eventually

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "0.0.0.0",  # refused
        "::",
        "224.0.0.1",
        "ff02::1",
        "240.0.0.1",
        "255.255.255.255",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "2002:7f00:1::",
    ],
)
def test_special_addresses_are_refused(address: str) -> None:
    assert not permitted(ipaddress.ip_address(address), ())


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "203.0.114.1", "2a00:1450::1", "fd12:3456::1"])
def test_ordinary_ones_are_asked(address: str) -> None:
    assert permitted(ipaddress.ip_address(address), ())


def test_what_the_hubs_options_name_is_asked() -> None:
    assert permitted(ipaddress.ip_address("127.0.0.1"), LOOPBACK)
    assert not permitted(ipaddress.ip_address("169.254.169.254"), LOOPBACK)


@asynccontextmanager
async def serving(answer: Any) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server on loopback; its address, and what it was asked."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        response: web.StreamResponse = answer(request)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def http(url: str, **wish: Any) -> Check:
    return Check(http=HttpCheck(url, **wish))


async def test_an_answer_as_expected_passes() -> None:
    async with serving(lambda _: web.Response(text="all well")) as (url, _):
        assert (await ask(http(f"{url}/ready", contains="well"), LOOPBACK)).passed
        assert (await ask(http(url, contains="ill"), LOOPBACK)).message == "the answer does not contain 'ill'"
        assert (await ask(http(url, status=204), LOOPBACK)).message == "status 200 instead of 204"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127。0。0。1", "①②⑦.0.0.1", "[::ffff:127.0.0.1]", "[::1%25lo]"],
)
async def test_loopback_is_not_asked_however_it_is_written(host: str) -> None:
    async with serving(lambda _: web.Response(text="secret")) as (url, asked):
        answer = await ask(http(f"http://{host}:{url.rpartition(':')[2]}/"), ())
    assert not answer.passed
    assert "may not ask" in answer.message or "not a canonical" in answer.message
    assert asked == []


async def test_a_redirect_is_not_followed() -> None:
    def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"} if request.path == "/" else {})

    async with serving(answer) as (url, asked):
        found = await ask(http(f"{url}/"), LOOPBACK)
    assert found.message == "status 302 instead of 200"
    assert [request.path for request in asked] == ["/"]


async def test_nothing_of_the_hubs_is_sent_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(lambda _: web.Response()) as (url, asked):
        assert (await ask(http(url), LOOPBACK)).passed
    assert not {"Authorization", "Cookie"} & asked[0].headers.keys()


async def test_of_a_long_answer_the_beginning_counts() -> None:
    async with serving(lambda _: web.Response(body=b"x" * (4 * MOST_BYTES) + b"end")) as (url, _):
        assert (await ask(http(url), LOOPBACK)).passed
        assert not (await ask(http(url, contains="end"), LOOPBACK)).passed


async def test_a_check_is_asked_until_it_passes_and_no_longer() -> None:
    key = Key("demo", "shop")
    woken: list[Key] = []
    answers = iter([500, 500, 200])
    async with serving(lambda _: web.Response(status=next(answers))) as (url, asked):
        check = Check(http=HttpCheck(url), every="1s")
        rollout = Rollout(gates=GatesWish(check=check))
        gates = Gates(woken.append, LOOPBACK)
        gates.want(key, "uid", 9, "all", rollout)
        gates.want(key, "uid", 9, "all", rollout)
        await eventually(lambda: gates.answers("uid", 9).get("all") == Answer(passed=True))
        gates.want(key, "uid", 9, "all", rollout)
    assert woken == [key, key], "once for a first no, once for the yes"
    assert len(asked) == 3
    assert gates.answers("uid", 10) == {}


async def test_a_check_that_nobody_waits_for_is_asked_no_more() -> None:
    async with serving(lambda _: web.Response(status=500)) as (url, asked):
        rollout = Rollout(gates=GatesWish(check=Check(http=HttpCheck(url), every="1s")))
        gates = Gates(lambda _: None, LOOPBACK)
        gates.want(Key("demo", "shop"), "uid", 9, "all", rollout)
        await eventually(lambda: len(asked) == 1)
        gates.want(Key("demo", "shop"), "uid", 9, "", rollout)
        await asyncio.sleep(1.2)
        assert len(asked) == 1
        gates.forget("uid")
        assert gates.answers("uid", 9) == {}


async def test_a_check_that_is_put_right_is_asked_as_it_is_now() -> None:
    """A user who mends a mistyped address doesn't change what is rolled out: the old one was asked for ever."""
    key = Key("demo", "shop")
    async with serving(lambda request: web.Response(status=200 if request.path == "/right" else 500)) as (url, asked):

        def want(path: str) -> None:
            check = Check(http=HttpCheck(f"{url}{path}"), every="1h")
            gates.want(key, "uid", 9, "all", Rollout(gates=GatesWish(check=check)))

        gates = Gates(lambda _: None, LOOPBACK)
        want("/wrong")
        await eventually(lambda: "all" in gates.answers("uid", 9))
        want("/right")
        await eventually(lambda: gates.answers("uid", 9)["all"].passed)
        assert [request.path for request in asked] == ["/wrong", "/right"]


VECTOR = '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"0.5"]}]}}'
SCALAR = '{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}'


def test_values_of_an_instant_query() -> None:
    assert samples(VECTOR.encode()) == [0.5]
    assert samples(SCALAR.encode()) == [7.0]
    assert samples(b'{"status":"success","data":{"resultType":"vector","result":[]}}') == []
    with pytest.raises(ValueError, match="not an answer of Prometheus"):
        samples(b"<html>")


@pytest.mark.parametrize(
    ("text", "bounds", "message"),
    [
        (VECTOR, {"max": 1.0}, ""),
        (VECTOR, {"max": 0.4}, "a value is above 0.4"),
        (VECTOR, {"min": 0.6}, "a value is below 0.6"),
        (VECTOR.replace("0.5", "NaN"), {"max": 1.0}, "a value is above 1"),
        (VECTOR.replace('{"metric":{},"value":[1,"0.5"]}', ""), {"max": 1.0}, "the query has no value"),
    ],
)
async def test_every_value_must_be_within_bounds(text: str, bounds: dict[str, float], message: str) -> None:
    async with serving(lambda _: web.Response(text=text)) as (url, asked):
        answer = await ask(Check(prometheus=PrometheusCheck(url, "up == 1", **bounds)), LOOPBACK)
    assert (answer.passed, answer.message) == (not message, message)
    assert asked[0].query["query"] == "up == 1"
