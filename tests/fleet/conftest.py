"""A real fleet for the tests of this folder: a hub and three members, started once, or the one in $ATOLL_TEST_FLEET."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.objects import Resource
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines


class Fleet:
    """What a test may use of a local fleet."""

    def __init__(self, local: LocalFleet) -> None:
        self.local = local

    @property
    def kubeconfig(self) -> Path:
        return self.local.kubeconfig

    @property
    def contexts(self) -> tuple[str, ...]:
        return self.local.contexts

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(context for context in self.contexts if context != "hub")

    @asynccontextmanager
    async def client(self, context: str) -> AsyncIterator[Client]:
        """A client with all rights on the cluster `context`."""
        async with Client(load_kubeconfig(self.kubeconfig, context)) as client:
            yield client


@contextmanager
def fleet_of(shape: FleetShape, name: str, folders: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet of this shape for the tests of one folder; the one whose place $ATOLL_NAME_FLEET gives stays."""
    given = os.environ.get(f"ATOLL_{name.upper()}_FLEET")
    local = LocalFleet(Path(given) if given else folders.mktemp(name), Binaries(Lines()).find, Lines())
    try:
        local.up(shape)
        yield Fleet(local)
    finally:
        if not given:
            local.down(purge=True)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Shared by all tests: use namespaces and names of your own, and clean up."""
    programs = Binaries(Lines()).find
    given = os.environ.get("ATOLL_TEST_FLEET")
    if given:
        local = LocalFleet(Path(given), programs, Lines())
        if local.alive:
            yield Fleet(local)
            return
    local = LocalFleet(tmp_path_factory.mktemp("fleet"), programs, Lines())
    try:
        local.up(FleetShape(execs=True))
        yield Fleet(local)
    finally:
        local.down(purge=True)


@pytest.fixture
def namespace() -> str:
    """A name that no other test uses; the test creates the namespace where it needs it."""
    return f"test-{secrets.token_hex(5)}"


def definition(resource: Resource) -> Json:
    """A CustomResourceDefinition of `resource`, whose objects have any fields."""
    names = {"kind": resource.kind, "plural": resource.plural, "singular": resource.kind.lower()}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": resource.version, "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced",
            "names": {**names, "listKind": f"{resource.kind}List"},
            "versions": [version],
        },
    }
