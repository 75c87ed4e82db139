"""A hub and its members as fake API servers, in a process of their own, for tables too large for real ones.

Usage: python -m bench.fakes MEMBERS KUBECONFIG. Writes the kubeconfig with the contexts hub, member1 … and says `ready`
when the hub has Atoll's CRDs and a Cluster for each member; serves until its input ends.
"""

import asyncio
import base64
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from atoll.api.crds import crds
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.kube.resources import CLUSTERS, CRDS, NAMESPACES, SECRETS
from atoll.testing.fakeapi import FakeApi, FakeCluster


def kubeconfig(servers: dict[str, FakeApi]) -> bytes:
    """One context a server, of the same name; nobody asks who is there."""
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": api.url}} for name, api in servers.items()],
            "users": [{"name": "anybody", "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": "anybody"}} for name in servers],
            "current-context": next(iter(servers)),
        }
    )


def furnish(hub: FakeCluster, members: dict[str, FakeApi]) -> None:
    """Atoll's CRDs, and every member as a Cluster."""

    def create(group: str, plural: str, body: Json, namespace: str = "") -> None:
        kind = next(k for k in hub.kinds.all() if (k.resource.group, k.resource.plural) == (group, plural))
        hub.create(kind, namespace, body)

    for crd in crds():
        create(CRDS.group, CRDS.plural, crd)
    create(NAMESPACES.group, NAMESPACES.plural, {"metadata": {"name": SYSTEM_NAMESPACE}})
    for name, api in members.items():
        secret = {"kubeconfig": base64.b64encode(kubeconfig({name: api})).decode()}
        create(SECRETS.group, SECRETS.plural, {"metadata": {"name": name}, "data": secret}, SYSTEM_NAMESPACE)
        spec = {"connection": {"direct": {"kubeconfigSecret": name}}}
        create(CLUSTERS.group, CLUSTERS.plural, {"metadata": {"name": name}, "spec": spec})


async def main(members: int, path: Path) -> None:
    async with AsyncExitStack() as stack:
        names = ("hub", *(f"member{number + 1}" for number in range(members)))
        servers = {name: await stack.enter_async_context(FakeApi(FakeCluster(seed))) for seed, name in enumerate(names)}
        furnish(servers["hub"].cluster, {name: api for name, api in servers.items() if name != "hub"})
        path.write_bytes(kubeconfig(servers))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
