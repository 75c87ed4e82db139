"""Raw statuses go along with observations where somebody wants them: changes are told, and not too many of them."""

import asyncio
import time

import msgspec
import pytest

from atoll.api.objects import Json, Key
from atoll.api.observation import Observation
from atoll.observe import statuses
from atoll.pull.protocol import Report

from .bodies import deployment, live
from .test_collector_reports_changes import APP, CONFIG, WEB, Member1, soon

APART = 0.2


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> Member1:
    monkeypatch.setattr(statuses, "APART", APART)
    return Member1()


def want(member: Member1) -> None:
    member.collector.expect("m1", Key("shop", "shop"), APP, frozenset({WEB, CONFIG}), statuses=True)


def told(observation: Observation) -> dict[str, Json]:
    return {about.kind: msgspec.json.decode(raw) for about, raw in observation.statuses}


async def test_each_object_that_has_one_and_nothing_else_is_decoded(member: Member1) -> None:
    web = deployment()
    member.watches.put(web)
    member.watches.put(live("v1", "ConfigMap"))
    want(member)
    async with member.engaged():
        await soon()
        assert told(member.last) == {"Deployment": web["status"]}
        member.watches.put(live("v1", "ConfigMap", resourceVersion="9"))
        await asyncio.sleep(2 * APART)
        assert len(member.told) == 1


async def test_a_change_of_status_alone_is_told_in_its_time_the_last_of_many(member: Member1) -> None:
    member.watches.put(deployment())
    member.watches.put(live("v1", "ConfigMap"))
    want(member)
    async with member.engaged():
        await soon()
        began = time.monotonic()
        for number in range(20):
            web = deployment()
            web["status"]["theirs"] = number
            member.watches.put(web)
            await asyncio.sleep(0.01)
        while len(member.told) < 2 or told(member.last)["Deployment"]["theirs"] != 19:
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.01)
        assert len(member.told) <= 2 + (time.monotonic() - began) / APART
        assert {o.health for o in member.told} == {"Healthy"}


async def test_a_change_of_health_is_told_at_once(member: Member1) -> None:
    member.watches.put(deployment())
    member.watches.put(live("v1", "ConfigMap"))
    want(member)
    async with member.engaged():
        await soon()
        member.watches.remove(CONFIG)
        await soon()
        assert [o.health for o in member.told] == ["Healthy", "Missing"]


def test_they_travel_from_an_agent() -> None:
    raw = msgspec.Raw(b'{"phase":"Ready","n":12345678901234567890}')
    report = Report(1, observations=(Observation(Key("a", "b"), "u", "c", "Healthy", statuses=((WEB, raw),)),))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
