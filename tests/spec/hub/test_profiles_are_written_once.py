"""A ClusterProfile is written when it says something else than before, and by a hub that starts only then, too."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from atoll.api.crds import crds
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.fleet.link import Reach
from atoll.hub.profiles import MANAGER, MANAGER_LABEL, Profiles
from atoll.kube.client import Client
from atoll.kube.errors import Conflict, Unreachable
from atoll.kube.resources import CLUSTERPROFILES, CRDS, NAMESPACES
from atoll.plan.model import ClusterFacts
from atoll.testing.fakeapi import FakeApi, Reset, Rule, SlowBody

FACTS = ClusterFacts(name="eu-1", uid="uid-of-eu", region="eu-west-1", version="v1.36.1")
HERE = Reach(reachable=True, reason="Reachable", since=1000.0, uid="uid-of-eu", version="v1.36.1")
AWAY = Reach(reachable=False, reason="Timeout", message="no answer", since=2000.0, uid="uid-of-eu")
UNTRIED = Reach()


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api, Client(api.config) as client:
        for crd in crds():
            await client.create(CRDS, crd)
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        yield api


async def patches(api: FakeApi, *told: Reach) -> int:
    """How many requests a hub needs that starts and is told this, one after the other."""
    before = api.requests.get("apply", 0)
    async with Client(api.config) as client:
        profiles = Profiles(client)
        for reach in told:
            await profiles.publish(FACTS, reach)
    return api.requests.get("apply", 0) - before


async def condition(api: FakeApi) -> Json:
    async with Client(api.config) as client:
        live = await client.get(CLUSTERPROFILES, "eu-1", SYSTEM_NAMESPACE)
    (found,) = live.body()["status"]["conditions"]
    return dict(found)


async def test_a_cluster_that_is_new_is_told_at_once(api: FakeApi) -> None:
    assert await patches(api, UNTRIED) == 2
    assert (await condition(api))["status"] == "Unknown"


async def test_what_says_the_same_is_not_written_again(api: FakeApi) -> None:
    assert await patches(api, HERE, HERE, HERE) == 2


async def test_a_hub_that_starts_again_writes_nothing_where_nothing_changed(api: FakeApi) -> None:
    await patches(api, HERE)
    later = msgspec.structs.replace(HERE, since=5000.0)
    assert await patches(api, UNTRIED, later) == 0
    assert (await condition(api))["lastTransitionTime"] == "1970-01-01T00:16:40Z"


async def test_and_only_the_status_where_that_has_changed(api: FakeApi) -> None:
    await patches(api, HERE)
    assert await patches(api, UNTRIED, AWAY) == 1
    found = await condition(api)
    assert (found["status"], found["reason"]) == ("False", "Timeout")
    assert found["lastTransitionTime"] == "1970-01-01T00:33:20Z"


async def test_a_hub_without_the_kind_publishes_nothing_until_it_comes(api: FakeApi) -> None:
    async with Client(api.config) as client:
        await client.delete(CRDS, f"{CLUSTERPROFILES.plural}.{CLUSTERPROFILES.group}")
        profiles = Profiles(client)
        await profiles.publish(FACTS, HERE)
        for crd in crds():
            await client.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
        await profiles.publish(FACTS, HERE)
    assert (await condition(api))["status"] == "True"


async def test_a_write_whose_answer_was_lost_is_not_taken_for_one_that_never_was(api: FakeApi) -> None:
    async with Client(api.config) as client:
        profiles = Profiles(client)
        await profiles.publish(FACTS, HERE)
        api.faults.rules.append(Rule(Reset(after=True), verb="apply"))
        with pytest.raises(Unreachable):
            await profiles.publish(FACTS, AWAY)
        api.faults.heal()
        assert (await condition(api))["status"] == "False"
        await profiles.publish(FACTS, HERE)
        assert (await condition(api))["status"] == "True"


@pytest.mark.parametrize("known", [True, False])
async def test_a_profile_that_goes_while_another_cluster_is_looked_at_for_the_first_time_is_made_anew(
    api: FakeApi, *, known: bool
) -> None:
    other = msgspec.structs.replace(FACTS, name="us-1")
    await patches(api, HERE)
    async with Client(api.config) as client:
        profiles = Profiles(client)
        api.faults.rules.append(Rule(SlowBody(10, 0.005), verb="list", plural=CLUSTERPROFILES.plural))
        first = asyncio.create_task(profiles.publish(other, HERE))
        if known:
            await profiles.publish(FACTS, HERE)
        else:
            await asyncio.sleep(0.02)
        await profiles.drop(FACTS.name)
        await first
        await profiles.publish(FACTS, HERE)
    assert (await condition(api))["status"] == "True"


async def test_a_former_leader_writes_over_nothing_and_who_is_told_so_looks_again(api: FakeApi) -> None:
    elsewhere = msgspec.structs.replace(AWAY, reason="Refused")
    async with Client(api.config) as client:
        former, leader = Profiles(client), Profiles(client)
        await former.publish(FACTS, HERE)
        await leader.publish(FACTS, AWAY)
        with pytest.raises(Conflict):
            await former.publish(FACTS, elsewhere)
        assert (await condition(api))["reason"] == "Timeout"
        await former.publish(FACTS, elsewhere)
        assert (await condition(api))["reason"] == "Refused"
        with pytest.raises(Conflict):
            await leader.publish(FACTS, HERE)
        await leader.publish(FACTS, HERE)
        assert (await condition(api))["status"] == "True"


async def test_a_profile_of_that_name_that_somebody_else_made_is_taken_over(api: FakeApi) -> None:
    async with Client(api.config) as client:
        spec = {"displayName": "theirs", "clusterManager": {"name": "other"}}
        metadata = {"name": FACTS.name, "namespace": SYSTEM_NAMESPACE}
        await client.create(CLUSTERPROFILES, {"metadata": metadata, "spec": spec})
        await Profiles(client).publish(FACTS, HERE)
        live = (await client.get(CLUSTERPROFILES, FACTS.name, SYSTEM_NAMESPACE)).body()
    assert live["metadata"]["labels"] == {MANAGER_LABEL: MANAGER}
    assert live["spec"] == {"displayName": FACTS.name, "clusterManager": {"name": MANAGER}}
    assert (await condition(api))["status"] == "True"
