"""`kubefedctl join` and `unjoin`, on real clusters."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from atoll.api.kubefed.cluster import KubeFedCluster
from atoll.install.kinds import InstallError
from atoll.install.kubefed.joining import Joining, join
from atoll.install.kubefed.unjoining import Unjoining, unjoin
from atoll.kube.client import Client
from atoll.kube.config import Config
from atoll.kube.errors import AlreadyExists, Forbidden, NotFound, Unauthorized
from atoll.kube.kubefed_resources import KUBEFEDCLUSTERS
from atoll.kube.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, CONFIGMAPS, NAMESPACES, NODES, SECRETS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess
from tests.fleet.kubefed.commands import Words, called, control_plane, started
from tests.fleet.kubefed.world import HOST, MEMBER


@pytest.fixture
async def clients(hub: HubProcess, fleet: Fleet) -> AsyncIterator[tuple[Client, Client]]:
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(fleet.client(HOST)),
            await stack.enter_async_context(fleet.client(MEMBER)),
        )


async def reached(host: Client, namespace: str, name: str = "m") -> Config:
    """How the control plane reaches the cluster that was joined."""
    spec = (await host.get(KUBEFEDCLUSTERS, name, namespace)).read(KubeFedCluster).spec
    data = (await host.get(SECRETS, spec.secret_ref.name, namespace)).body()["data"]
    token = base64.b64decode(data["token"]).decode()
    return Config(server=spec.api_endpoint, ca=base64.b64decode(spec.ca_bundle), token=token)


async def test_a_cluster_is_joined_and_let_go_by_command(fleet: Fleet, clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member) as namespace:
        line = f"m --cluster-context {MEMBER} --host-cluster-context={HOST} --kubefed-namespace {namespace} --v=2"
        joined = await started(fleet, "kubefedctl", f"join {line}")
        assert (joined.code, joined.output) == (0, ""), joined.errors
        assert "kubefedctl] Created federated cluster resource" in joined.errors
        config = await reached(host, namespace)
        async with Client(config) as found:
            await found.list(NODES)
            await found.list(SECRETS)
        again = await called(fleet, f"join {line}")
        assert again.code == 1
        assert f"service account: m-{HOST} already exists in joining cluster: m" in again.errors

        gone = await called(fleet, f"unjoin {line}")
        assert (gone.code, gone.output) == (0, ""), gone.errors
        for resource, name, where in (
            (KUBEFEDCLUSTERS, "m", namespace),
            (CLUSTERROLES, f"kubefed-controller-manager:m-{HOST}", ""),
            (CLUSTERROLEBINDINGS, f"kubefed-controller-manager:m-{HOST}", ""),
        ):
            with pytest.raises(NotFound):
                await (member if resource in (CLUSTERROLES, CLUSTERROLEBINDINGS) else host).get(resource, name, where)

        async def refused() -> bool:
            async with Client(config) as found:
                try:
                    await found.list(NODES)
                except (Unauthorized, Forbidden):
                    return True
                return False

        await eventually(refused, 15)

        async def no_namespace() -> bool:
            try:
                return (await member.get(NAMESPACES, namespace)).deleting
            except NotFound:
                return True

        assert await no_namespace()


async def test_joining_again_takes_what_is_there_when_it_is_told_to(clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member) as namespace:
        await join(host, member, Joining("m", HOST, namespace), Words())
        before = await reached(host, namespace)
        secrets = {live.name for live in (await host.list(SECRETS, namespace)).items}
        await join(host, member, Joining("m", HOST, namespace, strict=False), Words())
        assert await reached(host, namespace) == before
        assert {live.name for live in (await host.list(SECRETS, namespace)).items} == secrets
        await host.delete(KUBEFEDCLUSTERS, "m", namespace)
        with pytest.raises((InstallError, AlreadyExists)):
            await join(host, member, Joining("m", HOST, namespace), Words())
        await unjoin_all(host, member, namespace)


async def unjoin_all(host: Client, member: Client, namespace: str) -> None:
    await join(host, member, Joining("m", HOST, namespace, strict=False), Words())
    await unjoin(host, member, Unjoining("m", HOST, namespace), Words())


async def test_a_namespace_in_which_others_keep_something_stays(clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member) as namespace:
        await join(host, member, Joining("m", HOST, namespace), Words())
        kept = {"metadata": {"name": "kept", "namespace": namespace}, "data": {"a": "b"}}
        await member.create(CONFIGMAPS, kept)
        words = Words()
        await unjoin(host, member, Unjoining("m", HOST, namespace), words)
        assert f"namespace {namespace} stays in cluster m: it holds ConfigMap kept" in words.said
        assert not (await member.get(NAMESPACES, namespace)).deleting
        with pytest.raises(InstallError, match="there is no KubeFedCluster"):
            await unjoin(host, member, Unjoining("m", HOST, namespace), Words())


async def test_in_a_control_plane_of_one_namespace_a_member_gives_that_alone(clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member, scope="Namespaced") as namespace:
        await join(host, member, Joining("m", HOST, namespace), Words())
        async with Client(await reached(host, namespace)) as found:
            await found.list(CONFIGMAPS, namespace)
            assert await found.text("/healthz") == "ok"
            with pytest.raises(Forbidden):
                await found.list(CONFIGMAPS)
        await unjoin(host, member, Unjoining("m", HOST, namespace), Words())
        health = f"kubefed-controller-manager:{namespace}:healthcheck-m-{HOST}"
        with pytest.raises(NotFound):
            await member.get(CLUSTERROLES, health)


async def test_a_dead_cluster_can_be_forgotten(clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member) as namespace:
        await join(host, member, Joining("m", HOST, namespace), Words())
        await unjoin(host, None, Unjoining("m", HOST, namespace, force=True), Words())
        assert not (await host.list(KUBEFEDCLUSTERS, namespace)).items
        await unjoin_all(host, member, namespace)


async def test_a_dry_run_does_nothing(clients: tuple[Client, Client]) -> None:
    host, member = clients
    async with control_plane(host, member) as namespace:
        await join(host, member, Joining("m", HOST, namespace, dry_run=True), Words())
        with pytest.raises(NotFound):
            await member.get(NAMESPACES, namespace)
        assert not (await host.list(KUBEFEDCLUSTERS, namespace)).items
