"""An agent's certificate, shown where it isn't meant: for tokens, certificates, links and members of other clusters.

And what it is for: it is renewed while streams run, and how its bearer is doing is told.
"""

import asyncio
import datetime as dt
import time

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from atoll.agent.connecting import Connector
from atoll.agent.state import Folder
from atoll.fleet import tokens
from atoll.fleet.identity import ensure_namespace
from atoll.fleet.leave import leave
from atoll.hub.agents.trust import Trust
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import ApiError, Unauthorized
from atoll.kube.objects import Object
from atoll.kube.resources import CLUSTERS, SECRETS
from atoll.kube.transport import Request as Asked
from atoll.kube.transport import Transport
from atoll.link.certificates import Authority, identity_of, make_authority, make_key, make_request
from atoll.link.dialling import DialError, dial
from atoll.link.enrolment import RENEW_PATH, Request, Welcome, enrol
from atoll.link.session import Lost, Refused, Stream
from atoll.link.sessions import LinkSession
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.fakeapi import FakeApi
from atoll.testing.pulledfleet import install, register
from tests.delivering import eventually

from .linked import Linked


async def config_of(linked: Linked, cluster: str) -> Config:
    state = await Folder(linked.folder / cluster).load()
    assert state is not None
    return state.config(f"https://127.0.0.1:{linked.port}")


async def test_with_it_no_token_of_another_cluster_can_be_spent(linked: Linked) -> None:
    token, record = await tokens.create(linked.hub, "b")
    with pytest.raises(DialError) as refused:
        await enrol(await config_of(linked, "a"), token=token, cluster="a", request=make_request(make_key()))
    assert refused.value.reason == "WrongCluster"
    assert tokens.read(await linked.hub.get(SECRETS, f"join-{record.id}", "atoll-system")).state == "waiting"


async def test_with_it_no_certificate_of_another_cluster_nor_for_another_key_is_had(linked: Linked) -> None:
    config = await config_of(linked, "a")
    async with Transport(config, user_agent="test", connections=1, timeout=10.0) as transport:

        async def renewed(request: Request) -> Welcome:
            body = msgspec.json.encode(request)
            headers = {"Content-Type": "application/json"}
            answer = await transport.send(Asked("renew", "POST", RENEW_PATH, body=body, headers=headers))
            return msgspec.json.decode(answer.body, type=Welcome)

        assert config.client_key is not None
        own = make_request(config.client_key).decode()
        welcome = await renewed(Request(own, cluster="b"))
        pem = welcome.certificate.encode()
        der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
        assert identity_of(der)[0].cluster == "a"  # whatever it asks for
        with pytest.raises(ApiError) as refused:
            await renewed(Request(make_request(make_key()).decode()))
        assert refused.value.status == 403


async def test_with_it_nobody_reaches_a_member_nor_asks_about_one(linked: Linked) -> None:
    async with Transport(await config_of(linked, "a"), user_agent="test", connections=1, timeout=10.0) as transport:
        for cluster in ("a", "b"):
            for path in (f"/clusters/{cluster}/kube/api/v1/secrets", f"/ask/{cluster}"):
                with pytest.raises(Unauthorized):
                    await transport.send(Asked("get", "GET", path))


async def test_a_link_made_with_it_is_its_own_clusters(linked: Linked) -> None:
    """A second agent with `a`'s certificate takes `a`'s place; `b` notices nothing."""
    hub = linked.side.hub
    assert hub is not None
    await eventually(lambda: hub.ends.listener.session("b"))
    before = hub.ends.listener.session("b")
    state = await Folder(linked.folder / "a").load()
    assert state is not None
    session = LinkSession(state.hub)
    await dial(state.config(f"https://127.0.0.1:{linked.port}"), session, instance="another")
    await eventually(lambda: (found := hub.ends.listener.arrival("a")) is not None and found.instance == "another")
    assert hub.ends.listener.session("b") is before
    session.close(Lost("Closed", "the test is over"))


async def test_with_it_nothing_of_the_hubs_network_is_reached(linked: Linked) -> None:
    """The hub accepts the two targets that it has; it dials nothing for an agent, not even itself."""
    await cancel_and_wait(linked.working.pop("a"))
    state = await Folder(linked.folder / "a").load()
    assert state is not None
    session = LinkSession(state.hub)
    await dial(state.config(f"https://127.0.0.1:{linked.port}"), session, instance="another")
    for target in (f"tcp/127.0.0.1:{linked.port}", "tcp/localhost:22", "ask/1", "pull/2", ""):
        with pytest.raises(Refused) as refused:
            await session.open(target)
        assert refused.value.reason == "NotAllowed"
    session.close(Lost("Closed", "the test is over"))


