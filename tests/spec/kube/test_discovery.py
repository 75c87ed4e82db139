"""Which kinds a server has: asked once, asked again for what is missing, and never "no" when nobody knows."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from aiohttp import web

from atoll.kube import discovery
from atoll.kube.discovery import DiscoveryIncomplete
from atoll.kube.errors import KindNotServed, NotFound, Unavailable
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS
from tests.spec.kube.conftest import Connect, Serve, answer, failure

VERBS = ["get", "list"]


def kinds(version: str, *names: str, freshness: str = "Current") -> dict[str, object]:
    resources = [
        {
            "resource": f"{name.lower()}s",
            "responseKind": {"group": "", "version": "", "kind": name},
            "scope": "Cluster" if name == "Namespace" else "Namespaced",
            "verbs": VERBS,
            "subresources": [{"subresource": "status", "responseKind": {"kind": name}, "verbs": ["get"]}],
        }
        for name in names
    ]
    return {"version": version, "resources": resources, "freshness": freshness}


class Kubernetes:
    """A server's discovery: `groups` by name, each a list of versions, the preferred one first."""

    def __init__(self) -> None:
        self.groups: dict[str, list[dict[str, object]]] = {
            "": [kinds("v1", "Namespace", "ConfigMap")],
            "apps": [kinds("v1", "Deployment"), kinds("v1beta1", "Deployment", "Oldie")],
        }
        self.asked = 0
        self.modified = 0
        self.aggregated = True
        self.down: dict[str, Callable[[], web.Response]] = {}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in {"/api", "/apis"}:
            return self._plain_version(request.path)
        self.asked += request.path == "/apis"
        if self.aggregated and "apidiscovery.k8s.io;v=v2" in request.headers["Accept"]:
            return self._aggregated(request)
        if request.path == "/api":
            return answer({"kind": "APIVersions", "versions": ["v1"]})
        groups = [
            {
                "name": name,
                "versions": [
                    {"groupVersion": f"{name}/{each['version']}", "version": each["version"]} for each in reversed(of)
                ],
                "preferredVersion": {"groupVersion": f"{name}/{of[0]['version']}", "version": of[0]["version"]},
            }
            for name, of in self.groups.items()
            if name
        ]
        return answer({"kind": "APIGroupList", "groups": groups})

    def _aggregated(self, request: web.BaseRequest) -> web.Response:
        core = request.path == "/api"
        items = [
            {"metadata": {"name": name} if name else {}, "versions": versions}
            for name, versions in self.groups.items()
            if (name == "") == core
        ]
        tag = f'"{hash(msgspec.json.encode(items))}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        self.modified += not core
        return answer({"kind": "APIGroupDiscoveryList", "items": items}, headers={"ETag": tag})

    def _plain_version(self, path: str) -> web.Response:
        *_, group, version = path.split("/")
        group = "" if path.startswith("/api/") else group
        if group in self.down:
            return self.down[group]()
        found = [each for each in self.groups.get(group, []) if each["version"] == version]
        if not found:
            return web.Response(status=404, text="404 page not found\n")
        resources: list[dict[str, object]] = []
        for item in found[0]["resources"]:  # type: ignore[attr-defined]
            kind = {"kind": item["responseKind"]["kind"], "namespaced": item["scope"] == "Namespaced", "verbs": VERBS}
            resources += [{"name": item["resource"], **kind}, {"name": f"{item['resource']}/status", **kind}]
        return answer({"kind": "APIResourceList", "resources": resources})


@pytest.fixture
def kubernetes() -> Kubernetes:
    return Kubernetes()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "REFRESH_AFTER", 0.0)


@pytest.mark.parametrize("aggregated", [True, False])
async def test_both_forms_say_the_same(
    kubernetes: Kubernetes, serve: Serve, connect: Connect, aggregated: bool
) -> None:
    kubernetes.aggregated = aggregated
    client = await connect((await serve(kubernetes)).url)
    found = await client.discovery.resource("apps", "Deployment")
    assert found == Resource("apps", "v1", "Deployment", "deployments", True, frozenset(VERBS))
    assert (await client.discovery.resource("apps", "Deployment", "v1beta1")).version == "v1beta1"
    assert (await client.discovery.resource("apps", "Oldie")).version == "v1beta1"
    assert not (await client.discovery.resource("", "Namespace")).namespaced
    assert [(each.group, each.kind, each.version) for each in await client.discovery.all()] == [
        ("", "ConfigMap", "v1"),
        ("", "Namespace", "v1"),
        ("apps", "Deployment", "v1"),
        ("apps", "Oldie", "v1beta1"),
    ]
    assert kubernetes.asked == 1


async def test_what_is_missing_is_asked_for_again(kubernetes: Kubernetes, serve: Serve, connect: Connect) -> None:
    client = await connect((await serve(kubernetes)).url)
    with pytest.raises(KindNotServed, match=r"does not serve Shop\.example\.dev") as caught:
        await client.discovery.resource("example.dev", "Shop")
    assert (str(caught.value.group_kind), caught.value.version) == ("Shop.example.dev", "")
    kubernetes.groups["example.dev"] = [kinds("v1", "Shop")]
    assert (await client.discovery.resource("example.dev", "Shop")).plural == "shops"
    with pytest.raises(KindNotServed, match=r"Shop\.example\.dev in version v2"):
        await client.discovery.resource("example.dev", "Shop", "v2")


