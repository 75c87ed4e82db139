"""The hub's token for a member behind a tunnel: the agent issues it, and another one in time."""

from collections import Counter
from pathlib import Path

import pytest

from atoll.agent import tunnel
from atoll.fleet import credentials
from atoll.fleet.credentials import Token
from atoll.fleet.link import Link
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually

from .conftest import configmap
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
        await linked.deploy("app", configmap("one", v="1"))
        await linked.ready("app")
    assert set(placed.values()) == {2}
