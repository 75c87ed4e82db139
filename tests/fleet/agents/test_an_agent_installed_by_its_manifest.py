"""What `cluster register` prints for a Pod is applied in the member, and does with the rights that it brings.

Nothing here runs containers: a process takes the Pod's place, with the Deployment's arguments and environment and a
token of its ServiceAccount.
"""

import asyncio
import base64
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.install.agent import LABEL_AGENT_OF
from atoll.kube.client import Client
from atoll.kube.connection import Config
from atoll.kube.errors import Forbidden
from atoll.kube.resources import CLUSTERROLES, CONFIGMAPS, DEPLOYMENTS, SECRETS
from atoll.runtime.failpoints import VARIABLE
from atoll.testing.binaries import Binaries
from tests.delivering import eventually
from tests.fleet.agents.test_a_cluster_comes_by_a_tunnel import atoll, ready
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, free_port

Json = dict[str, Any]


def manifest_command(fleet: Fleet, name: str, mode: str) -> list[str]:
    """The second command that is printed, without the pipe."""
    done = subprocess.run(
        [
            sys.executable, "-m", "atoll", "--kubeconfig", str(fleet.kubeconfig), "--context", "hub",
            "cluster", "register", name, "--mode", mode,
        ],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    [line] = [line for line in done.stderr.splitlines() if line.startswith("atoll agent manifest")]
    command, _, rest = line.partition(" | ")
    assert rest == "kubectl apply -f -"
    return shlex.split(command)[1:]


def kubectl(fleet: Fleet, name: str, *arguments: str, text: str = "") -> str:
    place = [str(Binaries().find("kubectl")), "--kubeconfig", str(fleet.kubeconfig), "--context", name]
    done = subprocess.run([*place, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Pod:
    """A process in place of the Deployment's Pod."""

    def __init__(self, folder: Path, member: Client, container: Json, account: str) -> None:
        self.folder = folder
        self.member = member
        self.container = container
        self.account = account
        self.health = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    async def config(self) -> Config:
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{self.account}/token"
        token = (await self.member.request("POST", path, body={"spec": {"expirationSeconds": 3600}}))["status"]["token"]
        admin = self.member.config
        return Config(server=admin.server, ca=admin.ca, token=token)

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        kubeconfig = self.folder / "kubeconfig"
        kubeconfig.write_bytes((await self.config()).to_kubeconfig("member"))
        environment = {}
        for entry in self.container["env"]:
            if (reference := entry.get("valueFrom", {}).get("secretKeyRef")) is not None:
                data = (await self.member.get(SECRETS, reference["name"], SYSTEM_NAMESPACE)).body()["data"]
                environment[entry["name"]] = base64.b64decode(data[reference["key"]]).decode()
        self._spawn(kubeconfig, environment | {"ATOLL_AGENT_STATE": str(self.folder / "state")})

    def _spawn(self, kubeconfig: Path, environment: dict[str, str]) -> None:
        arguments = [a for a in self.container["args"] if not a.startswith("--health-address")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "atoll", "--kubeconfig", str(kubeconfig), *arguments,
                    f"--health-address=127.0.0.1:{self.health}",
                ],
                stdout=log, stderr=log, env={**os.environ, **environment},
            )  # fmt: skip

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)


@asynccontextmanager
async def killed_once_it_cleaned(hub: HubProcess) -> AsyncIterator[None]:
    """The hub dies when its rights on the member are gone, and has not noted it; the agent can't give them back."""
    hub.stop()
    hub.environment[VARIABLE] = "hub.clean.after=kill"
    hub.start()

    async def again() -> None:
        assert hub.process
        await asyncio.to_thread(hub.process.wait, 30)
        del hub.environment[VARIABLE]
        await asyncio.to_thread(hub.start)

    async with asyncio.TaskGroup() as scope:
        scope.create_task(again())
        yield


@pytest.mark.parametrize("mode", ["tunnel", "pull"])
async def test_it_comes_in_goes_on_from_its_secret_and_leaves_nothing(
    fleet: Fleet, client: Client, hub: HubProcess, tmp_path: Path, mode: str
) -> None:
    name = "member1" if mode == "tunnel" else "member2"
    yaml = await asyncio.to_thread(atoll, fleet, *manifest_command(fleet, name, mode))
    await asyncio.to_thread(kubectl, fleet, name, "apply", "-f", "-", text=yaml)
    async with fleet.client(name) as member:
        spec = (await member.get(DEPLOYMENTS, "atoll-agent", SYSTEM_NAMESPACE)).body()["spec"]["template"]["spec"]
        pod = Pod(tmp_path, member, spec["containers"][0], spec["serviceAccountName"])
        await pod.start()
        try:
            await ready(client, name)
            await eventually(pod.ready, 10)

            # A new Pod begins with nothing but the Secret.
            pod.end()
            shutil.rmtree(tmp_path / "state")
            await pod.start()
            await eventually(pod.ready, 20)
            assert (tmp_path / "log").read_text().count('"enrolled"') == 1

            # Applied once more, the agent's Secret stays as the agent keeps it.
            again = await asyncio.to_thread(kubectl, fleet, name, "apply", "-f", "-", text=yaml)
            assert "secret/atoll-agent unchanged" in again
            assert (await member.get(SECRETS, "atoll-agent", SYSTEM_NAMESPACE)).body()["data"]["agent.json"]

            if mode == "tunnel":  # in pull mode it is the agent that delivers
                async with Client(await pod.config()) as account:
                    with pytest.raises(Forbidden):
                        await account.list(SECRETS, SYSTEM_NAMESPACE)
                    with pytest.raises(Forbidden):
                        await account.list(CONFIGMAPS, "default")
                    with pytest.raises(Forbidden):
                        await account.create(CLUSTERROLES, {"metadata": {"name": "x"}, "rules": []})
            async with killed_once_it_cleaned(hub) if mode == "tunnel" else contextlib.nullcontext():
                await asyncio.to_thread(atoll, fleet, "cluster", "leave", name)
            await eventually(lambda: "Left" in (tmp_path / "log").read_text(), 30)
        finally:
            pod.end()
        [line] = [line for line in yaml.splitlines() if line.startswith("#   kubectl delete")]
        await asyncio.to_thread(kubectl, fleet, name, *shlex.split(line)[2:])
        for kinds in ("clusterroles,clusterrolebindings", "secrets,serviceaccounts,roles,rolebindings,deployments"):
            rest = await asyncio.to_thread(kubectl, fleet, name, "get", kinds, "-A", "-o", "name", "-l", LABEL_AGENT_OF)
            assert not rest
