"""Preview, diff, events and logs of a member that only its agent can reach: typed questions, no way into its API."""

import asyncio
import base64
from contextlib import aclosing
from typing import TypeVar

import msgspec
import pytest

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.objects import Json, Key, manifest
from atoll.cli.application.rendering import NEWEST
from atoll.kube.errors import Unreachable
from atoll.kube.resources import CONFIGMAPS, EVENTS, PODS
from atoll.link.session import LinkError, Refused
from atoll.pull.protocol import QUESTION, Change, Changes, Compare, Events, Logs, Look, Objects, Question, Trouble
from atoll.testing.wires import Wire
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap

A = TypeVar("A")


async def answered(pulled: Pulled, question: Question, kind: type[A], cluster: str = "a") -> list[A]:
    assert pulled.side.hub is not None
    return [part async for part in pulled.side.hub.pulled.ask(cluster, question) if isinstance(part, kind)]


def secret(name: str, **data: str) -> Json:
    values = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": values}


def delivery(uid: str, *objects: Json) -> Delivery:
    placed = [body | {"metadata": {**body["metadata"], "namespace": NAMESPACE}} for body in objects]
    return Delivery(Key(NAMESPACE, "app"), uid, "a", Revision(NEWEST, uid, 0), tuple(map(manifest, placed)))


async def test_what_is_there_is_shown_and_secrets_without_their_values(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"), secret("two", password="hunter2"))
    await pulled.ready("app")
    (found,) = await answered(pulled, Look(uid), Objects)
    texts = [bytes(raw) for raw in found.roots]
    assert sorted(msgspec.json.decode(text)["kind"] for text in texts) == ["ConfigMap", "Secret"]
    assert base64.b64encode(b"hunter2") not in b"".join(texts)


async def test_a_diff_is_worked_out_by_the_member_itself(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"), configmap("less", v="1"), secret("two", password="old"))
    await pulled.ready("app")
    await pulled.clients["a"].patch(CONFIGMAPS, "less", NAMESPACE, {"metadata": {"labels": {"mine": "yes"}}})
    wanted = delivery(uid, configmap("one", v="2"), configmap("more", v="1"), secret("two", password="hunter2"))
    changes: dict[str, Change] = {}
    for part in await answered(pulled, Compare(wanted), Changes):
        changes |= {change.id.name: change for change in part.changes}
    assert changes.keys() == {"one", "more", "less", "two"}
    assert changes["one"].before is not None and changes["one"].after is not None
    assert (changes["one"].before["data"], changes["one"].after["data"]) == ({"v": "1"}, {"v": "2"})
    assert changes["more"].before is None
    assert changes["less"].after is None
    assert "***" in str(changes["two"].after)
    assert base64.b64encode(b"hunter2").decode() not in str(changes["two"])
    assert await pulled.data("a", "one") == {"v": "1"}, "it was only asked"


async def test_events_about_its_objects_are_told_and_no_others(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    for name, about in (("e1", "one"), ("e2", "somebody-elses")):
        body = {
            "metadata": {"name": name, "namespace": NAMESPACE},
            "involvedObject": {"kind": "ConfigMap", "name": about},
            "reason": "Because",
        }
        await pulled.clients["a"].create(EVENTS, body)
    (found,) = await answered(pulled, Events(uid), Objects)
    assert [msgspec.json.decode(raw)["metadata"]["name"] for raw in found.events] == ["e1"]


async def test_a_log_that_cannot_be_read_is_named(pulled: Pulled) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1"},
        "spec": {"containers": [{"name": "main", "image": "x"}]},
    }
    uid = await pulled.deploy("app", pod)
    await eventually(lambda: pulled.find("a", PODS, "web-1"))
    (told,) = await answered(pulled, Logs(uid), Trouble)
    assert told.where == "web-1/main"


async def test_who_stops_listening_to_a_log_has_the_agent_stop(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")
    assert pulled.side.hub is not None
    before = len(asyncio.all_tasks())
    async with aclosing(pulled.side.hub.pulled.ask("a", Logs(uid, follow=True))) as answers:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(answers)
        assert len(asyncio.all_tasks()) > before
    await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_an_agent_that_is_away_is_said_to_be(pulled: Pulled) -> None:
    await pulled.reachable("a", "True")
    await pulled.agents["a"].stop()
    await eventually(lambda: pulled.side.hub and pulled.side.hub.pulled.get("a").talk is None)  # type: ignore[union-attr]
    with pytest.raises(Unreachable):
        await answered(pulled, Look("u"), Objects)
    with pytest.raises(Unreachable, match="no cluster nobody"):
        await answered(pulled, Look("u"), Objects, cluster="nobody")


async def test_what_is_no_question_is_not_answered(pulled: Pulled) -> None:
    await pulled.reachable("a", "True")
    wire = pulled.agents["a"].wire
    assert isinstance(wire, Wire)
    with pytest.raises(Refused):
        await wire.hub.open("tcp/127.0.0.1:6443")
    stream = await wire.hub.open(QUESTION)
    await stream.write(b"\x00\x00\x00\x18\x00" + b'{"is":"shell","cmd":"x"}')
    await stream.close_write()
    with pytest.raises(LinkError):
        await stream.read()
