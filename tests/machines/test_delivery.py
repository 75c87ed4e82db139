"""Delivery converges, whatever happens meanwhile, and touches nothing that isn't its own.

Two applications, a rival who edits, deletes and unmarks, a bystander, lost contact, and a server with faults: in the
end the member holds what was wanted last, nothing else of ours, and the bystander's objects as they were.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog
from hypothesis import given
from hypothesis import strategies as st

from atoll.api.delivery import Removal
from atoll.api.names import LABEL_APP, LABEL_HUB
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.fakeapi import Delay, FakeApi, Refuse, Reset, Rule
from tests.delivering import App, Site, configmap, eventually
from tests.machines.effort import effort

NAMES = ("a", "b", "c", "d")
NAMESPACE = "demo"
WANTED = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(("1", "2")), min_size=1)
SUBMIT = st.tuples(st.just("submit"), st.integers(0, 1), WANTED)
MEDDLE = st.tuples(st.sampled_from(("edit", "delete", "unmark")), st.sampled_from(NAMES))
OTHER = st.one_of(
    st.tuples(st.just("remove"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("reconnect")),
    st.tuples(st.just("faults"), st.integers(0, 3)),
    st.tuples(st.just("heal")),
)
PAUSE = st.sampled_from((0.0, 0.0, 0.005, 0.03))
STEPS = st.lists(st.tuples(st.one_of(SUBMIT, MEDDLE, MEDDLE, OTHER), PAUSE), min_size=8, max_size=25)
"""What happens, and the seconds until the next."""
FAULTS = (
    Rule(Refuse(500, "InternalError"), rate=0.3),
    Rule(Reset(after=True), rate=0.2),
    Rule(Refuse(409, "Conflict"), rate=0.3, verb="apply"),
    Rule(Delay(0.02), rate=0.5),
)


class World:
    """What is wanted, and the member."""

    def __init__(self, site: Site, api: FakeApi) -> None:
        self.site = site
        self.api = api
        self.apps: tuple[App, App] = (site.app(NAMESPACE), site.app(NAMESPACE))
        self.wanted: list[dict[str, str] | None] = [None, None]
        self.contact: AsyncExitStack | None = None

    async def connect(self) -> None:
        self.contact = AsyncExitStack()
        await self.contact.enter_async_context(self.site.engaged())

    async def disconnect(self) -> None:
        if self.contact is not None:
            await self.contact.aclose()

    async def do(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("submit", number, wanted):
                self.wanted[number] = wanted
                objects = (configmap(f"{number}{n}", NAMESPACE, v=v) for n, v in wanted.items())
                self.apps[number].submit(*objects, adopt=True)  # what an orphaning removal left
            case ("remove", number, orphan):
                self.wanted[number] = None
                app = self.apps[number]
                self.site.deliverer.remove(Removal(app.key, app.uid, self.site.name, orphan))
            case ("reconnect",):
                await self.disconnect()
                await self.connect()
            case ("faults", number):
                self.api.faults.rules.append(FAULTS[number])
            case ("heal",):
                self.api.faults.heal()
            case (what, name):
                with suppress(KubeError):
                    await self._meddle(what, f"0{name}")

    async def _meddle(self, what: str, name: str) -> None:
        plain = self.site.plain
        if what == "delete":
            await plain.delete(CONFIGMAPS, name, NAMESPACE)
        elif what == "edit":
            await plain.patch(CONFIGMAPS, name, NAMESPACE, {"data": {"v": "rival"}}, manager="rival")
        else:
            nothing = {"metadata": {"labels": {LABEL_HUB: None, LABEL_APP: None}}}
            await plain.patch(CONFIGMAPS, name, NAMESPACE, nothing, manager="rival")

    async def settled(self) -> bool:
        """Whether the member holds just what is wanted."""
        ours: dict[str, str] = {}
        for live in (await self.site.plain.list(CONFIGMAPS, NAMESPACE)).items:
            if live.labels.get(LABEL_HUB) == self.site.hub.id:
                ours[live.name] = live.body()["data"]["v"]
        wanted = {f"{number}{n}": v for number, part in enumerate(self.wanted) for n, v in (part or {}).items()}
        return ours == wanted


@asynccontextmanager
async def worlds() -> AsyncIterator[World]:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        world = World(Site("c1", client, plain), api)
        await world.connect()
        try:
            yield world
        finally:
            await world.disconnect()


async def run(steps: list[tuple[tuple[Any, ...], float]]) -> None:
    async with worlds() as world:
        bystander = await world.site.plain.create(CONFIGMAPS, configmap("bystander", "default", v="mine"))
        for step, pause in steps:
            await world.do(step)
            await asyncio.sleep(pause)
        world.api.faults.heal()
        await eventually(world.settled, 30)
        assert await world.site.plain.get(CONFIGMAPS, "bystander", "default") == bystander


@effort(40)
@given(STEPS)
def test_the_member_comes_to_hold_what_is_wanted_and_bystanders_stay(
    steps: list[tuple[tuple[Any, ...], float]],
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        asyncio.run(run(steps))
    finally:
        structlog.reset_defaults()