async def test_many_misses_ask_seldom_and_cheaply(
    kubernetes: Kubernetes, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect((await serve(kubernetes)).url)
    questions = [client.discovery.resource("example.dev", f"Kind{number}") for number in range(30)]
    assert all(isinstance(each, KindNotServed) for each in await asyncio.gather(*questions, return_exceptions=True))
    assert kubernetes.asked <= 3
    assert kubernetes.modified == 1
    monkeypatch.setattr(discovery, "REFRESH_AFTER", 60.0)
    before = kubernetes.asked
    for _ in range(5):
        with pytest.raises(KindNotServed):
            await client.discovery.resource("example.dev", "Shop")
    assert kubernetes.asked == before
    client.discovery.invalidate()  # somebody knows better: a CRD was just made
    kubernetes.groups["example.dev"] = [kinds("v1", "Shop")]
    assert await client.discovery.resource("example.dev", "Shop")


async def test_a_path_that_has_gone_is_noticed(kubernetes: Kubernetes, serve: Serve, connect: Connect) -> None:
    client = await connect((await serve(kubernetes)).url)
    gone = await client.discovery.resource("apps", "Oldie")
    kubernetes.groups["apps"] = [kinds("v1", "Deployment")]
    with pytest.raises(NotFound) as caught:
        await client.list(gone)
    assert caught.value.unknown_path
    with pytest.raises(KindNotServed):
        await client.discovery.resource("apps", "Oldie")


async def test_a_group_whose_server_is_away_is_not_absent(
    kubernetes: Kubernetes, serve: Serve, connect: Connect
) -> None:
    client = await connect((await serve(kubernetes)).url)
    kubernetes.groups["metrics.k8s.io"] = [kinds("v1beta1", freshness="Stale")]
    with pytest.raises(DiscoveryIncomplete, match=r"metrics\.k8s\.io") as caught:
        await client.discovery.resource("metrics.k8s.io", "NodeMetrics")
    assert caught.value.reason == "Discovery"
    assert client.discovery.stale_groups == {"metrics.k8s.io"}
    assert (await client.discovery.resource("apps", "Deployment")).version == "v1"
    kubernetes.groups["metrics.k8s.io"] = [kinds("v1beta1", "NodeMetrics")]
    assert await client.discovery.resource("metrics.k8s.io", "NodeMetrics")
    assert client.discovery.stale_groups == frozenset()


@pytest.mark.parametrize("what", ["refuses", "answers with a page"])
async def test_what_a_stale_group_served_before_still_holds(
    kubernetes: Kubernetes, serve: Serve, connect: Connect, what: str
) -> None:
    kubernetes.aggregated = False
    kubernetes.groups["metrics.k8s.io"] = [kinds("v1beta1", "NodeMetrics")]
    client = await connect((await serve(kubernetes)).url)
    assert await client.discovery.resource("metrics.k8s.io", "NodeMetrics")
    refusal, page = partial(failure, 503, "ServiceUnavailable"), partial(answer, b"<html>Log in</html>")
    kubernetes.down["metrics.k8s.io"] = refusal if what == "refuses" else page
    client.discovery.invalidate()
    assert await client.discovery.resource("metrics.k8s.io", "NodeMetrics")
    assert client.discovery.stale_groups == {"metrics.k8s.io"}
    with pytest.raises(DiscoveryIncomplete):
        await client.discovery.resource("metrics.k8s.io", "PodMetrics")


async def test_a_failure_is_shared_and_not_kept(kubernetes: Kubernetes, serve: Serve, connect: Connect) -> None:
    failing = True
    asked = 0

    async def flaky(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return failure(503, "ServiceUnavailable") if failing else await kubernetes(request)

    client = await connect((await serve(flaky)).url)
    questions = [client.discovery.resource("apps", "Deployment") for _ in range(20)]
    assert all(isinstance(each, Unavailable) for each in await asyncio.gather(*questions, return_exceptions=True))
    assert asked <= 2
    failing = False
    assert await client.discovery.resource("apps", "Deployment")


async def test_who_stops_waiting_does_not_stop_the_others(
    kubernetes: Kubernetes, serve: Serve, connect: Connect
) -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await kubernetes(request)

    client = await connect((await serve(slow)).url)
    first, second = (asyncio.create_task(client.discovery.resource("apps", "Deployment")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    assert (await second).plural == "deployments"


async def test_a_change_while_asking_is_asked_for_again(kubernetes: Kubernetes, serve: Serve, connect: Connect) -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        told = await kubernetes(request)
        await asyncio.sleep(0.05)
        return told

    client = await connect((await serve(slow)).url)
    asking = asyncio.create_task(client.discovery.resource("example.dev", "Shop"))
    await asyncio.sleep(0.02)
    kubernetes.groups["example.dev"] = [kinds("v1", "Shop")]
    client.discovery.invalidate()
    assert (await asking).plural == "shops"


async def test_well_known_kinds_need_no_question(kubernetes: Kubernetes, serve: Serve, connect: Connect) -> None:
    await connect((await serve(kubernetes)).url)
    assert CONFIGMAPS.path("demo") == "/api/v1/namespaces/demo/configmaps"
    assert kubernetes.asked == 0
