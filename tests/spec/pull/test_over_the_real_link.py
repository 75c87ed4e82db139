"""The same over the real link: a token, a certificate, a TLS WebSocket; a hub that starts anew; an agent that left."""

import asyncio
import time

from atoll.agent.main import Options, work
from atoll.agent.state import Folder, State
from atoll.fleet.leave import leave
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.supervise import cancel_and_wait
from tests.delivering import eventually

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
