"""A former content is a Secret in the Application's namespace, which others may have written: see `Intents.admits`."""

from typing import Any, cast

import pytest

from atoll.api.intent import Content
from atoll.api.names import LABEL_REACH
from atoll.api.objects import GroupKind, Json, Key, manifest
from atoll.hub.intents import Intents
from atoll.hub.scopes import Scopes
from atoll.kube.errors import KindNotServed
from atoll.kube.objects import of_body

NOTHING = cast("Any", None)
CONFIGMAP: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "demo"}}


class Hub:
    """It serves no kind that isn't well known."""

    @property
    def discovery(self) -> Any:
        return self

    async def resource(self, *_: str) -> Any:
        raise KindNotServed(GroupKind("x.io", "Widget"), "v1")


async def admitted(*bodies: Json, reach: bool = False) -> bool:
    labels = {LABEL_REACH: "cluster"} if reach else {}
    namespace = of_body({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo", "labels": labels}})
    intents = Intents(cast("Any", Hub()), Scopes(), NOTHING, lambda _: namespace, frozenset, tuple)
    return await intents.admits(Key("demo", "shop"), Content("d", tuple(map(manifest, bodies))))


def widget(**metadata: Any) -> Json:
    return {"apiVersion": "x.io/v1", "kind": "Widget", "metadata": {"name": "w", **metadata}}


def called(name: str, **metadata: Any) -> Json:
    return CONFIGMAP | {"metadata": CONFIGMAP["metadata"] | {"name": name, **metadata}}


CLUSTER_ROLE: Json = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
OURS: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "atoll-system"}}


@pytest.mark.parametrize(
    "bodies",
    [
        [CONFIGMAP],
        [widget(namespace="demo")],  # of a kind that nobody serves now
        [called("selected", labels={"applyset.kubernetes.io/contains-group-resources": "x"})],
        [called(f"c{number}") for number in range(1_001)],  # selected: more than fit inline
    ],
)
async def test_what_was_kept_of_it_is_believed(bodies: list[Json]) -> None:
    assert await admitted(*bodies)


@pytest.mark.parametrize(
    "bodies",
    [
        [called("c", namespace="default")],
        [CLUSTER_ROLE],
        [CLUSTER_ROLE | {"metadata": {"name": "r", "namespace": "demo"}}],
        [widget()],  # of a kind that nobody serves now, and it may be the members' own
        [called("c", labels={"atoll.dev/app": "another"})],
        [*(called(f"c{number}") for number in range(10_000)), CLUSTER_ROLE],  # more than is looked at of an Application
    ],
)
async def test_what_it_may_not_have_is_not(bodies: list[Json]) -> None:
    assert not await admitted(*bodies)


async def test_with_a_longer_reach_it_may_be_anywhere_but_with_atoll_itself() -> None:
    assert await admitted(CLUSTER_ROLE, called("c", namespace="default"), widget(), reach=True)
    assert not await admitted(OURS, reach=True)
    assert not await admitted(called("c", namespace="atoll-system"), reach=True)
