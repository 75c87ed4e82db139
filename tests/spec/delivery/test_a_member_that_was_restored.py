"""A member whose etcd is put back to an earlier day, under the feet of whoever delivers to it."""

from collections.abc import AsyncIterator

import pytest

from atoll.kube.resources import CONFIGMAPS, SECRETS
from atoll.testing.fakeapi import FakeApi
from tests.delivering import Json, Site, configmap, eventually

SECRET: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "demo"}}


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi(bookmark_every=0.02) as api:  # by bookmarks a watch finds out
        yield api


async def test_what_is_older_than_it_was_is_brought_to_what_is_wanted(api: FakeApi, site: Site) -> None:
    app = site.app("demo")
    async with site.engaged():
        await app.deliver(configmap("c", "demo", a="1"))
        backup = api.cluster.store.snapshot()
        await app.deliver(configmap("c", "demo", a="2"), SECRET)
        await app.deliver(configmap("c", "demo", a="3"), SECRET)
        api.cluster.store.restore(backup)
        api.break_connections()

        async def as_wanted() -> bool:
            live = await site.live(CONFIGMAPS, "c", "demo")
            return live.body()["data"] == {"a": "3"} and await site.exists(SECRETS, "s", "demo")

        await eventually(as_wanted, 5)
        await app.outcome("Applied")
    revision = app.submit(configmap("c", "demo", a="3")).revision
    async with site.engaged():  # the record that was restored knew of no Secrets
        await app.outcome("Applied", revision)

        async def left_out_is_gone() -> bool:
            return not await site.exists(SECRETS, "s", "demo")

        await eventually(left_out_is_gone, 3)
