"""Twelve types, each: created, overridden, placed elsewhere, told, recorded, repaired, orphaned and deleted."""

import time
from typing import Any, NamedTuple

import pytest

from atoll.api.kubefed.definitions import federated_crd
from atoll.api.kubefed.names import LABEL_MANAGED
from atoll.api.kubefed.types import ENABLED, TargetType, federated_type
from atoll.intake.kubefed.versions import overrides_hash, template_hash
from atoll.kube.resources import CRDS
from tests.delivering import eventually
from tests.fleet.kubefed.world import (
    BOTH,
    HOST,
    MEMBER,
    FederatedWorld,
    enable,
    federated_resource,
    managed,
    on,
    target,
    target_resource,
    words,
)

Json = dict[str, Any]


class Case(NamedTuple):
    """A type, a template of it, and an override: its path, its value, and what the object then has there."""

    type: TargetType
    template: Json
    path: str
    value: Any
    field: tuple[str, ...]


POD: Json = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx:1", "resources": {}}]},
}
WORKLOAD = {"selector": {"matchLabels": {"app": "web"}}, "template": POD}
JOB_POD = {**POD, "spec": {**POD["spec"], "restartPolicy": "Never"}}
RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
DISHES = TargetType("kitchen.test", "v1", "Dish", "dishes")
OVENS = TargetType("kitchen.test", "v1", "Oven", "ovens", namespaced=False)
CASES = [
    Case(target("ConfigMap"), {"data": {"a": "1"}}, "/data", {"a": "2"}, ("data",)),
    Case(target("Secret"), {"data": {"a": "MQ=="}}, "/data", {"a": "Mg=="}, ("data",)),
    Case(target("ServiceAccount"), {}, "/automountServiceAccountToken", False, ("automountServiceAccountToken",)),
    Case(
        target("Service"),
        {"spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}},
        "/spec/selector",
        {"app": "other"},
        ("spec", "selector"),
    ),
    Case(target("Deployment"), {"spec": {"replicas": 1, **WORKLOAD}}, "/spec/replicas", 2, ("spec", "replicas")),
    Case(target("ReplicaSet"), {"spec": {"replicas": 1, **WORKLOAD}}, "/spec/replicas", 2, ("spec", "replicas")),
    Case(
        target("Job"),
        {"spec": {"parallelism": 1, "template": JOB_POD}},
        "/spec/parallelism",
        2,
        ("spec", "parallelism"),
    ),
    Case(
        target("Ingress"),
        {"spec": {"defaultBackend": BACKEND}},
        "/spec/defaultBackend/service/name",
        "other",
        ("spec", "defaultBackend", "service", "name"),
    ),
    Case(target("ClusterRole"), {"rules": [RULE]}, "/rules/0/verbs", ["list"], ("rules",)),
    Case(DISHES, {"spec": {"salt": 1}}, "/spec/salt", 2, ("spec", "salt")),
    Case(OVENS, {"spec": {"heat": 1}}, "/spec/heat", 2, ("spec", "heat")),
]


def field(body: Json, path: tuple[str, ...]) -> Any:
    value: Any = body
    for key in path:
        value = (value or {}).get(key)
    return value


async def known(world: FederatedWorld, case: Case) -> None:
    """Custom resources are defined everywhere, and enabled."""
    if case.type in ENABLED:
        return
    kind = case.type
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    for client in world.clients.values():
        await client.apply(CRDS, definition, name=kind.qualified, manager="test", force=True)
    crd = federated_crd(federated_type(kind))
    await world.host.apply(CRDS, crd, name=crd["metadata"]["name"], manager="test", force=True)
    await enable(world.host, kind)
    await eventually(lambda: world.host.list(federated_resource(kind)), 10)
    for client in world.clients.values():
        await eventually(lambda client=client: client.list(target_resource(kind)), 10)  # type: ignore[misc]


@pytest.mark.parametrize("case", CASES, ids=[case.type.kind for case in CASES])
async def test_a_type_is_propagated(world: FederatedWorld, case: Case) -> None:
    await known(world, case)
    kind, name = case.type, world.name

    # created, told and recorded
    await world.federate(kind, name, template=case.template, placement=on(*BOTH))
    status = await world.propagated(kind, name)
    assert words(status) == {HOST: "", MEMBER: ""}
    for cluster in BOTH:
        body = await world.member(cluster, kind, name)
        assert managed(body)
        assert field(body, case.field) != case.value
    live = await world.live(kind, name)
    record = await world.record(kind, name)
    assert record["templateVersion"] == template_hash(live["spec"])
    assert record["overridesVersion"] == overrides_hash(live["spec"])
    assert record["clusterVersions"] == [
        {"clusterName": cluster, "version": version(await world.member(cluster, kind, name))}
        for cluster in sorted(BOTH)
    ]

    # overridden
    overrides = [{"clusterName": MEMBER, "clusterOverrides": [{"path": case.path, "value": case.value}]}]
    await world.federate(kind, name, template=case.template, placement=on(*BOTH), overrides=overrides)
    await world.propagated(kind, name)
    found = field(await world.member(MEMBER, kind, name), case.field)
    assert found == case.value or case.path.startswith("/rules")
    assert field(await world.member(HOST, kind, name), case.field) != case.value

    # repaired
    began = time.monotonic()
    body = await world.member(MEMBER, kind, name)
    patch = {"metadata": {"labels": {LABEL_MANAGED: None, "drift": "yes"}}}
    await world.clients[MEMBER].patch(target_resource(kind), name, body["metadata"].get("namespace", ""), patch)
    await world.eventually(lambda: repaired(world, kind, name), 5)
    assert time.monotonic() - began < 1.0

    # placed elsewhere
    await world.federate(kind, name, template=case.template, placement=on(HOST))
    await world.gone(world.clients[MEMBER], target_resource(kind), name, namespace_of(world, kind))
    assert words(await world.propagated(kind, name)) == {HOST: ""}

    # orphaned, found again, deleted
    orphan = {"kubefed.io/orphan": "true"}
    await world.federate(kind, name, template=case.template, placement=on(HOST), annotations=orphan)
    await world.delete(kind, name)
    await world.gone(world.host, federated_resource(kind), name, namespace_of(world, kind))
    await world.eventually(lambda: unmarked(world, kind, name), 5)
    await world.federate(kind, name, template=case.template, placement=on(*BOTH))
    await world.propagated(kind, name)
    await world.delete(kind, name)
    await world.gone(world.host, federated_resource(kind), name, namespace_of(world, kind))
    assert [await world.has(cluster, kind, name) for cluster in BOTH] == [False, False]


def version(body: Json) -> str:
    metadata = body["metadata"]
    return f"gen:{metadata['generation']}" if metadata.get("generation") else f"rv:{metadata['resourceVersion']}"


def namespace_of(world: FederatedWorld, kind: TargetType) -> str:
    return world.namespace if kind.namespaced else ""


async def repaired(world: FederatedWorld, kind: TargetType, name: str) -> bool:
    body = await world.member(MEMBER, kind, name)
    return managed(body) and "drift" not in (body["metadata"].get("labels") or {})


async def unmarked(world: FederatedWorld, kind: TargetType, name: str) -> bool:
    body = await world.member(HOST, kind, name)
    return not managed(body) and not body["metadata"].get("deletionTimestamp")
