"""A hub with Atoll's definitions, a namespace of the test's own, and kubectl."""

import contextlib
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from atoll.api.crds import crds
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CRDS, NAMESPACES
from atoll.testing.binaries import Binaries
from tests.fleet.conftest import Fleet

Kubectl = Callable[..., str]


@pytest.fixture(scope="module")
async def hub(fleet: Fleet) -> AsyncIterator[Client]:
    async with fleet.client("hub") as client:
        for crd in crds():
            await client.apply(CRDS, crd, name=crd["metadata"]["name"], manager="atoll", force=True)
        for crd in crds():
            await established(client, crd["metadata"]["name"])
            await explained(client, crd)
        yield client


async def established(client: Client, name: str) -> dict[str, Any]:
    with anyio.fail_after(20):
        while True:
            status: dict[str, Any] = (await client.get(CRDS, name)).body().get("status") or {}
            conditions = {c["type"]: c for c in status.get("conditions") or ()}
            if conditions.get("Established", {}).get("status") == "True":
                return conditions
            await anyio.sleep(0.05)


async def explained(client: Client, crd: dict[str, Any]) -> None:
    """The server publishes the schemas of new kinds a little later."""
    spec = crd["spec"]
    path = f"/openapi/v3/apis/{spec['group']}/{spec['versions'][0]['name']}"
    with anyio.fail_after(60):
        while True:
            with contextlib.suppress(NotFound):
                if f'"kind":"{spec["names"]["kind"]}"' in await client.text(path):
                    return
            await anyio.sleep(0.1)


@pytest.fixture
async def demo(hub: Client, namespace: str) -> AsyncIterator[str]:
    await hub.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield namespace
    await hub.delete(NAMESPACES, namespace)


@pytest.fixture(scope="module")
def kubectl(fleet: Fleet) -> Kubectl:
    program = Binaries().find("kubectl")

    def run(*arguments: str, text: str = "") -> str:
        command = [str(program), "--kubeconfig", str(fleet.kubeconfig), "--context", "hub", *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=60).stdout

    return run
