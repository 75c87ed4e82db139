"""What tests of the hub do with it: apply an Application, wait for what follows, look at the members."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atoll.api.crds import crds
from atoll.fleet.join import join
from atoll.kube.client import Client
from atoll.kube.config import load_kubeconfig
from atoll.kube.errors import KubeError, NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, CRDS, DEPLOYMENTS, NAMESPACES
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import AgentProcess

Json = dict[str, Any]


async def prepare(fleet: Fleet, *, joined: bool = True) -> None:
    """CRDs on the hub, and every member joined."""
    async with fleet.client("hub") as hub:
        for crd in crds():
            await hub.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
        await eventually(lambda: hub.list(APPLICATIONS), 10)
        for name in fleet.members if joined else ():
            async with fleet.client(name) as member:
                await join(hub, member, load_kubeconfig(fleet.kubeconfig, name), name)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text of what a process of this machine answers; 0 when it doesn't."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


CHECKED = "127.0.0.2"
"""The one address of this machine that checks of rollouts may ask."""


class HubProcess:
    """`atoll hub`, as its users run it."""

    def __init__(self, kubeconfig: Path, log: Path, *, context: str = "hub", **environment: str) -> None:
        self.kubeconfig = kubeconfig
        self.log = log
        self.context = context
        self.environment = environment
        self.port = free_port()
        self.agents_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.agents: dict[str, AgentProcess] = {}
        """Those of the members, where they have any."""

    def successor(self, log: Path) -> "HubProcess":
        """Another one, for when this one has ended: agents find it where they found this one."""
        other = HubProcess(self.kubeconfig, log, context=self.context, **self.environment)
        other.agents_port = self.agents_port
        return other

    def start(self, *flags: str) -> None:
        """Start it and return when it is ready."""
        import os

        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "atoll", "--kubeconfig", str(self.kubeconfig),
                    "--context", self.context, "hub", "--metrics-address", f"127.0.0.1:{self.port}",
                    "--webhook-address", f"127.0.0.1:{free_port()}", "--log-format", "json",
                    "--agents-address", f"127.0.0.1:{self.agents_port}",
                    "--check-addresses", f"{CHECKED}/32", *flags,
                ],
                stdout=log, stderr=log, env={**os.environ, **self.environment},
            )  # fmt: skip
        end = time.monotonic() + 60
        while self.get("/readyz")[0] != 200:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, str]:
        return get(self.port, path)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)


class World:
    """One test's namespace, on the hub and on the members."""

    def __init__(self, process: HubProcess, fleet: Fleet, clients: dict[str, Client], namespace: str) -> None:
        self.process = process
        self.fleet = fleet
        self.clients = clients
        self.hub = clients["hub"]
        self.namespace = namespace
        self.members = fleet.members

    async def open(self, **labels: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}}
        await self.hub.apply(NAMESPACES, body, name=self.namespace, manager="test", force=True)

    async def close(self) -> None:
        """Delete the Applications, then the namespace everywhere."""
        for app in (await self.hub.list(APPLICATIONS, self.namespace)).items:
            with contextlib.suppress(NotFound):
                await self.hub.delete(APPLICATIONS, app.name, self.namespace)
        await self.eventually(self.no_applications, 30)
        for client in self.clients.values():
            with contextlib.suppress(NotFound):
                await client.delete(NAMESPACES, self.namespace)

    async def no_applications(self) -> bool:
        return not (await self.hub.list(APPLICATIONS, self.namespace)).items

    @staticmethod
    async def eventually(check: Callable[[], Any], seconds: float = 15.0) -> Any:
        return await eventually(check, seconds)

    async def deploy(self, name: str, manifests: list[Json], clusters: list[str] | None = None, **spec: Any) -> str:
        """Apply an Application; returns its UID."""
        placement = {"clusters": list(self.members) if clusters is None else clusters}
        body = {
            "apiVersion": "atoll.dev/v1alpha1",
            "kind": "Application",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"placement": placement, **({"manifests": manifests} if manifests else {}), **spec},
        }
        applied = await self.hub.apply(
            APPLICATIONS, body, name=name, namespace=self.namespace, manager="test", force=True
        )
        return applied.uid

    async def patch(self, name: str, spec: Json) -> None:
        await self.hub.patch(APPLICATIONS, name, self.namespace, {"spec": spec})

    async def delete(self, name: str) -> None:
        await self.hub.delete(APPLICATIONS, name, self.namespace)

    async def status(self, name: str) -> Json:
        """The status, {} while it isn't about the present generation."""
        app = (await self.hub.get(APPLICATIONS, name, self.namespace)).body()
        status = app.get("status") or {}
        return status if status.get("observedGeneration") == app["metadata"]["generation"] else {}

    async def condition(self, name: str, kind: str) -> Json:
        return condition_of(await self.status(name), kind)

    async def ready(self, name: str, seconds: float = 30.0) -> Json:
        """Wait for Ready; the status."""

        async def check() -> Json | None:
            status = await self.status(name)
            return status if condition_of(status, "Ready").get("status") == "True" else None

        try:
            found: Json = await self.eventually(check, seconds)
        except AssertionError:
            raise AssertionError(f"{name} is not Ready: {await self.status(name)}") from None
        return found

    async def row(self, name: str, cluster: str) -> Json:
        status = await self.status(name)
        return next((r for r in status.get("clusters", ()) if r["name"] == cluster), {})

    async def row_becomes(self, name: str, cluster: str, seconds: float = 15.0, **wanted: str) -> Json:
        """Wait until the cluster's row has these values; the row."""
        row: Json = {}

        async def check() -> Json | None:
            nonlocal row
            row = await self.row(name, cluster)
            return row if row and all(row.get(k) == v for k, v in wanted.items()) else None

        try:
            await self.eventually(check, seconds)
        except AssertionError:
            found = row or (await self.hub.get(APPLICATIONS, name, self.namespace)).body().get("status")
            raise AssertionError(f"{name} on {cluster} is not {wanted} but {found}") from None
        return row

    async def find(self, cluster: str, resource: Resource, name: str) -> Json | None:
        """The object in the test's namespace on `cluster`; None when there is none."""
        try:
            return (await self.clients[cluster].get(resource, name, self.namespace)).body()
        except NotFound:
            return None

    async def gone(self, cluster: str, resource: Resource, name: str, seconds: float = 15.0) -> None:
        async def check() -> bool:
            return await self.find(cluster, resource, name) is None

        await self.eventually(check, seconds)

    async def namespace_on(self, cluster: str) -> None:
        """Make the test's namespace on a member before Atoll does."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        with contextlib.suppress(KubeError):
            await self.clients[cluster].create(NAMESPACES, body)

    def kubectl(self, context: str, *arguments: str, text: str = "", namespace: str | None = None) -> str:
        """What kubectl prints, in the test's namespace; with "" in the one that the objects or arguments name."""
        from atoll.testing.binaries import Binaries

        command = [str(Binaries().find("kubectl")), "--kubeconfig", str(self.fleet.kubeconfig), "--context", context]
        namespace = self.namespace if namespace is None else namespace
        command += ["-n", namespace] if namespace else []
        done = subprocess.run([*command, *arguments], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def atoll(self, *arguments: str, code: int = 0, text: str = "", namespace: str | None = None) -> str:
        """What `atoll` prints, against the hub, in the test's namespace; with "" in the one that the files name."""
        namespace = self.namespace if namespace is None else namespace
        done = subprocess.run(
            [
                sys.executable, "-m", "atoll", "--kubeconfig", str(self.fleet.kubeconfig),
                "--context", "hub", *(["-n", namespace] if namespace else []), *arguments,
            ],
            input=text, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr


def condition_of(status: Json, kind: str) -> Json:
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


def configmap(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str, image: str = "nginx:1.28", replicas: int | None = None, **environment: str) -> Json:
    spec: Json = {
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "containers": [
                    {"name": name, "image": image, "env": [{"name": k, "value": v} for k, v in environment.items()]}
                ]
            },
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


__all__ = ["CONFIGMAPS", "DEPLOYMENTS", "HubProcess", "World", "configmap", "deployment"]
