"""The intent on the member: of any size, whole at any moment, and of no use to those who only read names."""

import base64
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from atoll.agent.pulling.holdings import Held, Mark, digest_of
from atoll.agent.pulling.store import Store, secret_name
from atoll.api.delivery import Delivery, Removal
from atoll.api.intent import Revision
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json, Key, manifest
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.runtime import failpoints
from atoll.testing.fakeapi import FakeApi, Refuse, Reset, Rule

from .conftest import Pulled, configmap


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        yield api


def held(uid: str = "u1", text: str = "x", sequence: int = 5) -> Held:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"v": text}}
    target = Delivery(Key("demo", uid), uid, "a", Revision(1, uid, sequence), (manifest(body),))
    return Held(target, digest_of(target))


async def test_what_was_put_is_loaded_again(api: FakeApi) -> None:
    async with Client(api.config) as client:
        store, mark = Store(client), Mark("hub", "a", 1, 7, "p", 2, "word", doubted=True, life=9)
        removal = Removal(Key("demo", "gone"), "u2", "a", orphan=True, revision=Revision(1, "u2", 3))
        await store.mark(mark)
        await store.put(held())
        await store.put(Held(removal, "digest"))
        assert await Store(client).load() == (mark, {"u1": held(), "u2": Held(removal, "digest")})
        await store.drop("u1")
        assert (await Store(client).load())[1].keys() == {"u2"}


async def test_one_of_many_megabytes_is_kept_in_parts_that_go_with_it(api: FakeApi) -> None:
    large = held(text=secrets.token_hex(3_000_000))
    async with Client(api.config) as client:
        store = Store(client)
        await store.put(large)
        names = [s.name for s in (await client.list(SECRETS, SYSTEM_NAMESPACE)).items]
        assert len(names) > 3
        again = Store(client)
        assert (await again.load())[1] == {"u1": large}
        await again.put(held(text="small"))
        assert [s.name for s in (await client.list(SECRETS, SYSTEM_NAMESPACE)).items] == [secret_name("u1")]
        await again.put(large)
        await again.drop("u1")
        assert not (await client.list(SECRETS, SYSTEM_NAMESPACE)).items


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after it"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_write_that_breaks_off_leaves_the_one_before(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, write: int, after: bool
) -> None:
    """Of the three parts of a large one, the n-th is not written, or is, and nobody hears of it."""
    large, larger = held(text=secrets.token_hex(1_500_000)), held(text=secrets.token_hex(1_600_000), sequence=6)
    async with Client(api.config) as client:
        await Store(client).put(large)
        store = Store(client)
        assert (await store.load())[1] == {"u1": large}
        apply, count = client.apply, 0

        async def failing(resource: Resource, body: Json, **rest: Any) -> Object:
            nonlocal count
            count += 1
            if count == write and not after:
                raise KubeError("lost")
            answer = await apply(resource, body, **rest)
            if count == write:
                raise KubeError("lost after")
            return answer

        monkeypatch.setattr(client, "apply", failing)
        with pytest.raises(KubeError):
            await store.put(larger)
        done = write == 3 and after
        assert (await Store(client).load())[1] == {"u1": larger if done else large}


async def test_what_somebody_spoilt_is_left_out_and_the_rest_is_held(api: FakeApi) -> None:
    async with Client(api.config) as client:
        store = Store(client)
        for uid in ("u1", "u2", "u3"):
            await store.put(held(uid))
        await client.patch(SECRETS, secret_name("u1"), SYSTEM_NAMESPACE, {"data": {"intent": "bm9uc2Vuc2U="}})
        await client.patch(SECRETS, secret_name("u2"), SYSTEM_NAMESPACE, {"data": {"parts": "bm93aGVyZQ=="}})
        assert (await Store(client).load())[1] == {"u3": held("u3")}


@pytest.mark.parametrize("place", [0, 2, 10, 11, 30, -6])
@pytest.mark.parametrize("key", ["intent", "parts"])
async def test_a_byte_that_was_spoilt_anywhere_costs_its_application_only(api: FakeApi, key: str, place: int) -> None:
    """An agent that can't start repairs nothing."""
    async with Client(api.config) as client:
        for uid in ("u1", "u2"):
            await Store(client).put(held(uid))
        secret = await client.get(SECRETS, secret_name("u1"), SYSTEM_NAMESPACE)
        data = bytearray(base64.b64decode(secret.body()["data"][key]) or bytes(40))
        data[place] ^= 0xFF
        spoilt = {"data": {key: base64.b64encode(data).decode()}}
        await client.patch(SECRETS, secret_name("u1"), SYSTEM_NAMESPACE, spoilt)
        found = (await Store(client).load())[1]
        assert {uid: found[uid] for uid in found.keys() - {"u1"}} == {"u2": held("u2")}


async def test_a_write_of_the_same_word_as_another_revision_breaks_off_without_loss(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that was confirmed says what it said before, which counts as newer."""
    large = held(text=secrets.token_hex(1_500_000))
    raised = Held(msgspec.structs.replace(large.target, revision=Revision(2, "u1", 5)), large.digest)
    async with Client(api.config) as client:
        store = Store(client)
        await store.put(large)
        apply = client.apply

        async def failing(resource: Resource, body: Json, **rest: Any) -> Object:
            if rest["name"] == secret_name("u1"):
                raise KubeError("lost")
            return await apply(resource, body, **rest)

        monkeypatch.setattr(client, "apply", failing)
        with pytest.raises(KubeError):
            await store.put(raised)
        assert (await Store(client).load())[1] == {"u1": large}


@pytest.mark.parametrize("uid", ["", "../x", "A", "a" * 200, "x/y", "-a"])
def test_a_name_that_no_server_gives_is_not_written(uid: str) -> None:
    with pytest.raises(ValueError, match="is not the UID"):
        secret_name(uid)


async def test_an_application_of_many_megabytes_reaches_the_member_and_survives_a_restart(pulled: Pulled) -> None:
    noise = [configmap(f"c{i}", v=secrets.token_hex(60_000)) for i in range(7)]
    await pulled.deploy("app", *noise)
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    await pulled.side.stop()
    for i in range(7):
        await pulled.clients["a"].patch(CONFIGMAPS, f"c{i}", "demo", {"data": {"v": "spoilt"}})
    pulled.agents["a"].start()
    for i in range(7):
        await pulled.data_becomes("a", f"c{i}", **noise[i]["data"])


def test_places_where_an_agent_may_be_killed_are_named() -> None:
    assert {"agent.store.before", "agent.store.after", "agent.mark.before", "agent.report.after"} <= failpoints.names()


async def test_a_member_that_answers_late_or_not_loses_nothing(pulled: Pulled, apis: dict[str, FakeApi]) -> None:
    apis["a"].faults.rules.append(Rule(Reset(after=True), rate=0.3, verb="apply"))
    apis["a"].faults.rules.append(Rule(Refuse(500, "InternalError"), rate=0.2, verb="apply"))
    for i in range(5):
        await pulled.deploy(f"app{i}", configmap(f"one{i}", v="1"))
    apis["a"].faults.heal()
    for i in range(5):
        await pulled.ready(f"app{i}", 40.0)
