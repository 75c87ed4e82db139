"""A stage's check on a real fleet: an HTTP answer and a metric hold a change up, let it go on, and take it back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.fleet.hub.world import CHECKED, CONFIGMAPS, World, configmap

Json = dict[str, Any]


class Site:
    """What is asked: whether it is well, and a share of errors as Prometheus would tell it."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 503
        self.errors = "0.5"
        self.queries: list[str] = []

    async def ready(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status, text="ok" if self.status == 200 else "not yet")

    async def query(self, request: web.Request) -> web.Response:
        self.queries.append(request.query["query"])
        series = {"metric": {}, "value": [1, self.errors]}
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": [series]}})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.add_routes([web.get("/ready", site.ready), web.get("/api/v1/query", site.query)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, CHECKED, 0).start()
    site.url = f"http://{CHECKED}:{runner.addresses[0][1]}"
    yield site
    await runner.cleanup()


def stages(world: World, site: Site, within: str) -> list[Json]:
    first = {"http": {"url": f"{site.url}/ready", "contains": "ok"}, "every": "1s", "within": within}
    query = {"url": site.url, "query": "sum(rate(errors[5m]))", "max": 0.05}
    rest = {"prometheus": query, "every": "1s", "within": within}
    return [
        {"name": "canary", "clusters": [world.members[0]], "gates": {"check": first}},
        {"name": "rest", "all": True, "gates": {"check": rest}},
    ]


async def stage(world: World, name: str, state: str, words: str = "") -> None:
    """Wait until the stage is so, and says so."""
    found: list[Json] = []

    async def check() -> bool:
        rollout = (await world.status("shop")).get("rollout") or {}
        found[:] = [s for s in rollout.get("stages", ()) if s["name"] == name]
        return any(s.get("state", "Pending") == state and words in s.get("message", "") for s in found)

    try:
        await world.eventually(check, 20)
    except AssertionError:
        raise AssertionError(f"{name} is not {state} {words!r}, but {found}") from None


async def levels(world: World) -> list[str]:
    found = [await world.find(member, CONFIGMAPS, "settings") for member in world.members]
    return [body["data"]["level"] if body else "" for body in found]


async def test_answers_hold_a_change_up_let_it_on_and_take_it_back(world: World, site: Site) -> None:
    await world.deploy("shop", [configmap("settings", level="a")], rollout={"stages": stages(world, site, "1m")})
    await stage(world, "canary", "Verifying", "status 503 instead of 200")
    assert await levels(world) == ["a", "", ""]
    site.status = 200
    await stage(world, "rest", "Verifying", "a value is above 0.05")
    assert await levels(world) == ["a", "a", "a"]
    assert set(site.queries) == {"sum(rate(errors[5m]))"}
    site.errors = "0.01"
    await world.ready("shop")

    site.status = 500
    wish = {"stages": stages(world, site, "2s"), "onFailure": "rollback"}
    await world.patch("shop", {"manifests": [configmap("settings", level="b")], "rollout": wish})
    seen: set[tuple[str, ...]] = set()

    async def taken_back() -> Json | None:
        seen.add(tuple(await levels(world)))
        rollout = (await world.status("shop")).get("rollout") or {}
        return rollout if rollout.get("phase") == "RolledBack" else None

    rollout = await world.eventually(taken_back, 30)
    assert "canary" in rollout["message"]
    assert "status 500 instead of 200" in rollout["message"]
    assert seen >= {("b", "a", "a")}
    assert not any("b" in found[1:] for found in seen)

    async def back() -> bool:
        return await levels(world) == ["a", "a", "a"]

    await world.eventually(back)
