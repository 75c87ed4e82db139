"""An object that passes from one Application to another leaves the first one's stock, and joins the other's."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from atoll.hub.inventory import Inventory
from atoll.kube.objects import Object, of_body
from atoll.runtime.changes import Change, Handler


def live(owner: str, version: str) -> Object:
    metadata = {"name": "c", "namespace": "demo", "uid": "1", "resourceVersion": version}
    return of_body({"kind": "ConfigMap", "metadata": {**metadata, "labels": {"atoll.dev/app": owner}}})


@pytest.mark.anyio
async def test_both_applications_are_told_of_and_other_changes_are_not() -> None:
    handlers: list[Handler[Object]] = []
    told: list[tuple[str, str]] = []

    def subscribe(handler: Handler[Object]) -> Any:
        handlers.append(handler)
        return handlers.clear

    member = SimpleNamespace(name="eu", watches=SimpleNamespace(subscribe=subscribe))
    engaged = asyncio.create_task(Inventory(lambda *words: told.append(words)).engage(cast("Any", member)))
    await asyncio.sleep(0)
    one, same, other = live("gone", "1"), live("gone", "2"), live("shop", "3")
    for old, new in ((None, one), (one, same), (same, other), (other, None)):
        handlers[0](Change(one.id, old, new))
    engaged.cancel()
    await asyncio.wait([engaged])
    assert told == [("eu", "gone"), ("eu", "gone"), ("eu", "shop"), ("eu", "shop")]
    assert not handlers
