"""The local fleet is a real one: its API servers, controllers and simulated nodes do what users expect of clusters."""

import json

from tests.fleet.conftest import Fleet

from atoll.kube.resources import NODES


async def test_members_have_ready_nodes_with_capacity_and_a_place(fleet: Fleet):
    for member in fleet.members:
        async with fleet.client(member) as client:
            nodes = (await client.list(NODES)).items
        assert nodes
        for node in nodes:
            assert node.labels["topology.kubernetes.io/region"]
            assert node.labels["topology.kubernetes.io/zone"]
            assert json.loads(node.raw)["status"]["allocatable"]["cpu"] == "16"
