"""While the hub is away the member is kept as it was last wanted; afterwards both know the newest."""

import asyncio
import time

from atoll.kube.errors import NotFound
from atoll.kube.objects import Object
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.testing.fakeapi import FakeApi, Refuse, Rule
from atoll.testing.wires import Wire
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap
from .test_an_agent_carries_out_its_part import held


async def spoil(pulled: Pulled, name: str, cluster: str = "a") -> None:
    await pulled.clients[cluster].patch(CONFIGMAPS, name, NAMESPACE, {"data": {"v": "spoilt"}})


async def test_drift_is_repaired_while_the_hub_is_away_and_reported_when_it_is_back(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    await pulled.side.stop()
    for _ in range(3):
        await spoil(pulled, "one")
        await pulled.data_becomes("a", "one", v="1")
    other = {"metadata": {"name": "two", "namespace": NAMESPACE}, "data": {"v": "theirs"}}
    await pulled.clients["a"].create(CONFIGMAPS, other)
    await pulled.deploy("app", configmap("one", v="2"), configmap("two", v="2"))
    await asyncio.sleep(0.5)
    assert await pulled.data("a", "one") == {"v": "1"}
    began = time.monotonic()
    await pulled.side.start()
    row = await pulled.row_becomes("app", state="Conflict")
    assert time.monotonic() - began < 5.0
    assert "ConfigMap/two" in row["message"]
    assert await pulled.data("a", "one") == {"v": "2"}


async def test_an_agent_that_restarts_without_its_hub_works_from_what_it_holds(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    await pulled.side.stop()
    await spoil(pulled, "one")
    pulled.agents["a"].start()
    await pulled.data_becomes("a", "one", v="1")


async def test_what_changed_meanwhile_is_carried_out_and_nothing_that_stays_is_touched(
    hasty: None, pulled: Pulled
) -> None:
    await pulled.deploy("stays", configmap("stays", v="1"))
    await pulled.deploy("changes", configmap("changes", v="1"), configmap("less", v="1"))
    await pulled.deploy("ends", configmap("ends", v="1"))
    for name in ("stays", "changes", "ends"):
        await pulled.ready(name)
    stays = await pulled.find("a", CONFIGMAPS, "stays")
    await pulled.agents["a"].stop()
    await pulled.deploy("changes", configmap("changes", v="2"))
    await pulled.delete("ends")
    await pulled.deploy("new", configmap("new", v="1"))
    await pulled.reachable("a", "False")
    await pulled.gone("ends")
    await pulled.row_becomes("new", state="Unreachable")
    pulled.agents["a"].start()
    for name in ("stays", "changes", "new"):
        await pulled.ready(name)
    assert await pulled.data("a", "changes") == {"v": "2"}
    await pulled.data_becomes("a", "less")
    await pulled.data_becomes("a", "ends")
    assert await pulled.find("a", CONFIGMAPS, "stays") == stays
    await eventually(lambda: _no_tombstone(pulled))


async def _no_tombstone(pulled: Pulled) -> bool:
    try:
        found = (await pulled.hub.get(CONFIGMAPS, "tombstones-a", "atoll-system")).body()
    except NotFound:
        return True
    return not found.get("data")


async def test_one_of_the_same_name_that_came_meanwhile_takes_the_place_of_the_old(hasty: None, pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="old"), configmap("two", v="old"))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    await pulled.reachable("a", "False")
    await pulled.delete("app")
    await pulled.gone("app")
    uid = await pulled.deploy("app", configmap("one", v="new"))
    pulled.agents["a"].start()
    await pulled.ready("app")
    await pulled.data_becomes("a", "two")
    assert await pulled.data("a", "one") == {"v": "new"}
    assert await held(pulled, "a") == [f"atoll-intent-{uid}"]


async def test_a_restart_of_either_side_writes_nothing_to_the_member_but_the_agents_own_mark(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    before = await pulled.find("a", CONFIGMAPS, "one")
    intent = {s.name: s.resource_version for s in await kept(pulled) if s.name != "atoll-intent"}
    await pulled.side.stop()
    await pulled.side.start()
    await pulled.reachable("a", "True")
    await pulled.agents["a"].stop()
    pulled.agents["a"].start()
    await spoil(pulled, "one")
    await pulled.data_becomes("a", "one", v="1")
    await pulled.ready("app")
    after = await pulled.find("a", CONFIGMAPS, "one")
    assert before is not None and after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert {s.name: s.resource_version for s in await kept(pulled) if s.name != "atoll-intent"} == intent


async def kept(pulled: Pulled) -> list[Object]:
    return list((await pulled.clients["a"].list(SECRETS, "atoll-system", labels="atoll.dev/intent")).items)


async def test_a_hub_that_loses_sight_of_an_agent_says_so_within_15_seconds(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    began = time.monotonic()
    await pulled.agents["a"].stop()
    found = await pulled.reachable("a", "False")
    assert time.monotonic() - began < 15.0
    assert found["reason"] == "AgentAway"
    assert "last heard at" in found["message"]
    assert "last heard at" in (await pulled.row_becomes("app", state="Unreachable"))["message"]


async def test_a_line_that_is_dead_without_saying_so_is_given_up_by_both(hasty: None, pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    agent = pulled.agents["a"]
    wire = agent.wire
    assert isinstance(wire, Wire)
    began = time.monotonic()
    wire.stall()
    await eventually(lambda: agent.wire is not wire and agent.wire is not None, 20.0)
    assert time.monotonic() - began < 7.0
    await pulled.reachable("a", "True")
    await pulled.deploy("app", configmap("one", v="2"))
    await pulled.ready("app")


async def test_intent_that_cannot_be_stored_is_carried_out_and_said(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    await pulled.deploy("first", configmap("one", v="1"))
    await pulled.ready("first")
    apis["a"].faults.rules.append(Rule(Refuse(403, "Forbidden"), verb="apply", plural="secrets"))
    await pulled.deploy("app", configmap("two", v="1"))
    await pulled.ready("app")

    async def said() -> bool:
        return (await pulled.condition("a", "IntentHeld")).get("status") == "False"

    await eventually(said)
    apis["a"].faults.heal()
    await eventually(lambda: _two_held(pulled), 20.0)


async def _two_held(pulled: Pulled) -> bool:
    return len(await held(pulled, "a")) == 2


async def test_a_process_that_leads_no_more_says_nothing_to_an_agent(pulled: Pulled) -> None:
    """One that was stopped and goes on may know an older plan of the very same revision."""
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    pulled.side.leads = False
    await pulled.deploy("app", configmap("one", v="2"))

    async def ended() -> bool:
        return any("leads no more" in why for why in pulled.agents["a"].ends)

    await eventually(ended)
    assert await pulled.data("a", "one") == {"v": "1"}
    pulled.side.leads = True
    await pulled.data_becomes("a", "one", v="2")
