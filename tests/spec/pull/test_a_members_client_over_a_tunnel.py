"""What the hub's client of a member behind a tunnel lives on: a token that the agent renews, a link that may go."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from atoll.agent import tunnel
from atoll.fleet import credentials
from atoll.fleet.credentials import Token
from atoll.fleet.leave import leave
from atoll.fleet.link import Link
from atoll.hub.agents import tunnels
from atoll.kube.client import Client
from atoll.kube.errors import NotFound, Unreachable
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS
from atoll.link import dialling
from atoll.link.session import Lost
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from atoll.testing.fakeapi.faults import Delay, Rule
from tests.delivering import eventually

from .conftest import NAMESPACE, configmap
from .linked import issuing, opened


async def test_at_half_the_life_of_a_token_the_connection_that_is_there_goes_on_with_another(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "AGAIN", 0.05)
    issued = issuing(monkeypatch, life=0.4)
    async with opened(apis, tmp_path, "tunnel") as linked:
        await linked.deploy("app", configmap("one", v="1"))
        await linked.ready("app")
        hub = linked.side.hub
        assert hub is not None
        link = hub._fleet.link("a")
        assert isinstance(link, Link)
        member, seen = link.member, set()

        def renewed() -> bool:
            assert link.member is member
            seen.add(link.target.config.token)
            return len(seen) >= 3

        await eventually(renewed)
        assert seen <= set(issued)
        assert hub._fleet.link("a") is link


async def test_an_account_that_somebody_took_away_is_made_anew(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "AGAIN", 0.05)
    issuing(monkeypatch)
    issue, placed = credentials.issue, Counter[str]()

    async def from_account(member: Client, hub: str) -> Token:
        if placed[member.config.server] < 2:
            raise NotFound(404, "NotFound", "there is no such account any more")
        return await issue(member, hub)

    async def place(member: Client, *_: object) -> None:
        placed[member.config.server] += 1

    monkeypatch.setattr(credentials, "issue", from_account)
    monkeypatch.setattr(tunnel, "place", place)
    async with opened(apis, tmp_path, "tunnel") as linked:
        for cluster in ("a", "b"):
            await linked.reachable(cluster, "True")
        await linked.deploy("app", configmap("one", v="1"))
        await linked.ready("app")
    assert list(placed.values()) == [2, 2]


async def test_a_link_that_goes_in_the_middle_of_a_request_is_a_connection_that_broke(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuing(monkeypatch)
    async with opened(apis, tmp_path, "tunnel") as linked:
        hub = linked.side.hub
        assert hub is not None
        await linked.reachable("a", "True")
        link = hub._fleet.link("a")
        assert link is not None
        assert link.member is not None
        apis["a"].faults.rules.append(Rule(Delay(60.0), 1.0, verb="list", plural="configmaps"))
        before = apis["a"].requests["list"]
        asking = asyncio.create_task(link.member.client.list(CONFIGMAPS))
        await eventually(lambda: apis["a"].requests["list"] > before)
        hub.ends.listener.close("a", Lost("Closed", "the wire was cut"))
        with pytest.raises(Unreachable):
            await asking


async def test_a_hub_that_starts_anew_waits_for_its_agents_before_it_calls_them_away(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "PATIENCE", 2.0)
    monkeypatch.setattr(dialling, "FIRST_MOST", 0.1)
    monkeypatch.setattr(dialling, "LATER_MOST", 0.2)
    issuing(monkeypatch)
    async with opened(apis, tmp_path, "tunnel") as linked:
        await linked.deploy("app", configmap("one", v="1"))
        await linked.ready("app")
        before = (await linked.hub.get(APPLICATIONS, "app", NAMESPACE)).resource_version
        await linked.stop_hub()
        await cancel_and_wait(linked.working.pop("b"))
        await linked.start_hub()
        hub = linked.side.hub
        assert hub is not None
        await eventually(lambda: hub._fleet.member("a"))
        assert (await linked.reachable("b", "False"))["reason"] == "AgentAway"
        assert (await linked.hub.get(APPLICATIONS, "app", NAMESPACE)).resource_version == before


@pytest.mark.parametrize("mode", ["tunnel", "pull"])
async def test_who_leaves_before_a_hub_that_starts_anew_has_seen_it_is_let_go_of_as_it_is_seen(
    apis: dict[str, FakeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The hub plans without it at once, and writes that down: only the member itself tells what is there."""
    issuing(monkeypatch)
    async with opened(apis, tmp_path, mode) as linked:
        await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
        await linked.ready("app")
        await linked.stop_hub()
        apis["b"].faults.rules.append(Rule(Delay(1.0), 1.0, verb="list", plural="configmaps"))  # it is seen late
        leaving = asyncio.create_task(leave(linked.hub, "b", timeout=30))
        await linked.start_hub()

        async def planned_without() -> bool:
            return [row["name"] for row in (await linked.status("app")).get("clusters", ())] == ["a"]

        await eventually(planned_without, 20)
        await leaving
        found = await linked.find("b", CONFIGMAPS, "one")
        assert found is not None
        assert not found["metadata"].get("labels")
