"""`atoll uninstall`: refused while something would be lost, and never at the members' cost."""

from collections.abc import Iterator

import pytest

from atoll.api.names import LABEL_APP, SYSTEM_NAMESPACE
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.resources import (
    APPLICATIONS,
    CLUSTERROLES,
    CLUSTERS,
    CONFIGMAPS,
    CRDS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
    SERVICEACCOUNTS,
    VALIDATINGWEBHOOKS,
)
from tests.fleet.install.installed import Installed, deploy, exists, make_namespace, ready

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}}


@pytest.fixture(scope="module")
def hub(installed: Installed) -> Iterator[Installed]:
    installed.install()
    installed.start()
    installed.join()
    yield installed
    installed.stop()


async def _delivered(client: Client) -> None:
    await make_namespace(client, "kept")
    await deploy(client, "kept", "app", manifests=[CONFIGMAP])
    await ready(client, "kept", "app")


async def _uid(member: Client) -> str:
    return (await member.get(CONFIGMAPS, "kept", "kept")).uid


async def test_it_is_refused_while_something_is_managed(hub: Installed) -> None:
    async with hub.client() as client:
        await _delivered(client)
        told = hub.atoll("uninstall", code=1)
        assert "there is 1 Application (kept/app) and 1 Cluster (member1)" in told
        assert "--keep-crds" in told
        assert "--force" in told
        assert await exists(client, DEPLOYMENTS, "atoll-hub", SYSTEM_NAMESPACE)


async def test_keeping_the_kinds_a_later_hub_goes_on(hub: Installed) -> None:
    async with hub.client() as client, hub.client("member1") as member:
        await _delivered(client)
        uid, app = await _uid(member), await client.get(APPLICATIONS, "app", "kept")
        hub.stop()
        hub.atoll("uninstall", "--keep-crds")
        for resource, name, namespace in (
            (DEPLOYMENTS, "atoll-hub", SYSTEM_NAMESPACE),
            (SERVICEACCOUNTS, "atoll-hub", SYSTEM_NAMESPACE),
            (CLUSTERROLES, "atoll-hub", ""),
            (CLUSTERROLES, "atoll-select", ""),
            (VALIDATINGWEBHOOKS, "atoll", ""),
            (LEASES, "atoll-hub", SYSTEM_NAMESPACE),
            (SECRETS, "atoll-webhook", SYSTEM_NAMESPACE),
        ):
            assert not await exists(client, resource, name, namespace), name
        assert (await client.get(APPLICATIONS, "app", "kept")).uid == app.uid
        assert await exists(client, SECRETS, "member1", SYSTEM_NAMESPACE)
        assert await _uid(member) == uid


@pytest.fixture(scope="module")
def again(hub: Installed) -> Installed:
    """Installed anew over what was kept."""
    hub.install()
    hub.start()
    return hub


async def test_the_same_objects_are_managed_again(again: Installed) -> None:
    async with again.client() as client, again.client("member1") as member:
        uid = await _uid(member)
        await client.patch(
            APPLICATIONS, "app", "kept", {"spec": {"manifests": [{**CONFIGMAP, "data": {"a": "2"}}]}}, type="merge"
        )
        await ready(client, "kept", "app")
        live = await member.get(CONFIGMAPS, "kept", "kept")
        assert (live.uid, live.body()["data"]) == (uid, {"a": "2"})


async def test_a_hub_that_still_works_is_in_the_way(again: Installed) -> None:
    """Its Deployment is gone, and a process that somebody started by hand holds the Lease: nothing is removed."""
    told = again.atoll("uninstall", "--force", "--timeout", "4s", code=1)
    assert "a hub that is not of this installation works here" in told
    async with again.client() as client, again.client("member1") as member:
        assert await exists(client, APPLICATIONS, "app", "kept")
        assert await exists(member, CONFIGMAPS, "kept", "kept")


async def test_by_force_everything_goes_but_what_runs(again: Installed) -> None:
    again.replicas[0].end()
    again.stop()
    async with again.client() as client, again.client("member1") as member:
        uid = await _uid(member)
        app = await client.get(APPLICATIONS, "app", "kept")
        assert app.finalizers
        again.atoll("uninstall", "--force")
        live = await member.get(CONFIGMAPS, "kept", "kept")
        assert (live.uid, live.labels[LABEL_APP]) == (uid, app.uid)
        assert not live.deleting
        for name in ("applications.atoll.dev", "clusters.atoll.dev", "clusterprofiles.multicluster.x-k8s.io"):
            assert not await exists(client, CRDS, name)
        for resource in (APPLICATIONS, CLUSTERS):
            with pytest.raises(KubeError):
                await client.list(resource)
        namespace = await client.get(NAMESPACES, SYSTEM_NAMESPACE) if await _there(client) else None
        assert namespace is None or namespace.deleting
        await member.delete(NAMESPACES, "kept")
    again.atoll("uninstall")  # once more: there is nothing left, and that is no error


async def _there(client: Client) -> bool:
    return await exists(client, NAMESPACES, SYSTEM_NAMESPACE)