async def test_it_is_renewed_at_70_percent_of_its_life_while_a_stream_runs(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = linked.side.hub
    assert hub is not None
    life = dt.timedelta(seconds=3)
    issue = Authority.agent
    monkeypatch.setattr(Authority, "agent", lambda self, request, identity: issue(self, request, identity, life))
    await cancel_and_wait(linked.working.pop("b"))
    state = await linked.enrol("b")
    folder = Folder(linked.folder / "b")

    connector = Connector(folder, state, serve=echoing, attend=idle)
    linked.working["b"] = asyncio.create_task(connector.run())

    def here() -> LinkSession | None:
        found = hub.ends.listener.arrival("b")
        return hub.ends.listener.session("b") if found is not None else None

    await eventually(here)
    session = here()
    assert session is not None
    stream = await session.open("echo")
    until = time.monotonic() + 5.5  # two renewals, at 2.1 and 4.2 s; the first certificate ends after 3
    certificates = set()
    while time.monotonic() < until:
        await stream.write(b"tick")
        assert await asyncio.wait_for(stream.read(4), 2.0) == b"tick"
        certificates.add(connector.state.certificate)
        assert here() is session  # never without a connection
        await asyncio.sleep(0.05)
    assert len(certificates) >= 3
    hub.ends.listener.close("b", Lost("Revoked", "another agent was registered"))
    with pytest.raises(Lost):  # although it is on a connection that was renewed since
        await asyncio.wait_for(stream.read(), 2.0)
    kept = await folder.load()
    assert kept is not None
    assert kept.certificate == connector.state.certificate


async def test_a_link_ends_with_the_certificate_that_was_not_renewed(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = dt.timedelta(seconds=1.5)
    issue = Authority.agent
    monkeypatch.setattr(Authority, "agent", lambda self, request, identity: issue(self, request, identity, life))
    await cancel_and_wait(linked.working.pop("b"))
    state = await linked.enrol("b")
    session = LinkSession(state.hub)
    await dial(state.config(f"https://127.0.0.1:{linked.port}"), session, instance="renews nothing")
    async with asyncio.timeout(5):
        await session.wait_lost()
    connector = Connector(Folder(linked.folder / "b"), state, serve=echoing, attend=idle)
    linked.working["b"] = asyncio.create_task(connector.run())
    await eventually(connector.doors)
    assert [door.reason for door in connector.doors()] == ["ClientCertificateRefused"]
    assert "atoll cluster register b" in connector.doors()[0].message


async def idle(session: LinkSession) -> None:
    await session.wait_lost()


def echoing(session: LinkSession) -> None:
    async def echo(stream: Stream) -> None:
        while data := await stream.read(1 << 16):
            await stream.write(data)

    session.serve(echo, lambda target: target == "echo")


async def test_how_its_bearer_is_doing_is_told(linked: Linked) -> None:
    hub = linked.side.hub
    assert hub is not None
    await eventually(lambda: (s := hub.ends.listener.sight("a")) is not None and s.round_trip > 0)
    seen = hub.ends.listener.sight("a")
    assert seen is not None
    assert seen.connected
    assert seen.connections == 1
    assert abs(seen.heard - time.time()) < 10
    assert 23 * 3600 < seen.certificate - time.time() < 25 * 3600
    assert seen.received > 0 < seen.sent
    await cancel_and_wait(linked.working.pop("a"))
    await eventually(lambda: (s := hub.ends.listener.sight("a")) is not None and not s.connected)
    assert hub.ends.listener.sight("nobody") is None


async def spend(linked: Linked, cluster: str, token: str, key: bytes) -> Welcome:
    hub = (await config_of(linked, cluster)).server
    ca = (await config_of(linked, cluster)).ca
    return await enrol(Config(server=hub, ca=ca), token=token, cluster=cluster, request=make_request(key))


async def test_who_was_replaced_does_not_come_back_by_the_token_that_let_him_in(linked: Linked) -> None:
    first, second = make_key(), make_key()
    old, _ = await tokens.create(linked.hub, "a")
    await spend(linked, "a", old, first)
    await spend(linked, "a", old, first)  # the answer was lost: it asks again
    new, _ = await tokens.create(linked.hub, "a")
    await spend(linked, "a", new, second)
    with pytest.raises(DialError) as refused:
        await spend(linked, "a", old, first)
    assert refused.value.reason == "TokenUsed"
    await spend(linked, "a", new, second)


async def test_no_token_of_a_cluster_that_left_brings_anybody_in_when_its_name_is_registered_again(
    linked: Linked,
) -> None:
    key, spare = make_key(), (await tokens.create(linked.hub, "b"))[0]
    used, _ = await tokens.create(linked.hub, "b")
    await spend(linked, "b", used, key)
    await leave(linked.hub, "b", "force", timeout=20)
    await register(linked.hub, "b")
    await eventually(lambda: linked.hosted("b"))
    for token in (used, spare):
        with pytest.raises(DialError) as refused:
            await spend(linked, "b", token, key)
        assert refused.value.reason == "TokenUnknown"


async def test_who_was_let_in_is_known_before_he_is_told() -> None:
    """He dials at once; taken for one who was replaced, he would wait for half a minute."""
    async with FakeApi() as api, Client(api.config) as hub:
        await install(hub)
        await ensure_namespace(hub)
        await register(hub, "c")
        live = await hub.get(CLUSTERS, "c")
        looks = 0

        def bearer(_: str) -> Object | None:
            nonlocal looks
            looks += 1
            return written if looks > 3 else None

        key = make_key()
        written: Object | None = None
        token, _ = await tokens.create(hub, "c")
        trust = Trust(hub, "hub", Authority(make_authority("test")), lambda _: live, bearer, lambda: "")
        enrolling = asyncio.create_task(trust.enrol(Request(make_request(key).decode(), "c", token)))
        await eventually(lambda: looks)
        assert not enrolling.done()
        written = await hub.get(SECRETS, tokens.bearer_name("c"), "atoll-system")
        await enrolling
        assert looks > 3
