"""How soon replicas are elsewhere when a cluster is lost: beyond `failover.after`, for all of N Applications.

make bench NAME=failover ARGS="--applications 50 --after 20"
"""

import argparse
import asyncio
import secrets
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.resources import APPLICATIONS, CLUSTERS, DEPLOYMENTS
from atoll.testing.binaries import Binaries
from atoll.testing.localfleet import FleetShape, LocalFleet
from atoll.testing.progress import Lines
from bench.propagation import Bench, Shape, prepare, until_none, until_settled
from bench.result import result

BENCH = "failover"
MEMBERS = ("member1", "member2", "member3")
LOST = MEMBERS[-1]
LOOK_EVERY = 0.1


def application(namespace: str, index: int, after: float) -> dict[str, object]:
    """Six replicas over the members, two on each."""
    pods = {"containers": [{"name": "web", "image": "nginx:1.28"}]}
    labels = {"app": f"web-{index}"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"web-{index}"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pods}},
    }
    return {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"atoll-{index}", "namespace": namespace},
        "spec": {
            "placement": {"clusters": list(MEMBERS)},
            "replicas": {"total": 6},
            "failover": {"after": f"{round(after)}s"},
            "manifests": [deployment],
        },
    }


async def found_lost(hub: Client) -> float:
    """When the hub found out, by the clock of its own machine."""
    while True:
        status = (await hub.get(CLUSTERS, LOST)).body().get("status") or {}
        if any(c["type"] == "Ready" and c["status"] == "False" for c in status.get("conditions") or ()):
            return time.monotonic()
        await asyncio.sleep(LOOK_EVERY)


async def elsewhere(members: dict[str, Client], namespace: str, count: int, *, ready: bool) -> float:
    """When every Application has three replicas on each member that is left, wanted or ready."""
    field = ("status", "readyReplicas") if ready else ("spec", "replicas")
    while True:
        listed = [await members[name].list(DEPLOYMENTS, namespace) for name in MEMBERS if name != LOST]
        bodies = [item.body() for listing in listed for item in listing.items]
        if sum((body.get(field[0]) or {}).get(field[1]) == 3 for body in bodies) == 2 * count:
            return time.monotonic()
        await asyncio.sleep(LOOK_EVERY)


async def measure(fleet: LocalFleet, applications: int, after: float) -> None:
    namespace = f"failover-{secrets.token_hex(3)}"
    async with AsyncExitStack() as stack:
        clients = {n: Client(load_kubeconfig(fleet.kubeconfig, n)) for n in ("hub", *MEMBERS)}
        for client in clients.values():
            await stack.enter_async_context(client)
        scope = await stack.enter_async_context(asyncio.TaskGroup())
        hub = clients["hub"]
        members = {name: clients[name] for name in MEMBERS}
        bench = Bench(fleet, Shape(applications, MEMBERS, 1, 800), hub, members)
        await prepare(fleet, hub, members, namespace)
        async with bench.hub_process():
            for index in range(applications):
                await hub.create(APPLICATIONS, application(namespace, index, after))
            await until_settled(bench, namespace)
            began = time.monotonic()
            fleet.stop(f"{LOST}/kube-apiserver", patience=0)
            lost = scope.create_task(found_lost(hub))
            wanted = await elsewhere(members, namespace, applications, ready=False)
            running = await elsewhere(members, namespace, applications, ready=True)
            shown = {"applications": applications, "after": after}
            result(BENCH, "loss noticed", await lost - began, "s", **shown)
            result(BENCH, "replicas wanted elsewhere, beyond after", wanted - await lost - after, "s", **shown)
            result(BENCH, "replicas ready elsewhere, beyond after", running - await lost - after, "s", **shown)
            await asyncio.to_thread(fleet.up, FleetShape())
            for index in range(applications):
                await hub.delete(APPLICATIONS, f"atoll-{index}", namespace)
            await until_none(bench, namespace)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--applications", type=int, default=50)
    parser.add_argument("--after", type=float, default=20.0, help="seconds of failover.after")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        fleet = LocalFleet(Path(folder), Binaries(Lines()).find, Lines())
        try:
            fleet.up(FleetShape())
            asyncio.run(measure(fleet, arguments.applications, arguments.after))
        finally:
            fleet.down()


if __name__ == "__main__":
    main()
