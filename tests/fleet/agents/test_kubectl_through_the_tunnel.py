"""`atoll kubectl` on a member that only its agent reaches: what is asked once, watched, or streamed."""

import asyncio
import contextlib
import os
import pty
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet.grants import granted
from atoll.fleet.leave import leave
from atoll.kube.client import Client
from atoll.kube.resources import NAMESPACES, PODS, SECRETS
from atoll.testing.binaries import Binaries
from tests.delivering import eventually
from tests.fleet.agents.test_a_cluster_comes_by_a_tunnel import atoll, ready
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import AgentProcess
from tests.fleet.hub.world import HubProcess

MEMBER = "member3"
COPIED = 3 << 20
PATIENCE = 60.0


@pytest.fixture
def agent(fleet: Fleet, hub: HubProcess, tmp_path: Path) -> Iterator[AgentProcess]:
    made = AgentProcess(fleet, MEMBER, tmp_path)
    made.start()
    try:
        yield made
        asyncio.run(_leave(fleet))
    finally:
        made.stop()


async def _leave(fleet: Fleet) -> None:
    """Other tests join it in their own way."""
    async with fleet.client("hub") as client:
        await leave(client, MEMBER, timeout=30)


class Kubectl:
    """In one namespace of the member, by what `atoll kubectl` makes for it: one grant for all, which starts quicker."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._command = [str(Binaries().find("kubectl")), "--kubeconfig", str(kubeconfig), "-n", namespace]

    @asynccontextmanager
    async def running(self, *arguments: str, terminal: int | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
        """With pipes, or on a terminal; ended at the end."""
        end = asyncio.subprocess.PIPE if terminal is None else terminal
        process = await asyncio.create_subprocess_exec(*self._command, *arguments, stdin=end, stdout=end)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), PATIENCE)

    async def __call__(self, *arguments: str) -> str:
        async with self.running(*arguments) as process:
            told, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
            assert process.returncode == 0, arguments
            return told.decode()

    async def until(self, process: asyncio.subprocess.Process, text: str) -> None:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while text.encode() not in (line := await process.stdout.readline()):
                assert line, f"it ended before it said {text}"


async def grants(client: Client) -> list[str]:
    return [s.name for s in (await client.list(SECRETS, SYSTEM_NAMESPACE, labels="atoll.dev/grant")).items]


async def test_what_is_asked_watched_and_streamed_passes(
    fleet: Fleet, client: Client, agent: AgentProcess, namespace: str, tmp_path: Path
) -> None:
    await ready(client, MEMBER)
    before = await grants(client)
    async with fleet.client(MEMBER) as member, granted(client, MEMBER) as config:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_bytes(config.to_kubeconfig(MEMBER))
        kubectl = Kubectl(kubeconfig, namespace)
        await member.create(NAMESPACES, {"metadata": {"name": namespace}})
        try:
            await account_exists(member, namespace)
            ran = await asyncio.to_thread(
                atoll, fleet, "kubectl", MEMBER, "-n", namespace, "run", "web", "--image", "nginx:1"
            )
            assert "pod/web created" in ran
            await eventually(lambda: running(member, namespace), PATIENCE)
            async with asyncio.TaskGroup() as together:
                for look in (watched, executed, forwarded):
                    together.create_task(look(kubectl))
                together.create_task(followed(kubectl, fleet.local.log(f"{MEMBER}/pods")))
                together.create_task(copied(kubectl, tmp_path))
        finally:
            await member.delete(NAMESPACES, namespace)
    assert await grants(client) == before  # each was taken back at the end of its command


async def account_exists(member: Client, namespace: str) -> None:
    """A Pod needs its namespace's account, which comes in a moment."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    await eventually(lambda: member.request("GET", path), PATIENCE)


async def running(member: Client, namespace: str) -> bool:
    pod = (await member.get(PODS, "web", namespace)).body()
    return bool(pod["status"].get("phase") == "Running")


async def watched(kubectl: Kubectl) -> None:
    async with kubectl.running("get", "configmaps", "-w", "-o", "name") as watching:
        await kubectl.until(watching, "configmap/kube-root-ca.crt")
        assert "created" in await kubectl("create", "configmap", "later", "--from-literal=a=1")
        await kubectl.until(watching, "configmap/later")


async def followed(kubectl: Kubectl, log: Path) -> None:
    mark = secrets.token_hex(8)
    async with kubectl.running("logs", "-f", "web") as following:
        await kubectl.until(following, "line 20 of a simulated Pod")
        with log.open("a") as file:
            file.write(f"2026-01-01T00:01:00.000000000Z stdout F {mark}\n")
        await kubectl.until(following, mark)


async def executed(kubectl: Kubectl) -> None:
    """On a terminal, which the other end sees as one."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    try:
        script = (
            "test -t 0 && echo at a terminal; read x; echo got $x; read y"  # kwok may lose the last words of an end
        )
        async with kubectl.running("exec", "-it", "web", "--", "sh", "-c", script, terminal=theirs):
            await seen(ours, b"at a terminal")
            os.write(ours, b"hello\n")
            await seen(ours, b"got hello")
    finally:
        os.close(ours)
        os.close(theirs)


async def seen(terminal: int, text: bytes) -> None:
    told = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        while text not in told:
            readable = asyncio.Event()
            loop.add_reader(terminal, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(terminal)
            with contextlib.suppress(BlockingIOError):
                told += os.read(terminal, 4096)


async def forwarded(kubectl: Kubectl) -> None:
    """Several connections, one after the other: each gives back what it gets."""
    async with kubectl.running("port-forward", "pod/web", ":80") as forwarding:
        assert forwarding.stdout is not None
        line = (await asyncio.wait_for(forwarding.stdout.readline(), PATIENCE)).decode()
        port = int(line.split("127.0.0.1:")[1].split()[0])
        for _ in range(2):
            sent = secrets.token_bytes(1 << 16)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            assert await asyncio.wait_for(reader.readexactly(len(sent)), PATIENCE) == sent
            writer.close()


async def copied(kubectl: Kubectl, folder: Path) -> None:
    there, back = folder / "there", folder / "back"
    there.write_bytes(secrets.token_bytes(COPIED))
    name = f"copied-{secrets.token_hex(4)}"
    await kubectl("cp", str(there), f"web:{name}")
    await kubectl("cp", f"web:{name}", str(back))
    assert back.read_bytes() == there.read_bytes()
