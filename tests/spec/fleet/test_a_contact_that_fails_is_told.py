"""A cluster whose first contact goes wrong is told as unreachable, whatever it was that went wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from atoll.fleet.fleet import Fleet
from atoll.fleet.identity import HubIdentity
from atoll.fleet.link import Link, Target
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually

HUB = HubIdentity("hub", 1)


def link(config: Config, connect: Callable[[Config], Client] = Client) -> Link:
    return Link(Target("m1", config, ""), HUB, (), lambda _: None, lambda name, _: name, connect)


@pytest.mark.parametrize("answer", [[], {}, {"metadata": {}}, {"metadata": {"uid": ""}}, "hello"])
async def test_an_identity_that_is_none(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeApi() as api:
        asked = Client.request

        async def request(client: Client, method: str, path: str, **how: Any) -> object:
            return answer if path.endswith("/kube-system") else await asked(client, method, path, **how)

        monkeypatch.setattr(Client, "request", request)
        reaching = link(api.config)
        task = asyncio.create_task(reaching.run())
        await eventually(lambda: reaching.reach.reachable is False)
        assert reaching.reach.reason == "NotKubernetes"
        task.cancel()
        await asyncio.wait([task])


async def test_a_mistake_of_our_own() -> None:
    def broken(_: Config) -> Client:
        raise RuntimeError("out of order")

    with capture_logs() as logs:
        async with Fleet(HUB, (), lambda _: None, lambda name, _: name, broken) as fleet:
            fleet.join(Target("m1", Config(server="http://a"), ""))
            await eventually(lambda: fleet.reach("m1").reachable is False)
            assert fleet.reach("m1").reason == "RuntimeError"
            await eventually(lambda: logs)
            fleet.leave("m1")
    assert any(line["event"] == "restarting" and line["log_level"] == "error" for line in logs)
