"""While a change is on its way it is looked at often, and its Application read anew only where that may differ."""

from typing import Any, cast

import pytest

from atoll.api.names import LABEL_REACH
from atoll.api.objects import GroupKind, Key
from atoll.hub.application import read
from atoll.hub.dossier import Dossier
from atoll.hub.intents import Intents
from atoll.hub.scopes import Scopes
from atoll.kube.errors import KindNotServed
from atoll.kube.objects import Object, of_body

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
WIDGET = {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w"}}


def application(*manifests: dict[str, Any], version: str = "7", **spec: Any) -> Object:
    metadata = {"name": "shop", "namespace": "demo", "uid": "u", "resourceVersion": version}
    body = {"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": metadata}
    return of_body(body | {"spec": {"manifests": list(manifests), "placement": {"clusters": ["eu"]}, **spec}})


class World:
    """What an Application's reading rests on, and how often it was read."""

    def __init__(self) -> None:
        self.clusters = frozenset({"eu"})
        self.defaults = "1"
        self.namespace = of_body({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})
        self.times = 0
        nothing = cast("Any", None)
        hub = cast("Any", self)
        self.intents = Intents(
            hub, Scopes(), nothing, lambda _: self.namespace, lambda: self.clusters, tuple,
            defaults_versions=lambda _: self.defaults,
        )  # fmt: skip
        self.dossier = Dossier(Key("demo", "shop"), "u", application(CONFIGMAP), cast("Any", self))

    async def read(self, live: Object) -> Any:
        self.times += 1
        return await self.intents.read(live)

    def ground(self, live: Object) -> Any:
        return live.resource_version, self.intents.ground(live.namespace)

    @property
    def discovery(self) -> Any:
        return self

    async def resource(self, *_: str) -> Any:
        raise KindNotServed(GroupKind("x.io", "Widget"), "v1")


async def test_it_is_read_once_while_nothing_changes() -> None:
    world = World()
    first = await read(world.dossier)
    assert first.intent is not None
    assert await read(world.dossier) is first
    assert world.times == 1


@pytest.mark.parametrize("what", ["itself", "clusters", "defaults", "reach"])
async def test_it_is_read_anew_when_what_it_rests_on_changes(what: str) -> None:
    world = World()
    await read(world.dossier)
    match what:
        case "itself":
            world.dossier.live = application(CONFIGMAP, version="8", allowEmpty=True)
        case "clusters":
            world.clusters = frozenset({"eu", "us"})
        case "defaults":
            world.defaults = "2"
        case "reach":
            metadata = {"name": "demo", "labels": {LABEL_REACH: "cluster"}}
            world.namespace = of_body({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    again = await read(world.dossier)
    assert world.times == 2
    assert again.intent is not None
    assert again.intent.allow_empty == (what == "itself")


async def test_one_with_a_kind_that_nobody_serves_yet_is_read_each_time() -> None:
    world = World()
    world.dossier.live = application(WIDGET)
    for _ in range(2):
        await read(world.dossier)
    assert world.times == 2
