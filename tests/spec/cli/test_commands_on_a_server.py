"""Whole command lines, on a hub in memory: what they print where, what they leave behind, how they end."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from atoll.api.crds import crds
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.cli.main import main
from atoll.kube.client import Client
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS, CRDS, NAMESPACES
from atoll.plan.failover import NOWHERE
from atoll.testing.fakeapi import FakeApi

SPEC = {"manifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}], "placement": {"all": True}}


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[[str], Awaitable[Ended]]


@pytest.fixture
async def hub() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        for name in (SYSTEM_NAMESPACE, "demo"):
            await client.create(NAMESPACES, {"metadata": {"name": name}})
        for crd in crds():
            await client.create(CRDS, crd)
        identity = {"metadata": {"name": "hub", "namespace": SYSTEM_NAMESPACE}, "data": {"id": "1a2b", "epoch": "1"}}
        await client.create(CONFIGMAPS, identity)
        yield client


@pytest.fixture
def atoll(hub: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    path = tmp_path / "kubeconfig"
    path.write_bytes(hub.config.to_kubeconfig("hub"))
    monkeypatch.setenv("ATOLL_KUBECONFIG", str(path))

    async def run(line: str) -> Ended:
        code = await asyncio.to_thread(main, line.split())
        return Ended(code, *capsys.readouterr())

    return run


async def put(hub: Client, name: str, **spec: object) -> None:
    await hub.create(APPLICATIONS, {"metadata": {"name": name, "namespace": "demo"}, "spec": {**SPEC, **spec}})


async def join(hub: Client, name: str) -> None:
    await hub.create(CLUSTERS, {"metadata": {"name": name}, "spec": {"connection": {"pull": {}}}})


async def test_what_if_tells_programs_of_every_application(hub: Client, atoll: Run) -> None:
    await join(hub, "eu")
    none = await atoll("-n demo what-if --lose-cluster eu -o json")
    assert (none.code, json.loads(none.out)["items"]) == (0, [])
    for name in ("a", "b"):
        await put(hub, name)
    told = await atoll("-n demo what-if --lose-cluster eu -o json")
    assert [fate["key"] for fate in json.loads(told.out)["items"]] == ["demo/a", "demo/b"]


async def test_what_is_printed_for_programs_stands_alone(hub: Client, atoll: Run) -> None:
    await join(hub, "eu")
    made = await atoll("-n demo app create web --image web:1 --clusters eu -o json")
    assert made.code == 0
    assert json.loads(made.out)["metadata"]["name"] == "web"
    assert "application/web created" in made.err


@pytest.mark.parametrize(("how", "code"), [("client", 0), ("server", 3)])  # 3: eu can't be asked
async def test_a_dry_run_makes_no_namespace_and_needs_none(hub: Client, atoll: Run, how: str, code: int) -> None:
    await join(hub, "eu")
    line = f"-n new app create web --image web:1 --clusters eu --create-namespace --dry-run={how}"
    ended = await atoll(line)
    assert (ended.code, ended.err) == (code, "")
    assert "namespace/new created" in ended.out
    assert "application/web created" in ended.out


async def test_a_cluster_that_is_gone_leaves_whatever_an_application_says(hub: Client, atoll: Run) -> None:
    await join(hub, "eu")
    await put(hub, "odd", deletion="of a newer Atoll")
    ended = await atoll("cluster leave eu --force --timeout 1s")
    assert ended.code == 0, ended.err


async def test_wrong_usage_is_found_before_anything_is_done(hub: Client, atoll: Run) -> None:
    ended = await atoll("install --wait --timeout soon --image i")
    assert ended.code == 2
    assert ended.out == ""


async def test_an_option_that_would_do_nothing_is_refused(hub: Client, atoll: Run) -> None:
    ended = await atoll("-n demo app status web -w -o json")
    assert ended.code == 2
    assert "-o" in ended.err


async def test_kubectl_is_not_sent_where_no_way_leads(hub: Client, atoll: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atoll.cli.kubectl._program", lambda: "kubectl")
    assert "there is no cluster eu" in (await atoll("kubectl eu get pods")).err
    await join(hub, "eu")
    assert "cluster eu is in pull mode" in (await atoll("kubectl eu get pods")).err


@pytest.mark.parametrize("verb", ["preview", "explain"])
async def test_of_a_cluster_that_is_none_nothing_is_said(hub: Client, atoll: Run, verb: str) -> None:
    await join(hub, "eu")
    await put(hub, "a")
    ended = await atoll(f"-n demo app {verb} a -c eu-1")
    assert (ended.code, ended.out) == (1, "")
    assert "there is no cluster eu-1" in ended.err


async def test_a_preview_of_one_cluster_says_nothing_of_others(hub: Client, atoll: Run) -> None:
    for name in ("eu", "us"):
        await join(hub, name)
    await put(hub, "a")
    [told] = json.loads((await atoll("-n demo app preview a -c eu -o json")).out)["clusters"]
    assert told["cluster"] == "eu"


async def test_no_limit_of_a_request_is_as_kubectl_says_it(hub: Client, atoll: Run) -> None:
    await put(hub, "a")
    assert (await atoll("--request-timeout 0 -n demo app list -o name")).out == "application.atoll.dev/a\n"


async def test_a_drain_that_leaves_something_is_done_in_part(hub: Client, atoll: Run) -> None:
    await join(hub, "eu")
    await put(hub, "a")
    told = {"placement": [{"cluster": "eu", "why": NOWHERE}]}
    await hub.patch(APPLICATIONS, "a", "demo", {"status": told}, subresource="status")
    ended = await atoll("cluster drain eu")
    assert (ended.code, ended.out.splitlines()[-1]) == (3, "cluster/eu drained, but 1 stay")
    assert f"demo/a stays: {NOWHERE}" in ended.err
    await hub.patch(APPLICATIONS, "a", "demo", {"status": {"placement": []}}, subresource="status")
    assert (await atoll("cluster drain eu")).code == 0
