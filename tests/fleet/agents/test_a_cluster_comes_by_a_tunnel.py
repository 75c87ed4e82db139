"""From the printed command to Ready and back out: joining, refusals and how they are told, loss, return, leaving."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.api.names import SYSTEM_NAMESPACE
from atoll.fleet import tokens
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CLUSTERROLES, CLUSTERS, SECRETS
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.agents import AgentProcess
from tests.fleet.hub.world import HubProcess, condition_of


def atoll(fleet: Fleet, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "atoll", "--kubeconfig", str(fleet.kubeconfig), "--context", "hub", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 or arguments[0] == "agent", done.stderr
    return done.stdout


async def ready(client: Client, name: str, status: str = "True", seconds: float = 30.0) -> dict[str, str]:
    async def check() -> dict[str, str] | None:
        found = condition_of((await client.get(CLUSTERS, name)).body().get("status") or {}, "Ready")
        return found if found.get("status") == status else None

    result: dict[str, str] = await eventually(check, seconds)
    return result


@pytest.fixture
def agent(fleet: Fleet, hub: HubProcess, tmp_path: Path) -> Iterator[AgentProcess]:
    """That of member1, not started."""
    made = AgentProcess(fleet, "member1", tmp_path)
    yield made
    made.stop()


async def test_the_printed_command_brings_a_cluster_in_within_seconds_and_works_once(
    fleet: Fleet, client: Client, agent: AgentProcess, tmp_path: Path
) -> None:
    command = agent.register()
    assert "waiting" in atoll(fleet, "token", "list")
    began = time.monotonic()
    agent.start(command)
    await ready(client, "member1")
    assert time.monotonic() - began < 15  # 5 s on a machine that does nothing else; the figure is in docs/benchmarks
    assert (await client.get(CLUSTERS, "member1")).body()["status"]["mode"] == "tunnel"
    assert "used" in atoll(fleet, "token", "list")

    told = atoll(fleet, "cluster", "describe", "member1")
    facts = {
        "Connected: yes",
        "Version: ",
        "Last heard: 20",
        "Round trip: ",
        "Received: ",
        "Sent: ",
        "Certificate: until",
    }
    said = [" ".join(line.split()) for line in told.splitlines()]
    assert not [fact for fact in facts if not any(line.startswith(fact) for line in said)], told

    token = command[command.index("--token") + 1]
    secrets = (await client.list(SECRETS, SYSTEM_NAMESPACE)).items
    assert all(token.partition(".")[2].encode() not in s.raw for s in secrets)  # only a hash is at rest

    thief = AgentProcess(fleet, "member1", tmp_path / "thief")
    thief.folder.mkdir(parents=True)
    thief.start(command)
    assert "TokenUsed" in await asyncio.to_thread(thief.ended)

    await eventually(lambda: " connected " in atoll(fleet, "agent", "status", "--state-dir", str(agent.folder)), 10)

    # Lost, and back without a token; then registered again elsewhere: the former agent's access ends.
    agent.kill()
    lost = await ready(client, "member1", "False", 40)
    assert lost["reason"] == "AgentAway", lost
    agent.again()
    await ready(client, "member1")
    successor = AgentProcess(fleet, "member1", tmp_path / "successor")
    successor.folder.mkdir(parents=True)
    successor.start()
    try:
        await eventually(lambda: "Revoked" in agent.log.read_text(), 20)
        await ready(client, "member1")

        # It leaves: nothing of the hub stays on the member, and the agent is let in no more.
        await asyncio.to_thread(atoll, fleet, "cluster", "leave", "member1")
        await eventually(lambda: "Left" in successor.log.read_text(), 30)
        with pytest.raises(NotFound):
            await client.get(SECRETS, tokens.bearer_name("member1"), SYSTEM_NAMESPACE)
        async with fleet.client("member1") as member:
            roles = [r.name for r in (await member.list(CLUSTERROLES)).items]
            assert not [r for r in roles if r.startswith("atoll-hub-")]
    finally:
        successor.stop()


async def test_each_wrong_command_is_told_what_is_wrong(
    fleet: Fleet, client: Client, agent: AgentProcess, hub: HubProcess
) -> None:
    agent.name = "member2"
    command = agent.register()

    def spoilt(option: str, value: str) -> list[str]:
        changed = list(command)
        changed[changed.index(option) + 1] = value
        return changed

    token = command[command.index("--token") + 1]
    cases = {
        "WrongCluster": spoilt("--cluster", "member3"),
        "TokenUnknown": spoilt("--token", f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"),
        "WrongAuthority": spoilt("--hub-ca", "sha256:" + "0" * 64),
    }
    for reason, wrong in cases.items():
        agent.start(wrong)
        assert reason in await asyncio.to_thread(agent.ended), reason
    stored = await client.get(SECRETS, f"join-{token.partition('.')[0]}", SYSTEM_NAMESPACE)
    record = tokens.read(stored)
    assert record.state == "waiting"  # none of these has spent it
    await tokens.revoke(client, record.id)
    agent.start(command)
    assert "TokenUnknown" in await asyncio.to_thread(agent.ended)
    agent.start(agent.register("--ttl", "10ms"))
    told = await asyncio.to_thread(agent.ended)
    assert "TokenExpired" in told
    assert "hint: tokens live for an hour at most" in told
    await client.delete(CLUSTERS, "member2")


async def test_nobody_gets_in_without_proof(fleet: Fleet, client: Client, hub: HubProcess) -> None:
    """Every route, as a stranger: an answer only where there is nothing to protect."""
    import ssl

    import aiohttp

    secure = ssl.create_default_context()
    secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    stranger = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x", "Atoll-Instance": "x"}
    wrong = {"Authorization": "Bearer grant-000000000000.x"}
    asks = [
        ("GET", "/agents/ca", {}, 200),
        ("GET", "/link", stranger, 401),
        ("POST", "/agents/renew", {}, 401),
        ("POST", "/agents/enrol", {}, 400),
        ("GET", "/clusters/member1/kube/api/v1/secrets", {}, 401),
        ("GET", "/clusters/member1/kube/api/v1/secrets", wrong, 401),
        ("GET", "/clusters/member1/kube/api/v1/secrets", {"Authorization": "Bearer hub.x"}, 401),
        ("GET", "/", {}, 404),
    ]
    async with aiohttp.ClientSession(f"https://127.0.0.1:{hub.agents_port}") as http:
        for method, path, headers, status in asks:
            async with http.request(method, path, headers=headers, ssl=secure) as answer:
                assert answer.status == status, (method, path, await answer.text())
