"""`kubefedctl enable`, `disable`, `federate` and `orphaning-deletion`, on a real host with its control plane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from atoll.api.kubefed.names import NAMESPACE as CONTROL_PLANE
from atoll.api.kubefed.typeconfig import FederatedTypeConfig
from atoll.api.manifests import load
from atoll.api.objects import Json
from atoll.install.kinds import InstallError
from atoll.install.kubefed.enabling import Directive, enable, of_type, prepared
from atoll.install.kubefed.served import chosen, served_types
from atoll.kube.client import Client
from atoll.kube.errors import Invalid, NotFound
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, resource_of
from atoll.kube.resources import CONFIGMAPS, CRDS, NAMESPACES
from tests.delivering import eventually
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess
from tests.fleet.kubefed.commands import Words, called, control_plane
from tests.fleet.kubefed.world import HOST


@pytest.fixture
async def host(hub: HubProcess, fleet: Fleet) -> AsyncIterator[Client]:
    async with fleet.client(HOST) as client:
        yield client


def custom(kind: str, plural: str, scope: str, spec: Json | None = None) -> Json:
    schema = {"type": "object", "properties": {"spec": spec or {"type": "object"}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.command.test"},
        "spec": {
            "group": "command.test",
            "names": {"kind": kind, "plural": plural, "shortNames": [plural[:2]]},
            "scope": scope,
            "versions": [version],
        },
    }


REPLICAS = {"type": "object", "properties": {"replicas": {"type": "integer", "format": "int32"}}}
TARGETS = (
    "configmaps", "secrets", "sa", "Service", "deployments.apps", "replicaset", "jobs.batch", "ing", "ns",
    "clusterroles.rbac.authorization.k8s.io", "gauges", "dials",
)  # fmt: skip
SCALABLE = {"Deployment", "ReplicaSet", "Gauge"}


@asynccontextmanager
async def served_as(host: Client, *crds: Json) -> AsyncIterator[None]:
    """The types, served. They go afterwards, in the API server's own time: each test has names of its own."""
    named = {crd["metadata"]["name"] for crd in crds}

    async def free() -> bool:
        return not named & {live.name for live in (await host.list(CRDS)).items}

    async def served() -> bool:
        found = await host.request("GET", "/apis/command.test/v1")
        return {crd["spec"]["names"]["plural"] for crd in crds} <= {item["name"] for item in found["resources"]}

    await eventually(free, 90)  # on a fleet that a run before used
    for crd in crds:
        await host.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
    await eventually(served, 15)
    try:
        yield
    finally:
        federated = {f"federated{crd['spec']['names']['plural']}.types.kubefed.io" for crd in crds}
        for name in named | federated:
            with suppress(NotFound):
                await host.delete(CRDS, name)


async def test_twelve_types_are_enabled_and_their_federated_objects_accepted(host: Client) -> None:
    customs = (custom("Gauge", "gauges", "Namespaced", REPLICAS), custom("Dial", "dials", "Cluster"))
    async with served_as(host, *customs), control_plane(host) as namespace:
        words, types = Words(), await served_types(host)
        for name in TARGETS:
            steps = await of_type(host, chosen(types, name), Directive(name), namespace)
            await enable(host, steps, words)
            config = steps.config
            live = await host.get(FEDERATEDTYPECONFIGS, steps.target.qualified, namespace)
            assert live.read(FederatedTypeConfig).spec == config.spec
            resource = resource_of(config.spec.federated_type, namespaced=config.federated_namespaced)
            body = federated_body(config, namespace, scaled=steps.target.kind in SCALABLE)
            stored = (await host.create(resource, body, dry_run=True)).body()
            assert stored["spec"] == body["spec"], name  # nothing is pruned of what a user wrote
            await check_refusals(host, resource, body)
        assert len(words.results) == 2 * len(TARGETS)
        assert words.results[-1] == (
            f"federatedtypeconfig.core.kubefed.io/dials.command.test created in namespace {namespace}"
        )


def federated_body(config: FederatedTypeConfig, namespace: str, *, scaled: bool) -> Json:
    """As much as a federated object may have."""
    where = {"namespace": namespace} if config.federated_namespaced else {}
    overrides = [{"clusterName": "a", "clusterOverrides": [{"path": "/x", "op": "replace", "value": [1, "b", None]}]}]
    return {
        "apiVersion": config.spec.federated_type.api_version,
        "kind": config.spec.federated_type.kind,
        "metadata": {"name": namespace, **where},
        "spec": {
            "template": {"metadata": {"labels": {"a": "b"}}, "anything": {"at": ["all", 1, None]}},
            "placement": {"clusters": [], "clusterSelector": {"matchExpressions": [{"key": "k", "operator": "Odd"}]}},
            "overrides": overrides,
            **({"retainReplicas": True} if scaled else {}),
        },
    }


