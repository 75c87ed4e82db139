"""A hub installed by `atoll install`, and run as processes with nothing but the rights that the installation gives.

Nothing here runs containers, so that a process takes the place of each Pod: it has a token of the installed
ServiceAccount, the arguments of the installed Deployment, and is an endpoint of the installed Service, by which the
API server reaches its webhook.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.install.layout import HUB
from atoll.kube.client import Client
from atoll.kube.config import Config, load_kubeconfig
from atoll.kube.errors import NotFound
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import APPLICATIONS, DEPLOYMENTS, LEASES, NAMESPACES
from atoll.testing.localfleet import LocalFleet
from tests.delivering import eventually

Json = dict[str, Any]
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
ACCOUNT = f"system:serviceaccount:{SYSTEM_NAMESPACE}:{HUB}"


def own_address() -> str:
    """One of this machine's, not of loopback: endpoints must not be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


class Replica:
    """One process of the hub."""

    def __init__(self, kubeconfig: Path, arguments: list[str], log: Path, agents: int) -> None:
        self.kubeconfig, self.arguments, self.log, self.agents = kubeconfig, arguments, log, agents
        self.name = f"hub-{secrets.token_hex(3)}"
        self.metrics, self.webhook = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it is ready as its Pod would be."""
        ours = [f"--metrics-address=:{self.metrics}", f"--webhook-address=:{self.webhook}", f"--identity={self.name}"]
        if "--agents-address=:8443" in self.arguments:
            ours.append(f"--agents-address=127.0.0.1:{self.agents}")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "atoll", "--kubeconfig", str(self.kubeconfig), *self.arguments, *ours],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while self.get("/readyz?standby=ok")[0] != 200:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(0.05)

    @property
    def works(self) -> bool:
        return self.get("/readyz")[0] == 200

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=20)


class Installed:
    """The fleet with the installation on its hub."""

    def __init__(self, local: LocalFleet, folder: Path) -> None:
        self.local, self.folder = local, folder
        self.account = folder / "account.kubeconfig"
        self.replicas: list[Replica] = []
        self.audit_from = 0
        self.agents = (free_port(), free_port())
        """Where agents come in, at one process each."""

    @property
    def audit(self) -> Path:
        return self.local.folder / "hub" / "audit.log"

    @asynccontextmanager
    async def client(self, context: str = "hub") -> AsyncIterator[Client]:
        async with Client(load_kubeconfig(self.local.kubeconfig, context)) as client:
            yield client

    @asynccontextmanager
    async def as_hub(self) -> AsyncIterator[Client]:
        """The installed ServiceAccount, by a program that isn't the hub."""
        async with Client(load_kubeconfig(self.account), user_agent="trespasser") as client:
            yield client

    def atoll(self, *arguments: str, code: int = 0, text: str = "") -> str:
        """What it prints; with another code, what it says on standard error."""
        done = subprocess.run(
            [sys.executable, "-m", "atoll", "--kubeconfig", str(self.local.kubeconfig), "--context", "hub", *arguments],
            input=text, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"{done.returncode}: {done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def agent(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        """Member1's, by the command that `cluster register` printed."""
        place = ["--kubeconfig", str(self.local.kubeconfig), "--context", "member1", "--state-dir", str(folder)]
        with (folder / "log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "atoll", *command[1:], *place], stdout=log, stderr=log)

    def install(self, *flags: str) -> str:
        """`atoll install`, and a kubeconfig with a token of its ServiceAccount."""
        told = self.atoll("install", *flags)
        asyncio.run(self._take_account())
        return told

    async def _take_account(self) -> None:
        async with self.client() as client:
            path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{HUB}/token"
            body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            token = (await client.request("POST", path, body=body))["status"]["token"]
            config = client.config
        account = Config(server=config.server, ca=config.ca, token=token)
        self.account.write_bytes(account.to_kubeconfig("hub"))

    def join(self) -> None:
        self.atoll("cluster", "join", "member1", "--kubeconfig", str(self.local.kubeconfig), "--context", "member1")

    def start(self, count: int = 1) -> list[Replica]:
        """Processes with the arguments of the installed Deployment, in place of its Pods."""
        arguments = asyncio.run(self._arguments())
        started = []
        for _ in range(count):
            port = next(port for port in self.agents if port not in {r.agents for r in self.running})
            replica = Replica(self.account, arguments, self.folder / "hub.log", port)
            replica.start()
            self.replicas.append(replica)
            started.append(replica)
        asyncio.run(self.reach(*self.running))
        wait(lambda: any(r.works for r in self.running), 40)
        return started

    @property
    def running(self) -> list[Replica]:
        return [r for r in self.replicas if r.process is not None and r.process.poll() is None]

    @property
    def leader(self) -> Replica:
        [leader] = [r for r in self.running if r.works]
        return leader

    @property
    def standby(self) -> Replica:
        [standby] = [r for r in self.running if not r.works]
        return standby

    def stop(self) -> None:
        for replica in self.running:
            replica.end()
        self.replicas = []

    async def _arguments(self) -> list[str]:
        async with self.client() as client:
            body = (await client.get(DEPLOYMENTS, HUB, SYSTEM_NAMESPACE)).body()
        return list(body["spec"]["template"]["spec"]["containers"][0]["args"])

    async def reach(self, *replicas: Replica) -> None:
        """Make these the endpoints of the Service: what the control plane does for ready Pods."""
        async with self.client() as client:
            for old in (await client.list(ENDPOINTSLICES, SYSTEM_NAMESPACE, labels="test=endpoints")).items:
                await client.delete(ENDPOINTSLICES, old.name, SYSTEM_NAMESPACE)
            for replica in replicas:
                labels = {"kubernetes.io/service-name": HUB, "test": "endpoints"}
                body = {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {"name": replica.name, "namespace": SYSTEM_NAMESPACE, "labels": labels},
                    "addressType": "IPv4",
                    "endpoints": [{"addresses": [own_address()], "conditions": {"ready": True}}],
                    "ports": [{"name": "webhook", "port": replica.webhook, "protocol": "TCP"}],
                }
                await client.create(ENDPOINTSLICES, body)
        await asyncio.sleep(0.3)  # until the API server's own watch has it

    async def holder(self) -> str:
        async with self.client() as client:
            spec = (await client.get(LEASES, "atoll-hub", SYSTEM_NAMESPACE)).body()["spec"]
            return str(spec.get("holderIdentity") or "")

    def log(self) -> str:
        return (self.folder / "hub.log").read_text()

    def requests(self) -> list[Json]:
        """What the hub's own processes asked of its API server, from the audit log."""
        found = []
        for line in self.audit.read_bytes()[self.audit_from :].splitlines():
            event = msgspec.json.decode(line)
            if event["user"]["username"] == ACCOUNT and event.get("userAgent") != "trespasser":
                found.append(event)
        return found


def wait(check: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


async def make_namespace(client: Client, name: str, **labels: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    await client.apply(NAMESPACES, body, name=name, manager="test", force=True)


async def deploy(client: Client, namespace: str, name: str, **spec: Any) -> Object:
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"placement": {"clusters": ["member1"]}, **spec},
    }
    return await client.apply(APPLICATIONS, body, name=name, namespace=namespace, manager="test", force=True)


async def condition(client: Client, namespace: str, name: str, kind: str) -> Json:
    app = (await client.get(APPLICATIONS, name, namespace)).body()
    status = app.get("status") or {}
    if status.get("observedGeneration") != app["metadata"]["generation"]:
        return {}
    return next((c for c in status.get("conditions", ()) if c["type"] == kind), {})


async def ready(client: Client, namespace: str, name: str, seconds: float = 40.0) -> None:
    seen: Json = {}

    async def check() -> bool:
        nonlocal seen
        seen = await condition(client, namespace, name, "Ready")
        return seen.get("status") == "True"

    try:
        await eventually(check, seconds)
    except AssertionError:
        raise AssertionError(f"{name} is not Ready: {json.dumps(seen)}") from None


async def exists(client: Client, resource: Resource, name: str, namespace: str = "") -> bool:
    try:
        await client.get(resource, name, namespace)
    except NotFound:
        return False
    return True


def fleet_folder() -> Path | None:
    given = os.environ.get("ATOLL_TEST_INSTALL_FLEET")
    return Path(given) if given else None


FORBIDDEN = re.compile(r"forbidden", re.IGNORECASE)
