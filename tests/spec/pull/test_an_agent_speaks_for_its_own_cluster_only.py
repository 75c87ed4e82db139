"""An agent gets its own cluster's part and no other's, and nothing that it says is about another cluster's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from atoll.api.delivery import Outcome
from atoll.api.intent import Revision
from atoll.api.objects import Key
from atoll.api.observation import Observation
from atoll.kube.resources import APPLICATIONS, CLUSTERS, NAMESPACES
from atoll.link.session import LinkError, Stream
from atoll.pull.channel import Channel
from atoll.pull.framing import TO_AGENT
from atoll.pull.protocol import (
    CONTROL,
    SPOKEN,
    Beat,
    Bye,
    Deliver,
    Hello,
    MemberState,
    Ping,
    Report,
    Stock,
    Synced,
    ToAgent,
    Versions,
    Welcome,
)
from atoll.testing.pulledfleet import register
from atoll.testing.wires import Wire
from tests.delivering import eventually

from .conftest import NAMESPACE, Pulled, configmap

KEY = Key(NAMESPACE, "app")


class Forger:
    """An agent by hand."""

    def __init__(self, stream: Stream, uid: str) -> None:
        self.uid = uid
        self.channel: Channel[ToAgent] = Channel(stream, ToAgent, TO_AGENT)
        self.heard: list[ToAgent] = []

    async def say_hello(self, **differently: Any) -> Welcome | Bye:
        hello: dict[str, Any] = {"versions": SPOKEN, "life": 2**62, "member": self.state(), **differently}
        await self.channel.send(Hello(**hello))
        answer = await self.channel.receive()
        assert isinstance(answer, Welcome | Bye)
        return answer

    def state(self) -> MemberState:
        return MemberState(reachable=True, uid=self.uid)

    async def until(self, kind: type) -> list[ToAgent]:
        """What is said until a message of this kind."""
        async with asyncio.timeout(5):
            while not self.heard or not isinstance(self.heard[-1], kind):
                self.heard.append(await self.channel.receive())
        return self.heard


@asynccontextmanager
async def calling(pulled: Pulled, cluster: str) -> AsyncIterator[Forger]:
    """A call with the credential of `cluster`."""
    wire = Wire(cluster)
    assert pulled.side.accept(wire)
    try:
        uid = (await pulled.clients[cluster].get(NAMESPACES, "kube-system")).uid if cluster in pulled.clients else "u"
        yield Forger(await wire.agent.open(CONTROL), uid)
    finally:
        await wire.close()


def applied(cluster: str, uid: str, sequence: int = 10**9, **more: Any) -> Outcome:
    return Outcome(KEY, uid, cluster, Revision(1, uid, sequence), "Applied", 7, 7, **more)


async def test_it_is_told_of_its_own_applications_only(pulled: Pulled) -> None:
    await pulled.deploy("app", configmap("one", secret="of b"), clusters=("b",))
    mine = await pulled.deploy("mine", configmap("two", v="1"), clusters=("a",))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as forger:
        welcome = await forger.say_hello()
        assert isinstance(welcome, Welcome)
        assert welcome.cluster == "a"
        told = await forger.until(Synced)
        assert [m.uid for m in told if isinstance(m, Deliver)] == [mine]
        assert b"of b" not in b"".join(bytes(m.delivery) for m in told if isinstance(m, Deliver))


async def test_what_it_says_of_another_clusters_application_is_not_heard(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"), clusters=("b",))
    await pulled.ready("app")
    before = await pulled.status("app")
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as forger:
        await forger.say_hello()
        await forger.until(Synced)
        degraded = Observation(KEY, uid, "b", "Degraded", 0, 9)
        failed = Outcome(KEY, uid, "b", Revision(1, uid, 10**9), "Failed", 1, 0)
        gone = Outcome(KEY, uid, "b", None, "Removing", gone=True)
        await forger.channel.send(Report(1, (failed, gone), (degraded,)))
        await forger.channel.send(Stock(2, {uid: 0}, complete=True))
        await asyncio.sleep(1.0)
    assert await pulled.status("app") == before
    assert await pulled.data("b", "one") == {"v": "1"}


async def test_replayed_and_overtaken_reports_are_dropped(pulled: Pulled) -> None:
    uid = await pulled.deploy("app", configmap("one", v="1"), clusters=("a",))
    await pulled.ready("app")
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as forger:
        await forger.say_hello()
        await forger.until(Synced)
        await forger.channel.send(Report(5, (applied("a", uid),), (Observation(KEY, uid, "a", "Healthy"),)))
        await pulled.row_becomes("app", state="Applied")
        for number in (5, 4):
            await forger.channel.send(Report(number, (Outcome(KEY, uid, "a", Revision(1, uid, 10**9), "Failed", 1),)))
        await asyncio.sleep(1.0)
        assert (await pulled.row("app"))["state"] == "Applied"
        await forger.channel.send(Report(6, (Outcome(KEY, uid, "a", Revision(1, uid, 10**9), "Failed", 1),)))
        await pulled.row_becomes("app", state="Failed")


async def test_of_two_agents_of_one_cluster_the_later_one_is_heard(pulled: Pulled) -> None:
    await pulled.reachable("a", "True")
    async with calling(pulled, "a") as forger:
        answer = await forger.say_hello(life=1)
        assert isinstance(answer, Bye)
        assert answer.reason == "Superseded"
    first = pulled.agents["a"].ends[:]
    async with calling(pulled, "a") as forger:
        assert isinstance(await forger.say_hello(), Welcome)
        await forger.until(Ping)
        await eventually(lambda: len(pulled.agents["a"].ends) > len(first))  # the one before is sent away


@pytest.mark.parametrize(
    ("cluster", "hello", "reason"),
    [
        ("nobody", {}, "UnknownCluster"),
        ("a", {"hub": "feedbeef"}, "OtherHub"),
        ("a", {"member": MemberState(uid="another")}, "IdentityChanged"),
        ("a", {"versions": Versions(7, 9)}, "Version"),
    ],
)
async def test_who_is_not_meant_is_sent_away(pulled: Pulled, cluster: str, hello: dict[str, Any], reason: str) -> None:
    await pulled.reachable("a", "True")
    async with calling(pulled, cluster) as forger:
        answer = await forger.say_hello(**hello)
        assert isinstance(answer, Bye)
        assert answer.reason == reason
    await pulled.deploy("app", configmap("one", v="1"))
    await pulled.ready("app")


async def test_a_member_is_in_the_fleet_under_one_name(pulled: Pulled) -> None:
    await pulled.reachable("a", "True")
    await register(pulled.hub, "c")

    async def hosted() -> bool:
        return bool((await pulled.hub.get(CLUSTERS, "c")).finalizers)

    await eventually(hosted)
    async with calling(pulled, "a") as agent_of_a, calling(pulled, "c") as forger:
        answer = await forger.say_hello(member=agent_of_a.state())
        assert isinstance(answer, Bye)
        assert "already as a" in answer.text


async def test_an_identity_that_was_judged_is_not_changed_later(pulled: Pulled) -> None:
    """By another word than the Hello: it would have been refused there."""
    await pulled.reachable("b", "True")
    await register(pulled.hub, "c")

    async def hosted() -> bool:
        return bool((await pulled.hub.get(CLUSTERS, "c")).finalizers)

    await eventually(hosted)
    theirs = (await pulled.clients["b"].get(NAMESPACES, "kube-system")).uid
    async with calling(pulled, "c") as forger:
        assert isinstance(await forger.say_hello(member=MemberState(uid="fresh")), Welcome)
        await forger.channel.send(Beat(1, 0, MemberState(reachable=True, uid=theirs)))
        with pytest.raises(LinkError):
            async with asyncio.timeout(5):
                await forger.until(Bye)
    assert (await pulled.condition("c", "Reachable")).get("status") != "True"


@pytest.mark.parametrize(
    "nonsense", [b"\xff\xff\xff\xff\x00", b"\x00\x00\x00\x02\x00[]", b"GET / HTTP/1.1\r\n\r\n" * 4]
)
async def test_nonsense_ends_the_call_and_nothing_else(pulled: Pulled, nonsense: bytes) -> None:
    await pulled.reachable("b", "True")
    wire = Wire("b")
    assert pulled.side.accept(wire)
    stream = await wire.agent.open(CONTROL)
    await stream.write(nonsense)
    with pytest.raises(LinkError):
        await asyncio.wait_for(_read_all(stream), 5)
    await wire.close()
    await pulled.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await pulled.ready("app")


async def _read_all(stream: Stream) -> None:
    while await stream.read(1024):
        pass


async def test_stolen_applications_of_a_name_are_not_reported_under_another(pulled: Pulled) -> None:
    """A UID of its own, under the name of another application."""
    other = await pulled.deploy("other", configmap("two", v="1"), clusters=("b",))
    mine = await pulled.deploy("app", configmap("one", v="1"), clusters=("a",))
    await pulled.ready("other")
    await pulled.ready("app")
    before = await pulled.hub.get(APPLICATIONS, "other", NAMESPACE)
    await pulled.agents["a"].stop()
    async with calling(pulled, "a") as forger:
        await forger.say_hello()
        await forger.until(Synced)
        false = Outcome(Key(NAMESPACE, "other"), mine, "a", Revision(1, mine, 10**9), "Failed", 1)
        await forger.channel.send(Report(1, (false, applied("b", other))))
        await asyncio.sleep(0.8)
    after = await pulled.hub.get(APPLICATIONS, "other", NAMESPACE)
    assert after.resource_version == before.resource_version
