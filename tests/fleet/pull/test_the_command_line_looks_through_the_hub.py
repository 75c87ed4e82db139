"""`atoll app diff`, `events`, `logs` and `tree` of members that only their agents reach; and who may not ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from atoll.agent.enrolling import Command, enrolled
from atoll.agent.main import Options, work
from atoll.agent.state import Folder
from atoll.fleet import tokens
from atoll.fleet.identity import hub_identity
from atoll.hub.agents.authority import authority
from atoll.hub.agents.endpoint import serve_agents
from atoll.kube.config import load_kubeconfig
from atoll.kube.connection import Config
from atoll.kube.errors import Unauthorized
from atoll.kube.resources import CONFIGMAPS
from atoll.kube.transport import Request, Transport
from atoll.link.certificates import fingerprint
from atoll.pull.framing import frame
from atoll.pull.protocol import Look
from atoll.runtime.supervise import cancel_and_wait
from tests.fleet.hub.world import configmap, deployment
from tests.fleet.pull.conftest import PulledWorld


@pytest.fixture
async def linked(world: PulledWorld, tmp_path: Path) -> AsyncIterator[PulledWorld]:
    """The first member's agent dials the hub's endpoint, as in earnest."""
    first, hub = world.members[0], world.side.hub
    assert hub is not None
    me = await hub_identity(world.hub)
    async with AsyncExitStack() as stack:
        hosts = ("127.0.0.1",)
        bound = await stack.enter_async_context(serve_agents(world.side.client, me.id, "127.0.0.1:0", hosts, hub))
        await world.agents[first].stop()
        token, _ = await tokens.create(world.hub, first)
        pin = fingerprint((await authority(world.hub, me.id)).certificate)
        folder = Folder(tmp_path / first)
        state = await enrolled(folder, Command(f"https://{bound}", first, token, pin))
        working = asyncio.create_task(
            work(Options(folder, load_kubeconfig(world.fleet.kubeconfig, first), None), state)
        )
        try:
            await world.eventually(lambda: hub.ends.listener.session(first))
            yield world
        finally:
            await cancel_and_wait(working)
            world.agents[first].start()


async def said(world: PulledWorld, *arguments: str, code: int = 0) -> str:
    return await asyncio.to_thread(partial(world.atoll, *arguments, code=code))


async def test_a_member_is_looked_into_through_its_agent(linked: PulledWorld) -> None:
    world, first = linked, linked.members[0]
    await world.deploy("app", [configmap("one", v="1"), deployment("web", replicas=1)], [first])
    await world.ready("app")
    assert await said(world, "app", "diff", "app") == ""
    await world.clients[first].patch(CONFIGMAPS, "one", world.namespace, {"metadata": {"labels": {"mine": "yes"}}})
    tree = await said(world, "app", "tree", "app")
    assert "ConfigMap/one" in tree and "Pod/web-" in tree
    events = await said(world, "app", "events", "app", "-c", first)
    assert "ScalingReplicaSet" in events
    logs = await said(world, "app", "logs", "app", "--tail", "2")
    assert "of a simulated Pod" in logs


async def test_who_has_no_token_of_the_account_is_not_answered(linked: PulledWorld) -> None:
    world, first = linked, linked.members[0]
    data = (await world.hub.get(CONFIGMAPS, "hub", "atoll-system")).body()["data"]
    address, ca = data["agents-addresses"], data["agents-authority"].encode()
    path = "/api/v1/namespaces/atoll-system/serviceaccounts/default/token"
    other = await world.hub.request("POST", path, body={"spec": {"audiences": ["atoll"]}})
    path = path.replace("default", "atoll-members")
    wrong_audience = await world.hub.request("POST", path, body={"spec": {}})
    for token in ("", "nonsense", other["status"]["token"], wrong_audience["status"]["token"]):
        config = Config(server=address, ca=ca, token=token)
        async with Transport(config, user_agent="test", connections=1, timeout=5) as transport:
            with pytest.raises(Unauthorized):
                await transport.send(Request("ask", "POST", f"/ask/{first}", body=frame(Look("u"))))
