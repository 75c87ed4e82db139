"""Version records on the hub: written when something changed, kept over restarts, taken over from a former object."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from atoll.api.kubefed.definitions import crds
from atoll.hub.kubefed.records import Records
from atoll.kube.client import Client
from atoll.kube.kubefed_resources import CLUSTERPROPAGATEDVERSIONS, PROPAGATEDVERSIONS
from atoll.kube.objects import Object, of_body
from atoll.kube.resources import CRDS, NAMESPACES
from atoll.testing.fakeapi import FakeApi

NAME = "configmap-web"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        await client.create(NAMESPACES, {"metadata": {"name": "demo"}})
        for crd in crds():
            await client.create(CRDS, crd)
        yield client


def owner(uid: str = "u1", namespace: str = "demo", kind: str = "FederatedConfigMap") -> Object:
    metadata = {"name": "web", "namespace": namespace, "uid": uid, "resourceVersion": "1"}
    return of_body({"apiVersion": "types.kubefed.io/v1beta1", "kind": kind, "metadata": metadata})


async def keep(
    records: Records,
    about: Object,
    versions: Mapping[str, str],
    *,
    template: str = "t1",
    overrides: str = "o1",
    placed: tuple[str, ...] = ("eu", "us"),
) -> bool:
    return await records.keep(
        about, "ConfigMap", template=template, overrides=overrides, versions=versions, placed=placed
    )


async def status(client: Client) -> Any:
    return (await client.get(PROPAGATEDVERSIONS, NAME, "demo")).body()["status"]


async def test_it_says_what_each_cluster_has_and_whose_it_is(client: Client) -> None:
    assert await keep(Records(client), owner(), {"us": "rv:7", "eu": "gen:1"})
    live = await client.get(PROPAGATEDVERSIONS, NAME, "demo")
    assert live.body()["status"] == {
        "templateVersion": "t1",
        "overridesVersion": "o1",
        "clusterVersions": [{"clusterName": "eu", "version": "gen:1"}, {"clusterName": "us", "version": "rv:7"}],
    }
    assert live.body()["metadata"]["ownerReferences"] == [
        {"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedConfigMap", "name": "web", "uid": "u1"}
    ]


async def test_the_same_is_not_written_again_after_a_restart_either(client: Client) -> None:
    await keep(Records(client), owner(), {"eu": "gen:1"})
    again = Records(client)
    await again.load("")
    assert not await keep(again, owner(), {"eu": "gen:1"})


async def test_who_tells_nothing_now_keeps_what_is_on_record_while_the_object_is_the_same(client: Client) -> None:
    records = Records(client)
    await keep(records, owner(), {"eu": "gen:1", "us": "gen:1"})
    assert not await keep(records, owner(), {"eu": "gen:1"})
    await keep(records, owner(), {"eu": "gen:1"}, placed=("eu",))
    assert [one["clusterName"] for one in (await status(client))["clusterVersions"]] == ["eu"]
    await keep(records, owner(), {"us": "gen:2"}, template="t2")
    assert (await status(client))["clusterVersions"] == [{"clusterName": "us", "version": "gen:2"}]


async def test_a_record_of_a_former_object_becomes_this_one_s(client: Client) -> None:
    records = Records(client)
    await keep(records, owner("u1"), {"eu": "gen:9"})
    await keep(records, owner("u2"), {"us": "gen:1"})
    live = (await client.get(PROPAGATEDVERSIONS, NAME, "demo")).body()
    assert live["metadata"]["ownerReferences"][0]["uid"] == "u2"
    assert live["status"]["clusterVersions"] == [{"clusterName": "us", "version": "gen:1"}]


async def test_one_that_somebody_deleted_comes_again(client: Client) -> None:
    records = Records(client)
    await keep(records, owner(), {"eu": "gen:1"})
    await client.delete(PROPAGATEDVERSIONS, NAME, "demo")
    await keep(records, owner(), {"eu": "gen:2"})
    assert (await status(client))["clusterVersions"] == [{"clusterName": "eu", "version": "gen:2"}]


async def test_a_cluster_scoped_object_s_is_cluster_scoped(client: Client) -> None:
    await keep(Records(client), owner(namespace="", kind="FederatedClusterRole"), {"eu": "rv:1"})
    assert (await client.get(CLUSTERPROPAGATEDVERSIONS, NAME)).body()["status"]["templateVersion"] == "t1"


async def test_who_is_gone_is_forgotten_and_who_has_its_name_now_is_not(client: Client) -> None:
    records = Records(client)
    await keep(records, owner("u1"), {"eu": "gen:1"})
    await keep(records, owner("u2"), {"eu": "gen:1"})
    records.forget("u1")
    assert not await keep(records, owner("u2"), {"eu": "gen:1"})
    records.forget("u2")
    assert await keep(records, owner("u2"), {"eu": "gen:1"})


async def test_one_that_cannot_be_read_stops_nobody_and_is_written_anew(client: Client) -> None:
    body = {"metadata": {"name": NAME, "namespace": "demo"}}
    await client.create(PROPAGATEDVERSIONS, body)
    await client.patch(PROPAGATEDVERSIONS, NAME, "demo", {"status": {"templateVersion": 7}}, subresource="status")
    records = Records(client)
    await records.load("")
    assert await keep(records, owner(), {"eu": "gen:1"})
    assert (await status(client))["templateVersion"] == "t1"
