"""Manifests that were read from a cluster have a status, which only a controller there writes."""

from functools import partial

import pytest

from atoll.kube.objects import Resource
from atoll.testing.fakeapi import FakeApi, Kind
from atoll.testing.fakeapi.kinds import VERBS
from tests.delivering import Json, Site, configmap, eventually, object_id

THINGS = Resource("example.org", "v1", "Thing", "things", True, VERBS)
THING: Json = {
    "apiVersion": "example.org/v1",
    "kind": "Thing",
    "metadata": {"name": "t", "namespace": "demo"},
    "spec": {"size": 1},
    "status": {"seen": 0},
}


def told(site: Site, seen: str) -> bool:
    live = site.watches.get(object_id(THING))
    return live is not None and live.annotations.get("seen") == seen


@pytest.mark.parametrize("subresource", [True, False])
async def test_a_controllers_status_is_no_drift_where_it_is_its_own(
    api: FakeApi, site: Site, *, subresource: bool
) -> None:
    kind = Kind(THINGS, status=subresource)
    api.cluster.kinds.add(kind)
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(THING, configmap("c", "demo", seen="0"))
        before = site.requests()["apply"]
        for seen in (1, 2):
            part = "status" if subresource else ""
            api.cluster.patch(kind, "demo", "t", {"status": {"seen": seen}}, subresource=part)
            api.cluster.patch(kind, "demo", "t", {"metadata": {"annotations": {"seen": str(seen)}}})
            await eventually(partial(told, site, str(seen)))
            await app.deliver(THING, configmap("c", "demo", seen=str(seen)))
        assert not subresource or site.requests()["apply"] - before == 2  # those of the ConfigMap
        status = (await site.live(THINGS, "t", "demo")).body()["status"]
        assert status == {"seen": 2 if subresource else 0}
