"""The rules that an agent's manifest gives it: it works by them, in the namespaces that they name, and nowhere else."""

from typing import Any

import pytest

from atoll.fleet.agent_rights import agent_roles
from atoll.fleet.identity import ensure_namespace, hub_identity
from atoll.fleet.rights import Rights, account_name
from atoll.kube.client import Client
from atoll.kube.config import Config, load_kubeconfig
from atoll.kube.errors import Forbidden
from atoll.kube.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    CONFIGMAPS,
    NAMESPACES,
    ROLEBINDINGS,
    ROLES,
    SECRETS,
    SERVICEACCOUNTS,
)
from atoll.testing.pulledfleet import AgentSide
from tests.fleet.hub.world import configmap, deployment
from tests.fleet.pull.conftest import PulledWorld

KINDS = {
    "ClusterRole": CLUSTERROLES,
    "ClusterRoleBinding": CLUSTERROLEBINDINGS,
    "Role": ROLES,
    "RoleBinding": ROLEBINDINGS,
}


async def account(world: PulledWorld, member: str, rights: Rights) -> Config:
    """A service account with just these rights on `member`."""
    client, hub = world.clients[member], (await hub_identity(world.hub)).id
    await ensure_namespace(client)
    name = account_name(hub)
    metadata = {"name": name, "namespace": "atoll-system"}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    await client.apply(SERVICEACCOUNTS, body, name=name, namespace="atoll-system", manager="test", force=True)
    for role in agent_roles(hub, rights):
        where = role["metadata"].get("namespace", "")
        await client.apply(KINDS[role["kind"]], role, name=name, namespace=where, manager="test", force=True)
    path = f"/api/v1/namespaces/atoll-system/serviceaccounts/{name}/token"
    answer = await client.request("POST", path, body={"spec": {"expirationSeconds": 3600}})
    admin = client.config
    return Config(server=admin.server, ca=admin.ca, token=answer["status"]["token"])


@pytest.mark.parametrize("limited", [True, False], ids=["single namespaces", "admin"])
async def test_it_works_by_them_and_reaches_no_further(world: PulledWorld, limited: bool) -> None:
    first = world.members[0]
    await world.namespace_on(first)
    rights = Rights((world.namespace,)) if limited else Rights()
    config = await account(world, first, rights)
    await world.agents[first].stop()
    agent = world.agents[first] = AgentSide(first, config, world.side, namespaces=rights.namespaces)
    agent.start()
    await world.deploy("app", [configmap("one", v="1"), deployment("web", replicas=1)], [first])
    await world.ready("app")
    await world.patch("app", {"manifests": [configmap("one", v="2")]})
    await world.ready("app")
    await agent.stop()
    agent.start()
    await world.clients[first].patch(CONFIGMAPS, "one", world.namespace, {"data": {"v": "spoilt"}})

    async def repaired() -> bool:
        found = await world.find(first, CONFIGMAPS, "one")
        return found is not None and found["data"] == {"v": "2"}

    await world.eventually(repaired)
    if limited:
        async with Client(config) as client:
            with pytest.raises(Forbidden):
                await client.list(SECRETS, "kube-system")
            with pytest.raises(Forbidden):
                await client.list(SECRETS)
            with pytest.raises(Forbidden):
                await client.list(NAMESPACES)
            with pytest.raises(Forbidden):
                await client.create(CONFIGMAPS, {"metadata": {"name": "x", "namespace": "default"}})
    # Before the Application ends: other tests have used namespaces that these rights leave out, and it isn't known to
    # be gone from there before somebody has looked.
    await agent.stop()
    again = world.agents[first] = AgentSide(first, load_kubeconfig(world.fleet.kubeconfig, first), world.side)
    again.start()
