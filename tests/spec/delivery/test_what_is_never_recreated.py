"""`onImmutable: recreate` deletes what is ours to delete."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.kube.client import Client
from atoll.kube.resources import CONFIGMAPS
from atoll.testing.fakeapi import FakeApi
from atoll.testing.fakeapi.refusals import Refusal
from tests.delivering import Site, configmap

WHY = 'ConfigMap "c" is invalid: data: Forbidden: field is immutable when `immutable` is set'


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with FakeApi() as api, Client(api.config) as client, Client(api.config) as plain:
        applied = api.cluster.apply

        def apply(kind: Any, namespace: str, name: str, body: Any, **how: Any) -> Any:
            live = api.cluster.store.get(kind.group_kind, (namespace, name))
            meant = live is not None and body["metadata"].get("resourceVersion") == live["metadata"]["resourceVersion"]
            if live is not None and meant and live["data"] != body.get("data"):
                raise Refusal(422, "Invalid", WHY, causes=[{"message": WHY, "field": "data"}])
            return applied(kind, namespace, name, body, **how)

        monkeypatch.setattr(api.cluster, "apply", apply)
        yield Site("c1", client, plain)


async def uid(site: Site) -> str:
    return (await site.plain.get(CONFIGMAPS, "c", "default")).uid


async def test_what_is_ours_is_made_anew(site: Site) -> None:
    app = site.app("default")
    async with site.engaged():
        await app.deliver(configmap("c", "default", a="1"))
        before = await uid(site)
        await app.deliver(configmap("c", "default", a="2"), recreate=True)
        assert await uid(site) != before


async def test_what_is_kept_on_purpose_stays(site: Site) -> None:
    app, keep = site.app("default"), {"atoll.dev/prune": "false"}
    async with site.engaged():
        await app.deliver(configmap("c", "default", keep, a="1"))
        before = await uid(site)
        told = await app.deliver(configmap("c", "default", keep, a="2"), state="Failed", recreate=True)
        assert told.objects[0].reason == "Immutable"
        assert "atoll.dev/prune is false" in told.objects[0].message
        assert await uid(site) == before


async def test_what_is_somebody_elses_stays(site: Site) -> None:
    app = site.app("default")
    await site.plain.create(CONFIGMAPS, configmap("c", "default", a="1"))
    before = await uid(site)
    async with site.engaged():
        told = await app.deliver(configmap("c", "default", a="2"), state="Failed", recreate=True, adopt=True)
        assert told.objects[0].reason == "Immutable"
        assert "somebody else's" in told.objects[0].message
        assert await uid(site) == before
