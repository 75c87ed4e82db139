"""The same over the real link: a token, a certificate, a TLS WebSocket; a hub that starts anew; an agent that left."""

import asyncio
import datetime as dt
import time

import msgspec
import pytest

from atoll.agent import enrolling
from atoll.agent.main import Options, work
from atoll.agent.state import Folder, State
from atoll.fleet.leave import leave
from atoll.kube.resources import CONFIGMAPS
from atoll.link import certificates
from atoll.link.certificates import Authority
from atoll.link.dialling import DialError
from atoll.runtime.supervise import cancel_and_wait
from atoll.testing.badwire import BadWire
from tests.delivering import eventually
from tests.spec.kube.test_proxies import Proxy

from .conftest import NAMESPACE, configmap
from .linked import Linked


async def test_applications_travel_and_statuses_come_back(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await linked.clients["b"].patch(CONFIGMAPS, "one", NAMESPACE, {"data": {"v": "spoilt"}})
    await linked.data_becomes("b", "one", v="1")


async def test_a_hub_ends_at_once_although_agents_are_connected(linked: Linked) -> None:
    hub = linked.side.hub
    assert hub is not None
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    assert hub.ends.listener.session("a")
    assert hub.ends.listener.session("b")
    began = time.monotonic()
    await linked.stop_hub()
    assert time.monotonic() - began < 2.5  # the next one waits for its Lease


async def test_a_hub_that_starts_anew_finds_its_agents_and_they_it(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await linked.stop_hub()
    await linked.clients["a"].patch(CONFIGMAPS, "one", NAMESPACE, {"data": {"v": "spoilt"}})
    await linked.data_becomes("a", "one", v="1")
    await linked.deploy("app", configmap("one", v="2"), clusters=("a", "b"))
    await linked.start_hub()
    await linked.ready("app", 30.0)
    assert await linked.data("a", "one") == await linked.data("b", "one") == {"v": "2"}


async def test_a_certificate_of_one_cluster_speaks_for_no_other(linked: Linked) -> None:
    """The agent of `a`, told that it is `b`'s, in another member: its certificate says whose it is."""
    await linked.deploy("app", configmap("one", v="of b"), clusters=("b",))
    await linked.ready("app")
    await cancel_and_wait(linked.working.pop("a"))
    stolen = await Folder(linked.folder / "a").load()
    assert stolen is not None
    state = State("b", stolen.mode, stolen.hub, stolen.addresses, stolen.ca, stolen.key, stolen.certificate)
    options = Options(Folder(linked.folder / "forged"), linked.apis["a"].config, None)
    linked.working["forged"] = asyncio.create_task(work(options, state))
    await linked.deploy("mine", configmap("two", v="1"), clusters=("a",))
    await linked.ready("mine")
    assert await linked.data("a", "one") is None


async def test_the_address_by_which_an_agent_came_in_stays_one_of_its_hubs(linked: Linked) -> None:
    """A way of its own, through somebody's port, that the hub doesn't know of."""
    async with BadWire("127.0.0.1", linked.port) as way:
        state = await linked.enrol("b", f"https://127.0.0.1:{way.port}")
        assert state.addresses == (f"https://127.0.0.1:{way.port}", f"https://127.0.0.1:{linked.port}")
        assert state.told(("https://hub.example",)) == (f"https://127.0.0.1:{way.port}", "https://hub.example")


async def test_behind_a_proxy_all_goes_by_it(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enrolment, and the link, to a hub whose name nobody here could resolve."""
    await cancel_and_wait(linked.working.pop("b"))
    await linked.stop_hub()
    linked.hosts = ("127.0.0.1", "hub.example")
    await linked.start_hub()
    proxy = Proxy(linked.port)
    async with await asyncio.start_server(proxy.talk, "127.0.0.1", 0) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        state = await linked.enrol("b", "https://hub.example:443")
        assert [head.split()[1] for head in proxy.heads] == ["hub.example:443"] * 2
        linked.dial("b", msgspec.structs.replace(state, addresses=state.addresses[:1]))
        await linked.deploy("app", configmap("one", v="1"), clusters=("b",))
        await linked.ready("app")
        assert len(proxy.heads) == 3
        await cancel_and_wait(linked.working.pop("b"))


async def test_a_proxy_that_refuses_and_a_clock_that_is_wrong_are_named(
    linked: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def named(address: str = "") -> str:
        with pytest.raises(DialError) as caught:
            await linked.enrol("b", address)
        return caught.value.reason

    monkeypatch.setattr(enrolling, "PATIENCE", 0.0)
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert await named("https://hub.example:443") == "Proxy"
    monkeypatch.delenv("HTTPS_PROXY")
    day, minute = dt.timedelta(days=1), dt.timedelta(minutes=1)
    issue = Authority.server
    for skew, life, reason in ((-day, 2 * day, "CertificateNotYetValid"), (day, -minute, "CertificateExpired")):
        await linked.stop_hub()
        with monkeypatch.context() as clock:
            clock.setattr(certificates, "SKEW", skew)
            clock.setattr(Authority, "server", lambda self, hosts, life=life: issue(self, hosts, life))
            await linked.start_hub()
        assert await named() == reason


async def test_who_has_left_is_let_in_no_more(linked: Linked) -> None:
    await linked.deploy("app", configmap("one", v="1"), clusters=("a", "b"))
    await linked.ready("app")
    await leave(linked.hub, "a", timeout=20)
    found = await linked.find("a", CONFIGMAPS, "one")
    assert found is not None
    assert not found["metadata"].get("labels")
    hub = linked.side.hub
    assert hub is not None
    await eventually(lambda: hub.ends.listener.session("a") is None)
    await asyncio.sleep(1.0)
    assert hub.ends.listener.session("a") is None
    assert hub.ends.listener.session("b") is not None
