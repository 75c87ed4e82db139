"""Atoll on a local fleet: its kinds, the members as Clusters in all modes, the processes of hub and agents."""

import asyncio
import http.client
import os
import sys
import time

from atoll.agent.state import Folder, State
from atoll.api.cluster import Cluster
from atoll.api.crds import crds
from atoll.api.names import FIELD_MANAGER, SYSTEM_NAMESPACE
from atoll.fleet.connect import connect
from atoll.fleet.join import Description, join
from atoll.fleet.register import register
from atoll.fleet.tokens import LIFE_MOST, bearer_name, speaks_for
from atoll.install.kinds import served
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.resources import CLUSTERS, CRDS, NAMESPACES, SECRETS
from atoll.link.certificates import lifetime, make_request, request_fingerprint
from atoll.testing.localfleet.fleet import ComponentError, LocalFleet
from atoll.testing.localfleet.shape import HUB, ClusterShape
from atoll.testing.progress import Progress

PROCESS = "hub/atoll"
MODES = {"member2": "tunnel", "member3": "pull"}
"""How members are reached that aren't Clusters yet; all others directly."""


async def install_kinds(hub: Client, *, patience: float = 30.0) -> None:
    """Atoll's CustomResourceDefinitions, and wait until they are served."""
    names = []
    for definition in crds():
        name = definition["metadata"]["name"]
        await hub.apply(CRDS, definition, name=name, manager=FIELD_MANAGER, force=True)
        names.append(name)
    give_up_at = time.monotonic() + patience
    for name in names:
        while not await served(hub, name):
            if time.monotonic() > give_up_at:
                raise ComponentError(f"the hub does not serve {name} after {patience:.0f} s")
            await asyncio.sleep(0.05)


async def modes(fleet: LocalFleet, hub: Client) -> dict[str, str]:
    """How each member is reached, or is to be: a Cluster that exists keeps its mode."""
    present = {live.name: live.read(Cluster).spec.connection.mode for live in (await hub.list(CLUSTERS)).items}
    members = (shape.name for shape in fleet.clusters if shape.name != HUB)
    return {name: present.get(name) or MODES.get(name, "direct") for name in members}


async def join_members(fleet: LocalFleet, hub: Client, progress: Progress) -> None:
    """Make each direct member a Cluster of the hub. Those whose credential still holds are left as they are."""
    wanted = await modes(fleet, hub)
    for shape in fleet.clusters:
        if wanted.get(shape.name) == "direct" and not await _joined(hub, shape.name):
            config = load_kubeconfig(fleet.kubeconfig, shape.name)
            async with Client(config) as member:
                await join(hub, member, config, shape.name, provider=shape.place.provider, labels=_labels(shape))
            progress.step(f"{shape.name} joined directly ({shape.place.provider}, {shape.place.region})")


async def start_agents(fleet: LocalFleet, hub: Client, progress: Progress, *, patience: float = 60.0) -> None:
    """An agent for each other member, as a process, and wait until its Cluster is Ready."""
    wanted = await modes(fleet, hub)
    shapes = [shape for shape in fleet.clusters if wanted.get(shape.name, "direct") != "direct"]
    for shape in shapes:
        await _start_agent(fleet, hub, shape, wanted[shape.name])
    give_up_at = time.monotonic() + patience
    for shape in shapes:
        while not await _ready(hub, shape.name):
            name = agent_process(shape.name)
            if name not in fleet.running or time.monotonic() > give_up_at:
                raise ComponentError(f"{shape.name} is not ready. {fleet.last_words(name)}")
            await asyncio.sleep(0.1)
        progress.step(
            f"{shape.name} came by an agent, mode {wanted[shape.name]} ({shape.place.provider}, {shape.place.region})"
        )


async def _start_agent(fleet: LocalFleet, hub: Client, shape: ClusterShape, mode: str) -> None:
    """From what it keeps, when it still is the one that speaks for the Cluster; else it is registered."""
    name, folder = shape.name, Folder(fleet.folder / shape.name / "agent")
    environment = dict(os.environ)
    if not await _speaks(hub, name, await folder.load()):
        if agent_process(name) in fleet.running:
            await asyncio.to_thread(fleet.stop, agent_process(name))
        described = Description(provider=shape.place.provider)
        made = await register(hub, name, mode, described=described, labels=_labels(shape), life=LIFE_MOST)
        environment |= {"ATOLL_AGENT_TOKEN": made.token, "ATOLL_AGENT_HUB_CA": made.pin}
    args = [
        *(sys.executable, "-m", "atoll", "agent", "run"),
        *("--kubeconfig", str(fleet.kubeconfig), "--context", name),
        *("--hub", f"https://127.0.0.1:{fleet.port('atoll/agents')}", "--cluster", name),
        *("--state-dir", str(folder.path)),
    ]
    await asyncio.to_thread(fleet.run, agent_process(name), args, environment=environment)


def agent_process(member: str) -> str:
    """The component that is the agent of `member`."""
    return f"{member}/agent"


def start_hub(fleet: LocalFleet, *, patience: float = 60.0) -> None:
    """`atoll hub` as a process of the fleet, and wait until it is ready."""
    health, webhook, agents = fleet.port("atoll"), fleet.port("atoll/webhook"), fleet.port("atoll/agents")
    args = [
        *(sys.executable, "-m", "atoll", "hub"),
        *("--kubeconfig", str(fleet.kubeconfig), "--context", HUB),
        *("--metrics-address", f"127.0.0.1:{health}"),
        *("--webhook-address", f"127.0.0.1:{webhook}"),
        *("--agents-address", f"127.0.0.1:{agents}"),
        "--no-leader-elect",  # it is the only one: no waiting for the lease of one that was killed
    ]
    process = fleet.run(PROCESS, args, environment=dict(os.environ))
    give_up_at = time.monotonic() + patience
    while not hub_ready(health):
        if not process.alive:
            raise ComponentError(f"the hub ended. {fleet.last_words(PROCESS)}")
        if time.monotonic() > give_up_at:
            raise ComponentError(f"the hub is not ready after {patience:.0f} s. {fleet.last_words(PROCESS)}")
        time.sleep(0.1)


def hub_ready(port: int) -> bool:
    """What `/readyz` of the hub's process at `port` says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


async def _joined(hub: Client, name: str) -> bool:
    """The credential that the hub holds for `name` opens it. Authorities differ, so that it can't be another's door."""
    try:
        async with await connect(hub, name) as member:
            await member.get(NAMESPACES, "kube-system")
    except KubeError:
        return False
    return True


async def _speaks(hub: Client, name: str, state: State | None) -> bool:
    """Whether an agent with `state` is the one that was let in last for the Cluster that there is."""
    if state is None:
        return False
    try:
        uid = (await hub.get(CLUSTERS, name)).uid
        bearer = await hub.get(SECRETS, bearer_name(name), SYSTEM_NAMESPACE)
    except NotFound:
        return False
    alive = lifetime(state.certificate.encode())[1] > time.time()
    return alive and speaks_for(bearer, uid, request_fingerprint(make_request(state.key.encode())))


async def _ready(hub: Client, name: str) -> bool:
    conditions = (await hub.get(CLUSTERS, name)).read(Cluster).status.conditions
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


def _labels(shape: ClusterShape) -> dict[str, str]:
    return {"env": "prod" if shape.index % 2 else "test"}