async def check_refusals(host: Client, resource: Any, body: Json) -> None:
    bad = {"op": "move", "path": "/x"}
    overrides = [{"clusterName": "a", "clusterOverrides": [bad]}]
    for wrong in (
        {key: value for key, value in body.items() if key != "spec"},
        {**body, "spec": {**body["spec"], "overrides": overrides}},
        {**body, "spec": {"placement": {"clusters": [{}]}}},
    ):
        with pytest.raises(Invalid):
            await host.create(resource, wrong, dry_run=True)


async def test_a_type_comes_and_goes_by_command(fleet: Fleet, host: Client) -> None:
    async with served_as(host, custom("Lever", "levers", "Namespaced", REPLICAS)):
        await comes_and_goes(fleet, host)


async def comes_and_goes(fleet: Fleet, host: Client) -> None:
    there = f"--host-cluster-context {HOST}"
    shown = await called(fleet, f"enable levers -o yaml {there}")
    config, crd = load(shown.output)
    assert (config["kind"], crd["metadata"]["name"]) == ("FederatedTypeConfig", "federatedlevers.types.kubefed.io")
    assert crd["spec"]["names"]["shortNames"] == ["fle"]
    assert (
        "retainReplicas" in crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    )
    enabled = await called(fleet, f"enable le {there}")
    assert enabled.output.splitlines() == [
        "customresourcedefinition.apiextensions.k8s.io/federatedlevers.types.kubefed.io created",
        f"federatedtypeconfig.core.kubefed.io/levers.command.test created in namespace {CONTROL_PLANE}",
    ], enabled.errors

    async def running() -> bool:
        live = await host.get(FEDERATEDTYPECONFIGS, "levers.command.test", CONTROL_PLANE)
        status = live.read(FederatedTypeConfig).status
        return status is not None and status.propagation_controller == "Running"

    await eventually(running, 15)
    other = await called(fleet, f"enable levers --federated-group=other.test {there}")
    assert (other.code, other.output) == (1, "")
    assert "is federated as" in other.errors
    key = f'"{CONTROL_PLANE}/levers.command.test"'
    disabled = await called(fleet, f"disable levers.command.test --delete-crd {there}")
    assert disabled.output.splitlines() == [
        f"Disabled propagation for FederatedTypeConfig {key}",
        f"Verifying propagation controller is stopped for FederatedTypeConfig {key}",
        f"Propagation controller for FederatedTypeConfig {key} is stopped",
        'customresourcedefinition "federatedlevers.types.kubefed.io" deleted',
        f"federatedtypeconfig {key} deleted",
    ], disabled.errors


async def test_a_type_that_there_is_not_is_named(host: Client) -> None:
    with pytest.raises(InstallError, match='"nothings"'):
        await prepared(host, Directive("nothings"))
    with pytest.raises(InstallError, match="lease"):
        await prepared(host, Directive("leases", version="v9"))


async def test_an_object_is_federated_by_command(fleet: Fleet, host: Client, namespace: str) -> None:
    there = f"-n {namespace} --host-cluster-context {HOST}"
    await host.create(NAMESPACES, {"metadata": {"name": namespace}})
    try:
        note = {"labels": {"app": "x"}, "annotations": {"why": "a test"}}
        await host.create(CONFIGMAPS, {"metadata": {"name": "cm", "namespace": namespace, **note}, "data": {"a": "1"}})
        shown = await called(fleet, f"federate cm cm -o yaml {there}")
        (body,) = load(shown.output)
        assert body["spec"]["template"] == {"metadata": {"labels": {"app": "x"}}, "data": {"a": "1"}}
        assert f'Annotations of ConfigMap "{namespace}/cm" will not appear' in shown.errors
        whole = await called(fleet, f"federate ns {namespace} --contents -s sa,deployments.apps --dry-run {there}")
        assert whole.code == 0, whole.errors
        for one in (f'FederatedNamespace "{namespace}/{namespace}"', f'FederatedConfigMap "{namespace}/cm"'):
            assert f"Successfully created {one} from" in whole.errors
        assert "kube-root-ca.crt" in whole.errors and "FederatedServiceAccount" not in whole.errors
        made = await called(fleet, f"federate configmap cm {there}")
        assert made.code == 0, made.errors
        for action, status in (("enable", "Enabled"), ("disable", "Disabled")):
            assert (await called(fleet, f"orphaning-deletion {action} fcm cm {there}")).code == 0
            assert (await called(fleet, f"orphaning-deletion status fcm cm {there}")).output == f"{status}\n"
    finally:
        await host.delete(NAMESPACES, namespace)
