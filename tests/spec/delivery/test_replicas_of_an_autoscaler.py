"""An autoscaler of somebody on the member sets replicas: they are left to it, also while it can't be read."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.objects import Resource
from atoll.kube.resources import DEPLOYMENTS
from atoll.testing.fakeapi import FakeApi, Kind, Refuse, Rule
from atoll.testing.fakeapi.kinds import VERBS
from tests.delivering import Site, deployment

PLURAL = "horizontalpodautoscalers"
HPAS = Resource("autoscaling", "v2", "HorizontalPodAutoscaler", PLURAL, True, VERBS)
HPA: Json = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "demo"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        api.cluster.kinds.add(Kind(HPAS))
        yield api


@pytest.mark.parametrize(("code", "reason"), [(503, "ServiceUnavailable"), (429, "TooManyRequests"), (500, "")])
async def test_they_are_not_put_back_since_it_cannot_be_read_now(api: FakeApi, code: int, reason: str) -> None:
    async with Client(api.config) as client, Client(api.config) as plain:
        site = Site("c1", client, plain)
        app = site.app("demo")
        async with site.engaged():
            await app.deliver(deployment("web", "demo", replicas=2))
            await plain.create(HPAS, HPA)
            api.faults.rules.append(Rule(Refuse(code, reason), verb="list", plural=PLURAL, times=1))
            await plain.patch(DEPLOYMENTS, "web", "demo", {"spec": {"replicas": 50}})
            await app.outcome("Applying")
            await app.outcome("Applied")
            await asyncio.sleep(0.05)
            live = await plain.get(DEPLOYMENTS, "web", "demo")
            assert live.body()["spec"]["replicas"] == 50
