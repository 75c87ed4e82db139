"""Addresses and places of a fleet's clusters."""

import ipaddress
import json
from itertools import combinations
from pathlib import Path

from atoll.testing.localfleet import components, ports
from atoll.testing.localfleet.certificates import Pair
from atoll.testing.localfleet.components import ClusterPlan
from atoll.testing.localfleet.nodes import nodes
from atoll.testing.localfleet.shape import ClusterShape, FleetShape, grown


def plan(shape: ClusterShape, folder: Path) -> ClusterPlan:
    pair = Pair(folder / "crt", folder / "key")
    return ClusterPlan(
        shape=shape,
        folder=folder,
        port=1,
        kubelet_port=2,
        etcd_prefix="/x",
        authority=pair,
        server=pair,
        front_authority=pair,
        front_client=pair,
        kubelet_client=pair,
        kubelet_server=pair,
        signing_key=folder / "sa",
        audit=False,
        execs=False,
        admin=pair,
        users={},
    )


def test_services_and_pods_of_all_clusters_have_addresses_of_their_own() -> None:
    clusters = FleetShape(members=60).clusters()
    networks = [ipaddress.ip_network(cidr) for c in clusters for cidr in (c.service_cidr, c.pod_cidr)]
    assert not any(a.overlaps(b) for a, b in combinations(networks, 2))


def test_members_differ_in_provider_and_region() -> None:
    places = [cluster.place for cluster in FleetShape().clusters() if cluster.name != "hub"]
    assert len({place.provider for place in places}) == len({place.region for place in places}) == 3


def test_nodes_are_spread_over_zones_with_the_capacity_asked_for() -> None:
    made = nodes(FleetShape(nodes=4).clusters()[1])
    assert [node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in made] == [
        "eu-west-1a",
        "eu-west-1b",
        "eu-west-1c",
        "eu-west-1a",
    ]
    assert json.dumps(made[0]["status"]["allocatable"]).startswith('{"cpu": "16", "memory": "64Gi", "pods": "110"')


def test_a_hub_that_is_atolls_alone_runs_no_workload_controllers(tmp_path: Path) -> None:
    alone = components.kube_controller_manager(plan(FleetShape().clusters()[0], tmp_path))
    chosen = next(arg for arg in alone if arg.startswith("--controllers="))
    assert "deployment" not in chosen
    assert "garbage-collector-controller" in chosen


def test_a_shared_host_is_an_ordinary_cluster(tmp_path: Path) -> None:
    hub = FleetShape(host="shared").clusters()[0]
    assert hub.workloads
    assert nodes(hub)
    assert not any(arg.startswith("--controllers=") for arg in components.kube_controller_manager(plan(hub, tmp_path)))


def test_api_servers_listen_on_loopback_and_let_nobody_in_unnamed(tmp_path: Path) -> None:
    shape = FleetShape().clusters()[1]
    store = components.EtcdPlan(tmp_path, 3, 4, tmp_path / "ca", Pair(tmp_path, tmp_path), Pair(tmp_path, tmp_path))
    args = components.kube_apiserver(plan(shape, tmp_path), store)
    assert {"--bind-address=127.0.0.1", "--anonymous-auth=false", "--authorization-mode=RBAC"} <= set(args)
    assert "--client-cert-auth=true" in components.etcd(store)


def test_a_chosen_port_is_free_and_not_taken() -> None:
    first = ports.choose(())
    assert ports.is_free(first)
    assert ports.choose({first}) != first


def test_a_fleet_never_shrinks() -> None:
    big, little = FleetShape(members=3, nodes=5, host="shared").clusters(), FleetShape(members=1, nodes=1).clusters()
    assert grown(big, little) == big
    assert grown(little, big) == big


def test_bare_members_have_no_nodes_and_come_to_life_when_asked() -> None:
    bare = FleetShape(members=2, bare=True).clusters()
    assert [(c.bare, c.workloads) for c in bare] == [(False, False), (True, False), (True, False)]
    alive = grown(bare, FleetShape(members=1).clusters())
    assert [(c.bare, c.workloads) for c in alive] == [(False, False), (False, True), (True, False)]
