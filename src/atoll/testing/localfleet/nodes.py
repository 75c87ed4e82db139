"""The simulated nodes of a member: capacity and place as given; kwok keeps them Ready."""

from typing import Any

from atoll.testing.localfleet.shape import ClusterShape


def nodes(shape: ClusterShape) -> list[dict[str, Any]]:
    """Node objects as a kubelet would register them, spread evenly over the zones of the cluster's place."""
    return [_node(shape, number) for number in range(1, shape.nodes + 1)]


def _node(shape: ClusterShape, number: int) -> dict[str, Any]:
    name = f"{shape.name}-node-{number}"
    capacity = {
        "cpu": shape.node.cpu,
        "memory": shape.node.memory,
        "pods": shape.node.pods,
        "ephemeral-storage": "100Gi",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": "simulated",
                "topology.kubernetes.io/region": shape.place.region,
                "topology.kubernetes.io/zone": shape.place.zones[(number - 1) % len(shape.place.zones)],
            },
        },
        "spec": {"providerID": f"{shape.place.provider}:///{shape.name}/{name}"},
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "simulated",
                "kernelVersion": "simulated",
                "kubeletVersion": "simulated",
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "kwok://0",
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
            },
        },
    }
