"""Deliveries in a manner of their own, through an agent; one that doesn't know what that is gets none."""

import base64
import gzip
from typing import Any

import msgspec
import pytest

from atoll.agent.pulling.holdings import Held
from atoll.agent.pulling.store import Store
from atoll.api.delivery import Delivery, Outcome, Removal
from atoll.api.intent import Revision
from atoll.api.manner import LatePatch, Manner
from atoll.api.objects import GroupKind, Key, ObjectId, manifest
from atoll.api.observation import Observation
from atoll.deliver.deliverer import Deliverer
from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS, NAMESPACES, SECRETS
from atoll.pull.protocol import MANNERS, Versions
from atoll.testing.fakeapi import FakeApi
from atoll.testing.pulledfleet import AgentSide
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap

LABELS = {"kubefed.io/managed": "true"}
MANNER = Manner(whole=True, labels=LABELS, tell_versions=True, tell_status=True)
KINDS = frozenset({GroupKind("", "ConfigMap")})


def deliverer(pulled: Pulled) -> Deliverer:
    hub: Any = pulled.side.hub
    found: Deliverer = hub._deliverer
    return found


@pytest.fixture
def heard(pulled: Pulled, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the hub hears of the agents."""
    found: list[Any] = []
    hub: Any = pulled.side.hub
    collector, terms = hub._collector, hub.pulled._terms
    observed, delivered = collector.heard, terms.delivered

    def hear(observation: Observation) -> None:
        found.append(observation)
        observed(observation)

    def note(outcome: Outcome) -> None:
        found.append(outcome)
        delivered(outcome)

    monkeypatch.setattr(collector, "heard", hear)
    object.__setattr__(terms, "delivered", note)
    return found


def delivery(**options: Any) -> Delivery:
    body = {"apiVersion": "v1", **configmap("c", v="1")}
    body["metadata"] = {"name": "c", "namespace": NAMESPACE}
    return Delivery(
        Key(NAMESPACE, "FederatedConfigMap/c"), "u1", "a", Revision(1, "u1", 1), (manifest(body),), **options
    )


async def test_an_agent_writes_whole_objects_and_tells_versions_and_statuses(pulled: Pulled, heard: list[Any]) -> None:
    member = pulled.clients["a"]
    await member.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    late = (LatePatch("add", "/data/late", "1"),)
    deliverer(pulled).submit(delivery(manner=MANNER, late=late))
    await pulled.data_becomes("a", "c", v="1", late="1")
    live = await member.get(CONFIGMAPS, "c", NAMESPACE, managed_fields=True)
    assert live.labels.items() >= LABELS.items()
    assert {(e["manager"], e["operation"]) for e in live.body()["metadata"]["managedFields"]} == {("atoll", "Update")}
    about = ObjectId("", "ConfigMap", NAMESPACE, "c")
    await eventually(lambda: any(isinstance(o, Outcome) and o.versions == ((about, "gen:1"),) for o in heard))
    await member.patch(CONFIGMAPS, "c", NAMESPACE, {"status": {"n": 1}})
    raw = ((about, msgspec.Raw(b'{"n":1}')),)
    await eventually(lambda: any(isinstance(o, Observation) and o.statuses == raw for o in heard))
    deliverer(pulled).remove(Removal(Key(NAMESPACE, "FederatedConfigMap/c"), "u1", "a", orphan=True, manner=MANNER))
    await eventually(lambda: any(isinstance(o, Outcome) and o.gone for o in heard))
    assert (await member.get(CONFIGMAPS, "c", NAMESPACE)).labels == {}


async def test_what_a_former_manager_left_is_decided_about_by_the_hub(pulled: Pulled) -> None:
    member = pulled.clients["a"]
    await member.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    for name in ("keep", "delete", "unmark"):
        body = configmap(name, v="1")
        body["metadata"] = {"name": name, "namespace": NAMESPACE, "labels": LABELS}
        await member.create(CONFIGMAPS, body)
    asked: list[tuple[str, str]] = []

    def decide(cluster: str, about: ObjectId) -> Any:
        asked.append((cluster, about.name))
        return about.name

    deliverer(pulled).inherit(LABELS, KINDS, decide)

    async def done() -> bool:
        gone = await pulled.find("a", CONFIGMAPS, "delete") is None
        unmarked = await pulled.find("a", CONFIGMAPS, "unmark") or {}
        return gone and "labels" not in unmarked["metadata"]

    await eventually(done)
    assert sorted(asked) == [("a", "delete"), ("a", "keep"), ("a", "unmark")]
    deliverer(pulled).inherit(LABELS, KINDS, decide)
    await eventually(lambda: len(asked) == 4)
    assert asked[-1] == ("a", "keep")


async def test_an_agent_that_knows_no_manners_gets_none(
    pulled: Pulled, apis: dict[str, FakeApi], heard: list[Any]
) -> None:
    await pulled.agents["a"].stop()
    older = Versions(MANNERS - 1, MANNERS - 1)
    pulled.agents["a"] = AgentSide("a", apis["a"].config, pulled.side, older)
    pulled.agents["a"].start()
    deliverer(pulled).submit(delivery(manner=MANNER))
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")

    def told(state: str) -> bool:
        outcomes = [o for o in heard if isinstance(o, Outcome) and o.uid == "u1"]
        return bool(outcomes) and (outcomes[-1].state, outcomes[-1].objects[0].reason) == (state, "AgentTooOld")

    await eventually(lambda: told("Failed"))
    assert await pulled.data("a", "c") is None
    deliverer(pulled).remove(Removal(Key(NAMESPACE, "FederatedConfigMap/c"), "u1", "a", manner=MANNER))
    await eventually(lambda: told("Removing"))


async def test_what_is_held_in_a_manner_has_a_name_that_older_agents_do_not_read(apis: dict[str, FakeApi]) -> None:
    async with Client(apis["a"].config) as client:
        store = Store(client)
        held = Held(delivery(manner=MANNER), "d1")
        away = Held(Removal(Key("x", "y"), "u2", "a", manner=MANNER), "d2")
        await store.put(held)
        await store.put(away)
        _, loaded = await Store(client).load()
        assert loaded == {"u1": held, "u2": away}
        for uid in loaded:
            secret = (await client.get(SECRETS, f"atoll-intent-{uid}", "atoll-system")).body()
            kept = msgspec.json.decode(gzip.decompress(base64.b64decode(secret["data"]["intent"])))
            assert not {"delivery", "removal"} & kept.keys()
