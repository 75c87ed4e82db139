"""The CRDs on a real API server: accepted, explained, and as strict as `validate()`, in the same words."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.api.crds import DEFINITIONS, root_schema
from atoll.api.manifests import dump
from atoll.kube.client import Client
from atoll.kube.errors import BadRequest, Conflict, Invalid
from atoll.kube.resources import APPLICATIONS, CLUSTERPROFILES, CLUSTERS
from tests.fleet.crds.conftest import Kubectl, established
from tests.spec.api.shop import APPLICATION, application, difference
from tests.spec.api.spoilt import NULLS, SHAPE


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.kind)
async def test_a_definition_isestablished_and_structural(hub: Client, definition: Any) -> None:
    conditions = await established(hub, definition.name)
    assert conditions["NamesAccepted"]["status"] == "True"
    assert "NonStructuralSchema" not in conditions


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part["description"]
        yield from fields(part, f"{path}.{name}")
        yield from fields(part.get("items", part.get("additionalProperties", {})), f"{path}.{name}")


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.kind)
@pytest.mark.usefixtures("hub")
async def test_kubectl_explains_every_field(kubectl: Kubectl, definition: Any) -> None:
    told = " ".join(kubectl("explain", f"{definition.plural}.{definition.group}", "--recursive").split())
    spec = root_schema(definition.struct)["properties"]["spec"]
    for path, _ in fields(spec, "spec"):
        assert path.rpartition(".")[2] in told
    first = next(iter(fields(spec, "spec")))
    assert first[1] in " ".join(kubectl("explain", f"{definition.plural}.{definition.group}.{first[0]}").split())


@pytest.mark.usefixtures("hub")
async def test_kubectl_knows_short_names_and_the_category(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--categories", "atoll", "--no-headers")
    assert "atapp" in listed
    assert "atcl" in listed


async def test_kubectl_shows_columns(hub: Client, demo: str, kubectl: Kubectl) -> None:
    await hub.create(APPLICATIONS, _in(demo, APPLICATION))
    assert kubectl("get", "atapp", "-n", demo).splitlines()[0].split() == [
        *("NAME", "CLUSTERS", "APPLIED", "HEALTHY", "READY", "STATE", "AGE")
    ]
    name = f"{demo}-cluster"
    body = {"apiVersion": CLUSTERS.api_version, "kind": "Cluster", "metadata": {"name": name}, "spec": _CONNECTION}
    await hub.create(CLUSTERS, body)
    try:
        assert kubectl("get", "atcl", name).splitlines()[0].split() == [
            *("NAME", "MODE", "PROVIDER", "REGION", "READY", "VERSION", "NODES", "AGE")
        ]
    finally:
        await hub.delete(CLUSTERS, name)


_CONNECTION = {"connection": {"direct": {"kubeconfigSecret": "nowhere"}}}


def _in(namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    """Suspended, in case that a hub is running."""
    body = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
    return {**body, "spec": {**body["spec"], "suspend": True}}


@pytest.mark.parametrize(("body", "message"), SHAPE, ids=[message for _, message in SHAPE])
async def test_the_server_refuses_the_same_shapes(hub: Client, demo: str, body: dict[str, Any], message: str) -> None:
    field, _, words = message.partition(": ")
    with pytest.raises(Invalid) as refused:
        await hub.create(APPLICATIONS, _in(demo, body), dry_run=True)
    assert any(cause.field == field and words in cause.message for cause in refused.value.causes), refused.value.message


@pytest.mark.parametrize("body", NULLS)
async def test_the_server_takes_null_as_absent(hub: Client, demo: str, body: dict[str, Any]) -> None:
    await hub.create(APPLICATIONS, _in(demo, body), dry_run=True)


@pytest.mark.parametrize(
    "path", ["/", "/metadata", "/metadata/name", "/metadata/uid/x", "/kind", "/status/a", "s", "/~2"]
)
async def test_the_server_refuses_paths_to_the_identity(hub: Client, demo: str, path: str) -> None:
    body = difference(patches=[{"target": {"kind": "Service"}, "op": "remove", "path": path}])
    with pytest.raises(Invalid, match="differences"):
        await hub.create(APPLICATIONS, _in(demo, body), dry_run=True)


async def test_the_server_refuses_negative_replicas_and_5000_objects(hub: Client, demo: str) -> None:
    with pytest.raises(Invalid, match="greater than or equal to 0"):
        await hub.create(APPLICATIONS, _in(demo, application(replicas={"each": -1})), dry_run=True)
    many = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(5000)]
    with pytest.raises(Invalid, match="name them with select"):
        await hub.create(APPLICATIONS, _in(demo, application(manifests=many)), dry_run=True)


async def test_kubectl_names_an_unknown_field(kubectl: Kubectl, demo: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl("create", "--dry-run=server", "-f", "-", text=dump([_in(demo, application(placment={"all": True}))]))
    assert 'unknown field "spec.placment"' in refused.value.stderr


@pytest.mark.parametrize("name", ["a.b", "x" * 64])
async def test_a_clusters_name_is_a_dns_label(hub: Client, name: str) -> None:
    body = {"apiVersion": CLUSTERS.api_version, "kind": "Cluster", "metadata": {"name": name}, "spec": _CONNECTION}
    with pytest.raises(Invalid, match="a cluster's name is a DNS label"):
        await hub.create(CLUSTERS, body, dry_run=True)


async def test_a_cluster_is_reached_in_one_way(hub: Client) -> None:
    body = {
        "apiVersion": CLUSTERS.api_version,
        "kind": "Cluster",
        "metadata": {"name": "a"},
        "spec": {"connection": {}},
    }
    with pytest.raises(Invalid, match="give exactly one way to reach it: direct"):
        await hub.create(CLUSTERS, body, dry_run=True)


async def test_a_cluster_profile_keeps_its_manager(hub: Client, demo: str) -> None:
    body: dict[str, Any] = {
        "apiVersion": CLUSTERPROFILES.api_version,
        "kind": "ClusterProfile",
        "metadata": {"name": "eu-1", "namespace": demo},
        "spec": {"clusterManager": {"name": "atoll"}, "displayName": "eu-1"},
    }
    await hub.create(CLUSTERPROFILES, body)
    body["spec"]["clusterManager"]["name"] = "other"
    with pytest.raises((Invalid, Conflict, BadRequest), match="ClusterManager is immutable"):
        await hub.apply(CLUSTERPROFILES, body, name="eu-1", namespace=demo, manager="atoll", force=True)
