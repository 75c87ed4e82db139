"""Admission on a real API server, and the leader's lock: who acts on KubeFed's objects is one process."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.kubefed.names import LEADER_LOCK
from atoll.api.kubefed.names import NAMESPACE as CONTROL_PLANE
from atoll.api.objects import Json
from atoll.kube.client import Client
from atoll.kube.errors import Forbidden
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS, KUBEFEDCONFIGS
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS
from atoll.runtime.locks import ANNOTATION
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import HubProcess, free_port
from tests.fleet.kubefed.commands import control_plane, started
from tests.fleet.kubefed.world import HOST


@pytest.fixture
async def host(hub: HubProcess, fleet: Fleet) -> AsyncIterator[Client]:
    async with fleet.client(HOST) as client:
        yield client


def body(resource: Resource, name: str, **spec: Any) -> Json:
    metadata = {"name": name, "namespace": CONTROL_PLANE}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}


TYPE = {"version": "v1", "kind": "Gadget", "pluralName": "gadgets", "scope": "Namespaced", "group": "x.test"}
FEDERATED = {**TYPE, "kind": "FederatedGadget", "pluralName": "federatedgadgets", "group": "types.kubefed.io"}
TYPE_CONFIG = {"targetType": TYPE, "federatedType": FEDERATED, "propagation": "Enabled"}
CLUSTER = {"apiEndpoint": "10.0.0.1:6443", "secretRef": {"name": "s"}}


async def test_what_kubefed_accepts_is_accepted_and_completed(host: Client) -> None:
    await host.create(FEDERATEDTYPECONFIGS, body(FEDERATEDTYPECONFIGS, "gadgets.x.test", **TYPE_CONFIG), dry_run=True)
    await host.create(KUBEFEDCLUSTERS, body(KUBEFEDCLUSTERS, "c", **CLUSTER), dry_run=True)
    config = await host.create(KUBEFEDCONFIGS, body(KUBEFEDCONFIGS, "other", scope="Cluster"), dry_run=True)
    assert config.body()["spec"]["leaderElect"]["leaseDuration"] == "15s"


@pytest.mark.parametrize(
    ("resource", "name", "spec", "field"),
    [
        (FEDERATEDTYPECONFIGS, "gadgets", TYPE_CONFIG, "name: Invalid value"),
        (FEDERATEDTYPECONFIGS, "gadgets.x.test", {**TYPE_CONFIG, "propagation": "On"}, "spec.propagation: Unsupp"),
        (FEDERATEDTYPECONFIGS, "gadgets.x.test", {**TYPE_CONFIG, "federatedType": {**FEDERATED, "group": "g"}},
         "spec.federatedType.group: Invalid value"),
        (KUBEFEDCLUSTERS, "c", {**CLUSTER, "apiEndpoint": "tcp://a"}, "spec.apiEndpoint: Unsupported value"),
        (KUBEFEDCLUSTERS, "c", {**CLUSTER, "disabledTLSValidations": ["*", "SubjectName"]},
         "spec.disabledTLSValidations: Invalid value"),
        (KUBEFEDCONFIGS, "k", {"scope": "World"}, "spec.scope: Unsupported value"),
        (KUBEFEDCONFIGS, "k", {"scope": "Cluster", "leaderElect": {"leaseDuration": "9s"}},
         "spec.leaderElect.leaseDuration: Invalid value"),
        (KUBEFEDCONFIGS, "k", {"scope": "Cluster", "controllerDuration": {"availableDelay": "5"}},
         "spec.controllerDuration.availableDelay: Invalid value"),
    ],
)  # fmt: skip
async def test_what_kubefed_refuses_is_refused(
    host: Client, resource: Resource, name: str, spec: Json, field: str
) -> None:
    with pytest.raises(Forbidden, match="denied the request") as refused:
        await host.create(resource, body(resource, name, **spec), dry_run=True)
    assert field in refused.value.message


async def test_the_scope_stays(host: Client) -> None:
    with pytest.raises(Forbidden, match=r"spec\.scope: Invalid value"):
        await host.patch(KUBEFEDCONFIGS, "kubefed", CONTROL_PLANE, {"spec": {"scope": "Namespaced"}}, dry_run=True)


async def test_statuses_are_judged_too(host: Client) -> None:
    bad = {"status": {"conditions": [{"type": "Tired", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z"}]}}
    with pytest.raises(Forbidden, match=r"status\.conditions\[0\]\.type: Unsupported value"):
        await host.patch(KUBEFEDCLUSTERS, HOST, CONTROL_PLANE, bad, subresource="status", dry_run=True)


async def test_the_leader_holds_kubefeds_lock(host: Client, hub: HubProcess) -> None:
    live = await host.get(CONFIGMAPS, LEADER_LOCK, CONTROL_PLANE)
    assert json.loads(live.annotations[ANNOTATION])["holderIdentity"].startswith("atoll_")
    assert "promoted as leader" in hub.log.read_text()
    assert "Starting cluster controller" in hub.log.read_text()


async def test_a_controller_manager_does_not_start_beside_a_kubefed_that_runs(fleet: Fleet, host: Client) -> None:
    async with control_plane(host) as namespace:
        renewing = asyncio.create_task(_kubefed(host, namespace))
        try:
            line = (
                f"--kubeconfig={fleet.kubeconfig} --kubefed-namespace={namespace} --v=2 "
                f"--healthz-addr=127.0.0.1:{free_port()} --metrics-addr=127.0.0.1:{free_port()}"
            )
            ended = await started(fleet, "controller-manager", line)
        finally:
            renewing.cancel()
        assert ended.code == 1
        assert ended.output.startswith("KubeFed controller-manager version: version.Info{Version:")
        assert f'controller-manager] Using valid KubeFedConfig "{namespace}/kubefed"' in ended.errors
        assert f"host-1_a5c1 holds ConfigMap {namespace}/{LEADER_LOCK}" in ended.errors


async def _kubefed(host: Client, namespace: str) -> None:
    """What its leader does."""
    for second in range(60):
        record = {
            "holderIdentity": "host-1_a5c1",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-01T00:00:00Z",
            "renewTime": f"2026-01-01T00:00:{second:02}Z",
            "leaderTransitions": 0,
        }
        metadata = {"name": LEADER_LOCK, "namespace": namespace, "annotations": {ANNOTATION: json.dumps(record)}}
        lock = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await host.apply(CONFIGMAPS, lock, name=LEADER_LOCK, namespace=namespace, manager="kubefed", force=True)
        await asyncio.sleep(0.5)
