"""What is still to be removed survives the hub, and two that end at once don't lose each other's."""

import asyncio

import pytest

from atoll.api.delivery import Removal
from atoll.api.manner import Manner
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Key
from atoll.hub.tombstones import Tombstones
from atoll.kube.client import Client
from atoll.kube.errors import Unavailable
from atoll.kube.resources import CONFIGMAPS, NAMESPACES
from atoll.testing.fakeapi import Delay, FakeApi, Refuse, Rule


def removal(uid: str, cluster: str = "eu-1", *, orphan: bool = False) -> Removal:
    return Removal(Key("demo", f"app-{uid}"), uid, cluster, orphan)


def owed(stones: Tombstones) -> set[str]:
    return {found.uid for found in stones.removals("eu-1", "uid-of-eu")}


async def test_they_are_there_after_a_restart() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        before = Tombstones(client)
        await asyncio.gather(*(before.lay(removal(str(n), orphan=n == 3), "uid-of-eu") for n in range(8)))
        await before.lay(removal("9", "us-1"), "uid-of-us")
        await before.lift("eu-1", "5")

        after = Tombstones(client)
        await after.load()
        assert owed(after) == {"0", "1", "2", "3", "4", "6", "7"}
        assert removal("3", orphan=True) in after.removals("eu-1", "uid-of-eu")
        assert after.removals("us-1", "uid-of-us") == (removal("9", "us-1"),)


async def test_more_than_one_object_holds_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.hub.tombstones.FULL", 300)
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        before = Tombstones(client)
        for number in range(9):
            await before.lay(removal(str(number)), "uid-of-eu")
        pages = (await client.list(CONFIGMAPS, SYSTEM_NAMESPACE)).items
        assert {page.name for page in pages} >= {"tombstones-eu-1", "tombstones.2-eu-1", "tombstones.3-eu-1"}
        assert all(len(str(page.body()["data"])) < 400 for page in pages)

        after = Tombstones(client)
        await after.load()
        assert owed(after) == set("012345678")
        for number in range(8):
            await after.lift("eu-1", str(number))
        await after.lay(removal("9"), "uid-of-eu")  # where there is room again
        written = {page.name: page.body().get("data") or {} for page in (await client.list(CONFIGMAPS)).items}
        assert len(written) == len(pages)
        assert sorted(uid for data in written.values() for uid in data) == ["8", "9"]

        await after.drop("eu-1")
        assert not (await client.list(CONFIGMAPS, SYSTEM_NAMESPACE)).items


async def test_the_manner_of_a_front_end_is_remembered() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        key = Key("demo", "FederatedConfigMap/web")
        laid = Removal(key, "1", "eu-1", manner=Manner(labels={"a": "b"}, deletion={"gracePeriodSeconds": 1}))
        await Tombstones(client).lay(laid, "uid-of-eu")
        after = Tombstones(client)
        await after.load()
        assert after.removals("eu-1", "uid-of-eu") == (laid,)


async def test_a_cluster_rebuilt_under_the_name_owes_nothing() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        stones = Tombstones(client)
        await stones.lay(removal("1"), "uid-of-eu")
        assert stones.removals("eu-1", "another") == ()


async def test_what_is_laid_twice_is_written_once_and_a_cluster_that_left_is_forgotten() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        stones = Tombstones(client)
        await stones.lay(removal("1"), "uid")
        written = api.requests.copy()
        await stones.lay(removal("1"), "uid")
        assert api.requests == written
        await stones.drop("eu-1")
        await stones.drop("eu-1")
        fresh = Tombstones(client)
        await fresh.load()
        assert not owed(fresh)


async def test_of_what_is_laid_twice_the_latest_word_counts() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        await Tombstones(client).lay(removal("1"), "uid-of-eu-before")
        stones = Tombstones(client)  # the hub was restarted, and the Application is still ending
        await stones.load()
        assert await stones.lay(removal("1", orphan=True), "uid-of-eu")
        assert not await stones.lay(removal("1", orphan=True), "uid-of-eu")
        after = Tombstones(client)
        await after.load()
        for each in (stones, after):
            assert each.removals("eu-1", "uid-of-eu") == (removal("1", orphan=True),)
            assert each.owed("eu-1", "1")
        after.paid("eu-1", "1")
        assert not after.owed("eu-1", "1")


async def test_one_that_cannot_be_read_stops_nobody() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        for number in range(3):
            await Tombstones(client).lay(removal(str(number)), "uid-of-eu")
        await client.patch(CONFIGMAPS, "tombstones-eu-1", SYSTEM_NAMESPACE, {"data": {"1": "edited by hand"}})
        after = Tombstones(client)
        await after.load()
        assert owed(after) == {"0", "2"}
        kept = await client.get(CONFIGMAPS, "tombstones-eu-1", SYSTEM_NAMESPACE)
        assert kept.body()["data"]["1"] == "edited by hand"


async def test_what_was_paid_is_not_asked_for_again_while_its_stone_is_still_there() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        stones = Tombstones(client)
        await stones.lay(removal("1"), "uid-of-eu")
        await stones.lay(removal("2"), "uid-of-eu")
        api.faults.rules.append(Rule(Refuse(503, "ServiceUnavailable"), times=1))
        stones.paid("eu-1", "1")
        stones.paid("eu-1", "never laid")
        assert owed(stones) == {"2"}
        with pytest.raises(Unavailable):
            await stones.clear("eu-1")
        assert owed(stones) == {"2"}

        await stones.clear("eu-1")
        fresh = Tombstones(client)
        await fresh.load()
        assert owed(fresh) == {"2"}


async def test_what_is_being_laid_for_a_cluster_while_it_leaves_goes_with_it() -> None:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": SYSTEM_NAMESPACE}})
        stones = Tombstones(client)
        api.faults.rules.append(Rule(Delay(0.05), verb="patch", plural="configmaps"))
        laying = asyncio.create_task(stones.lay(removal("1"), "uid-of-eu"))
        await asyncio.sleep(0.01)
        await stones.gone("eu-1")
        await laying
        after = Tombstones(client)
        await after.load()
        assert owed(stones) == owed(after) == set()
