"""A hub that listens for agents; no member has joined. Tests register what they need under names of their own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atoll.kube.client import Client
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, prepare


@pytest.fixture(scope="module")
def hub(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    asyncio.run(prepare(fleet, joined=False))
    process = HubProcess(fleet.kubeconfig, Path(tmp_path_factory.mktemp("hub")) / "hub.log")
    process.start()
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
async def client(hub: HubProcess, fleet: Fleet) -> AsyncIterator[Client]:
    """Of the hub's API server."""
    async with fleet.client("hub") as made:
        yield made
