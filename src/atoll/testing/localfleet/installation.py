"""Atoll on a local fleet: its kinds on the hub, the members joined as Clusters, the hub's own process."""

import asyncio
import http.client
import os
import sys
import time

from atoll.api.crds import crds
from atoll.api.names import FIELD_MANAGER
from atoll.fleet.connect import connect
from atoll.fleet.join import join
from atoll.install.kinds import served
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import KubeError
from atoll.kube.resources import CRDS, NAMESPACES
from atoll.testing.localfleet.fleet import ComponentError, LocalFleet
from atoll.testing.localfleet.shape import HUB
from atoll.testing.progress import Progress

PROCESS = "hub/atoll"


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


async def join_members(fleet: LocalFleet, hub: Client, progress: Progress) -> None:
    """Make each member a Cluster of the hub. Those whose credential still holds are left as they are."""
    for shape in fleet.clusters:
        if shape.name != HUB and not await _joined(hub, shape.name):
            config = load_kubeconfig(fleet.kubeconfig, shape.name)
            labels = {"env": "prod" if shape.index % 2 else "test"}
            async with Client(config) as member:
                await join(hub, member, config, shape.name, provider=shape.place.provider, labels=labels)
            progress.step(f"{shape.name} joined ({shape.place.provider}, {shape.place.region})")


def start_hub(fleet: LocalFleet, *, patience: float = 60.0) -> None:
    """`atoll hub` as a process of the fleet, and wait until it is ready."""
    health, webhook = fleet.port("atoll"), fleet.port("atoll/webhook")
    args = [
        *(sys.executable, "-m", "atoll", "hub"),
        *("--kubeconfig", str(fleet.kubeconfig), "--context", HUB),
        *("--metrics-address", f"127.0.0.1:{health}"),
        *("--webhook-address", f"127.0.0.1:{webhook}"),
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
