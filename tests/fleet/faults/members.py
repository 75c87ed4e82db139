"""How the members are reached in the mode under test: by their own APIs, or by agents that outlive each test's hub."""

import asyncio
from pathlib import Path

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.rights import account_name
from atoll.kube.config import Config
from atoll.kube.resources import CLUSTERROLEBINDINGS, CLUSTERS, SERVICEACCOUNTS
from tests.fleet.conftest import Fleet
from tests.fleet.faults.forked import Forked, Zygote
from tests.fleet.hub.agents import all_ready, registered
from tests.fleet.hub.world import free_port, get, prepare

ACCOUNT = "agent"
"""Of kube-system, on each member: that of its agent, so that a member's audit log tells who asked."""


class FaultyAgent(Forked):
    """An agent of ours: started in a moment, killed at failpoints."""

    def __init__(self, zygote: Zygote, folder: Path, member: str) -> None:
        super().__init__(zygote, folder, member)
        self.state = folder / member
        self.kubeconfig = folder / f"{member}.kubeconfig"
        self.port = free_port()

    def get(self, path: str) -> tuple[int, str]:
        return get(self.port, path)

    def start(self, *command: str, failpoints: str = "") -> None:
        """By `command`, the first time."""
        place = ["--kubeconfig", str(self.kubeconfig), "--state-dir", str(self.state), "--log-format", "json"]
        place += ["--health-address", f"127.0.0.1:{self.port}"]
        self.fork([*(command or ("agent", "run")), *place], failpoints)


class Members:
    """`mode` is direct, tunnel or pull. Hubs are to listen on `ports`, one each."""

    def __init__(self, mode: str, fleet: Fleet, zygote: Zygote, folder: Path) -> None:
        self.mode = mode
        self.fleet = fleet
        self.ports = (free_port(), free_port()) if mode != "direct" else ()
        """The second is for a hub beside the first."""
        self.agents = {name: FaultyAgent(zygote, folder, name) for name in fleet.members if mode != "direct"}

    async def join(self) -> None:
        """Bring in those that aren't in the fleet. A hub is at work, where there are agents."""
        if self.mode == "direct":
            await prepare(self.fleet)
            return
        async with self.fleet.client("hub") as client:
            there = {live.name for live in (await client.list(CLUSTERS)).items}
        for name, agent in self.agents.items():
            if name not in there:
                agent.stop()
                await self._introduce(agent)
                agent.start(*await asyncio.to_thread(registered, self.fleet, name, self.mode))
        await all_ready(self.fleet)

    async def _introduce(self, agent: FaultyAgent) -> None:
        """It works under its own name on its member."""
        async with self.fleet.client(agent.name) as member:
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}}
            await member.apply(SERVICEACCOUNTS, account, name=ACCOUNT, namespace="kube-system", manager="test")
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": ACCOUNT},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "kube-system"}],
            }
            await member.apply(CLUSTERROLEBINDINGS, binding, name=ACCOUNT, manager="test")
            path = f"/api/v1/namespaces/kube-system/serviceaccounts/{ACCOUNT}/token"
            answer = await member.request("POST", path, body={"spec": {"expirationSeconds": 24 * 3600}})
            own = Config(server=member.config.server, ca=member.config.ca, token=answer["status"]["token"])
            agent.kubeconfig.write_bytes(own.to_kubeconfig())

    def asker(self, hub_id: str) -> str:
        """The user by which a member is asked what the hub wants of it."""
        if self.mode == "pull":
            return f"system:serviceaccount:kube-system:{ACCOUNT}"
        return f"system:serviceaccount:{SYSTEM_NAMESPACE}:{account_name(hub_id)}"

    def stop(self) -> None:
        for agent in self.agents.values():
            agent.stop()
