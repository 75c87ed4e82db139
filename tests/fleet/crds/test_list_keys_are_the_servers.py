"""What `validate()` says that server-side apply refuses, server-side apply refuses."""

from typing import Any

import pytest

from atoll.api.objects import identify, split_api_version
from atoll.kube.client import Client
from atoll.kube.errors import ApiError
from tests.spec.api.spoilt import LIST_KEYS


@pytest.mark.parametrize(("body", "message"), LIST_KEYS, ids=[message for _, message in LIST_KEYS])
async def test_two_items_of_one_key(hub: Client, demo: str, body: dict[str, Any], message: str) -> None:
    spoilt = body["spec"]["manifests"][2]
    this = identify(spoilt)
    resource = await hub.discovery.resource(this.group, this.kind, split_api_version(spoilt["apiVersion"])[1])
    with pytest.raises(ApiError, match="duplicate entries for key"):
        await hub.apply(resource, spoilt, name=this.name, namespace=demo, manager="test", dry_run=True)
