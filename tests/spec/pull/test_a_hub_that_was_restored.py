"""A hub put back to an older state: its agents refuse what is older, keep what is unknown, until they are told."""

import asyncio

from atoll.agent.pulling.agent import PullAgent
from atoll.api.intent import Revision
from atoll.api.objects import Json
from atoll.kube.resources import CLUSTERS, CONFIGMAPS
from atoll.testing.fakeapi import FakeApi
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap


class Backup:
    """The hub's API server as it is now."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.then = api.cluster.store.snapshot()

    async def restore(self, pulled: Pulled) -> None:
        await pulled.side.stop()
        self.api.break_connections()
        self.api.cluster.store.restore(self.then)
        await pulled.side.start()


async def revision(pulled: Pulled, name: str) -> Revision | None:
    found = await pulled.find("a", CONFIGMAPS, name)
    return Revision.parse(found["metadata"]["annotations"]["atoll.dev/revision"]) if found else None


def agent(pulled: Pulled) -> PullAgent:
    found = pulled.agents["a"].agent
    assert found is not None
    return found


async def spoil(pulled: Pulled, name: str) -> None:
    await pulled.clients["a"].patch(CONFIGMAPS, name, NAMESPACE, {"data": {"v": "spoilt"}})


async def test_nothing_older_is_taken_and_nothing_unknown_given_up_until_it_is_resumed(
    hasty: None, pulled: Pulled, apis: dict[str, FakeApi]
) -> None:
    await pulled.deploy("app", configmap("one", v="old"), configmap("gone-since", v="old"))
    await pulled.deploy("still", configmap("still", v="1"))
    await pulled.ready("app")
    await pulled.ready("still")
    backup = Backup(apis["hub"])
    await pulled.deploy("app", configmap("one", v="new"), configmap("added", v="new"))
    await pulled.deploy("late", configmap("late", v="1"))
    for name in ("app", "late"):
        await pulled.ready(name)
    still = await pulled.find("a", CONFIGMAPS, "still")

    await backup.restore(pulled)
    row = await pulled.row_becomes("app", state="Conflict")
    assert "NewerRevision" in str(row["problems"])
    assert "atoll cluster resume" in str(row["problems"])
    believed: Json = {}

    async def doubted() -> bool:
        nonlocal believed
        believed = await pulled.condition("a", "Believed")
        return believed.get("status") == "False"

    await eventually(doubted)
    assert "restored from a backup" in believed["message"]
    for name, value in (("one", "new"), ("added", "new"), ("late", "1"), ("still", "1")):
        assert await pulled.data("a", name) == {"v": value}
        await spoil(pulled, name)
        await pulled.data_becomes("a", name, v=value)
    await pulled.agents["a"].stop()
    pulled.agents["a"].start()
    await pulled.reachable("a", "True")
    await asyncio.sleep(1.0)
    for name, value in (("one", "new"), ("added", "new"), ("late", "1")):
        assert await pulled.data("a", name) == {"v": value}

    await pulled.hub.patch(CLUSTERS, "a", "", {"metadata": {"annotations": {"atoll.dev/resume": "now"}}})
    await pulled.ready("app")
    await pulled.data_becomes("a", "added")
    await pulled.data_becomes("a", "one", v="old")
    assert await pulled.data("a", "late") == {"v": "1"}, "what nobody asked to remove stays"
    assert await pulled.data("a", "gone-since") == {"v": "old"}

    async def unclaimed() -> bool:
        return (await pulled.condition("a", "Unclaimed")).get("status") == "True"

    await eventually(unclaimed)
    await eventually(lambda: _trusts(pulled))
    after = await pulled.find("a", CONFIGMAPS, "still")
    assert after is not None and still is not None
    assert after["metadata"]["uid"] == still["metadata"]["uid"]


async def _trusts(pulled: Pulled) -> bool:
    return not await pulled.condition("a", "Believed")


async def test_a_raised_epoch_confirms_for_all_agents(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    await pulled.deploy("app", configmap("one", v="old"), clusters=("a", "b"))
    await pulled.ready("app")
    backup = Backup(apis["hub"])
    await pulled.deploy("app", configmap("one", v="new"), clusters=("a", "b"))
    await pulled.ready("app")
    await backup.restore(pulled)
    for cluster in ("a", "b"):
        await pulled.row_becomes("app", cluster, state="Conflict")
    await pulled.side.stop()
    await pulled.hub.patch(CONFIGMAPS, "hub", "atoll-system", {"data": {"epoch": "2"}})
    await pulled.side.start()
    await pulled.ready("app")
    for cluster in ("a", "b"):
        assert await pulled.data(cluster, "one") == {"v": "old"}
    found = await revision(pulled, "one")
    assert found is not None
    assert found.epoch == 2


async def test_a_new_application_under_a_known_name_waits_for_a_word(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    """A hub that lost its Applications, and got them again from Git: their UIDs are others."""
    backup = Backup(apis["hub"])
    old = await pulled.deploy("app", configmap("one", v="old"))
    await pulled.ready("app")
    await backup.restore(pulled)
    new = await pulled.deploy("app", configmap("one", v="new"))
    assert old != new
    row = await pulled.row_becomes("app", state="Conflict")
    assert "AnotherUid" in str(row["problems"])
    await spoil(pulled, "one")
    await pulled.data_becomes("a", "one", v="old")
    await pulled.hub.patch(CLUSTERS, "a", "", {"metadata": {"annotations": {"atoll.dev/resume": "now"}}})
    await eventually(lambda: old not in agent(pulled).holdings.held)
    row = await pulled.row_becomes("app", state="Conflict")
    assert await pulled.data("a", "one") == {"v": "old"}, "whose it is now, the user says"
    await pulled.deploy("app", configmap("one", v="new"), adopt=True)
    await pulled.ready("app")
    assert await pulled.data("a", "one") == {"v": "new"}
