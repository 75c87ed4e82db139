"""A fleet of its own: a host that is a member too, one more member, both joined as KubeFed joins them, and a spare one.

$ATOLL_KUBEFED_FLEET is the folder of one that runs already.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import split_api_version
from atoll.install.layout import HUB, Layout
from atoll.install.manifests import objects
from atoll.testing.localfleet import FleetShape
from tests.fleet.conftest import Fleet, fleet_of
from tests.fleet.hub.world import HubProcess
from tests.fleet.kubefed.world import CONTROL_PLANE, HOST, FederatedWorld, furnish

SHAPE = FleetShape(members=2, nodes=1, host="shared")


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(SHAPE, "kubefed", tmp_path_factory) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    folder = tmp_path_factory.mktemp("hub")
    asyncio.run(furnish(fleet))
    asyncio.run(grant(fleet, folder / "kubeconfig"))
    process = HubProcess(folder / "kubeconfig", folder / "hub.log")
    process.start("--kubefed", CONTROL_PLANE)
    try:
        yield process
    finally:
        process.stop()


async def grant(fleet: Fleet, kubeconfig: Path) -> None:
    """What `atoll install --kubefed` gives the hub, and no more, is what it has in all these tests."""
    async with fleet.client(HOST) as host:
        for body in objects(Layout(kubefed=CONTROL_PLANE, agents=("127.0.0.1",))):
            if body["kind"] == "Deployment":
                continue
            resource = await host.discovery.resource(*split_api_version(body["apiVersion"])[:1], body["kind"])
            metadata = body["metadata"]
            await host.apply(
                resource, body, name=metadata["name"], namespace=metadata.get("namespace", ""), manager="test",
                force=True,
            )  # fmt: skip
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{HUB}/token"
        answer = await host.request("POST", path, body={"spec": {"expirationSeconds": 7200}})
        config = msgspec.structs.replace(
            host.config, token=answer["status"]["token"], client_certificate=b"", client_key=b""
        )
        kubeconfig.write_bytes(config.to_kubeconfig(HOST))


@pytest.fixture
async def world(hub: HubProcess, fleet: Fleet, namespace: str) -> AsyncIterator[FederatedWorld]:
    """The one federated namespace on the host and the member, which all tests share, and a name for each's objects."""
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(fleet.client(name)) for name in fleet.contexts}
        world = FederatedWorld(hub, clients, name=namespace)
        await world.open()
        try:
            yield world
        finally:
            await world.close()
