"""A fake API server, and a member behind it."""

from collections.abc import AsyncIterator

import pytest

from atoll.kube.client import Client
from atoll.testing.fakeapi import FakeApi
from tests.delivering import Site


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def site(api: FakeApi) -> AsyncIterator[Site]:
    async with Client(api.config) as client, Client(api.config) as plain:
        yield Site("c1", client, plain)
