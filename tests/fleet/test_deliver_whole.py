"""Whole objects on a real API server: its defaults and allocations are kept, and what is settled is not written."""

import secrets
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.api.manner import LatePatch, Manner
from atoll.api.objects import manifest
from atoll.kube.client import Client
from atoll.kube.objects import Object, Resource
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from atoll.testing.auditlog import WRITING
from tests.delivering import App, Json, Site, configmap, deployment, eventually, sites

LABELS = {"kubefed.io/managed": "true"}
MANNER = Manner(whole=True, labels=LABELS, make_namespaces=False, tell_versions=True)


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


def object_of(kind: str, namespace: str, api_version: str = "v1", name: str = "it", **fields: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields}


def pods(name: str) -> Json:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}


def definition(group: str) -> Json:
    """Of a kind whose status is no subresource: who replaces an object replaces that, too."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def objects(ns: str, group: str) -> list[Json]:
    port = {"name": "http", "port": 80}
    job = pods("job")
    job["spec"]["restartPolicy"] = "Never"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    rules = [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend("it")}]}}]
    return [
        configmap("it", ns, a="1"),
        object_of("Secret", ns, stringData={"a": "1"}),
        object_of("ServiceAccount", ns),
        object_of("Service", ns, spec={"selector": {"app": "web"}, "ports": [port]}),
        object_of("Service", ns, name="outside", spec={"type": "LoadBalancer", "ports": [port], **local()}),
        object_of("Service", ns, name="headless", spec={"clusterIP": "None", "ports": [port]}),
        deployment("it", ns, 1),
        object_of("ReplicaSet", ns, "apps/v1", spec=replicas()),
        object_of("Job", ns, "batch/v1", spec={"template": job}),
        object_of("Ingress", ns, "networking.k8s.io/v1", spec={"rules": rules}),
        object_of("PersistentVolumeClaim", ns, spec=claim),
        object_of("Gadget", ns, f"{group}/v1", spec={"size": 1}),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": f"whole-{ns}"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
        },
    ]


def replicas() -> Json:
    return {"selector": {"matchLabels": {"app": "rs"}}, "template": pods("rs")}


def backend(service: str) -> Json:
    return {"service": {"name": service, "port": {"number": 80}}}


def local() -> Json:
    return {"externalTrafficPolicy": "Local", "selector": {"app": "web"}}


def writes(client: Client) -> dict[str, int]:
    return {verb: n for verb, n in client.statistics().requests.items() if verb in WRITING | {"apply"}}


async def lives(site: Site, bodies: list[Json]) -> dict[str, Object]:
    found: dict[str, Object] = {}
    for about in (manifest(body) for body in bodies):
        resource = await site.plain.discovery.resource(about.id.group, about.id.kind)
        found[f"{about.id.kind}/{about.id.name}"] = await site.plain.get(resource, about.id.name, about.id.namespace)
    return found


async def test_each_kind_is_written_once_kept_and_replaced(fleet: Any, site: Site) -> None:
    app, group = site.app(ns := site.namespace()), f"g{secrets.token_hex(4)}.example"
    await site.plain.create(NAMESPACES, {"metadata": {"name": ns}})
    crds = await site.plain.discovery.resource("apiextensions.k8s.io", "CustomResourceDefinition")
    await site.plain.create(crds, definition(group))
    try:
        await _lives_of(fleet, site, app, ns, group)
    finally:
        await app.remove()
        await site.plain.delete(crds, f"gadgets.{group}")


async def _lives_of(fleet: Any, site: Site, app: App, ns: str, group: str) -> None:
    wanted = objects(ns, group)
    await app.deliver(*wanted, manner=MANNER)
    gadgets = Resource(group, "v1", "Gadget", "gadgets")
    accounts = Resource("", "v1", "ServiceAccount", "serviceaccounts")
    await site.plain.patch(gadgets, "it", ns, {"status": {"phase": "Ready"}}, manager="gadgeteer")
    await site.plain.patch(accounts, "it", ns, {"secrets": [{"name": "it-token"}]}, manager="token-controller")
    await eventually(lambda: any(b"readyReplicas" in live.raw for live in site.watches.of(app.uid)))
    made = await lives(site, wanted)
    assert "update" not in writes(site.client)
    assert site.client.statistics().requests["create"] == len(wanted) + 1  # and Atoll's own namespace

    async with fleet.client(site.name) as client:  # a restart
        again = Site(site.name, client, site.plain)
        again.hub = site.hub
        async with again.engaged():
            target: Any = site.deliverer.targets(site.name)[app.uid]
            again.deliverer.submit(target)
            await eventually(lambda: (o := again.outcomes.get(app.uid)) and o.state == "Applied")
        assert writes(client) == {}

    changed = objects(ns, group)
    for body in changed:
        body["metadata"]["labels"] = {"changed": "yes"}
    outcome = await app.deliver(*changed, manner=MANNER)
    assert writes(site.client)["update"] >= len(wanted)  # more where a controller was quicker
    now = await lives(site, wanted)
    for name, live in now.items():
        before, after = made[name].body(), live.body()
        assert live.uid == made[name].uid
        assert live.labels["changed"] == "yes"
        for part in ("spec", "secrets", "rules", "data"):
            assert after.get(part) == before.get(part), (name, part)
    assert now["Gadget/it"].body()["status"] == {"phase": "Ready"}
    assert {key.kind for key, version in outcome.versions if version.startswith("rv:")} >= {"ConfigMap", "Service"}


async def test_drift_is_put_right_within_a_second(site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    late = (LatePatch("replace", "/spec/replicas", 3),)
    await app.deliver(deployment("web", ns), manner=MANNER, late=late)
    sidecar = {"name": "theirs", "image": "theirs:1"}
    edits: list[tuple[Json, Any]] = [
        ({"spec": {"replicas": 9}}, lambda spec: spec["replicas"] == 3),
        ({"spec": {"template": {"spec": {"containers": [sidecar]}}}}, lambda spec: len(containers(spec)) == 1),
        ({"spec": {"minReadySeconds": 7}}, lambda spec: "minReadySeconds" not in spec),
        ({"spec": {"strategy": {"rollingUpdate": {"maxSurge": 9}}}}, lambda s: surge(s) == "25%"),
    ]
    for patch, right in edits:
        edited = await site.plain.patch(DEPLOYMENTS, "web", ns, patch, type="strategic", manager="kubectl-edit")
        assert not right(edited.body()["spec"])
        began = time.monotonic()

        async def repaired(right: Any = right) -> bool:
            return bool(right((await site.live(DEPLOYMENTS, "web", ns)).body()["spec"]))

        await eventually(repaired)
        assert time.monotonic() - began < 1.0


def containers(spec: Json) -> list[Json]:
    return list(spec["template"]["spec"]["containers"])


def surge(spec: Json) -> Any:
    return spec["strategy"]["rollingUpdate"]["maxSurge"]


async def test_what_is_taken_over_can_be_applied_on_the_servers_side_later(fleet: Any, site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    body = configmap("c", ns, theirs="1", both="1")
    await site.plain.create(CONFIGMAPS, body, manager="kubectl-create")
    await app.deliver(configmap("c", ns, both="1", ours="1"), manner=MANNER, adopt=True)
    live = await site.live(CONFIGMAPS, "c", ns)
    assert live.body()["data"] == {"both": "1", "ours": "1"}
    assert {(e["manager"], e["operation"]) for e in live.body()["metadata"]["managedFields"]} == {("atoll", "Update")}
    await app.remove(orphan=True)
    successor = site.app(ns)
    await successor.deliver(configmap("c", ns, both="1"), adopt=True)
    live = await site.live(CONFIGMAPS, "c", ns)
    assert live.body()["data"] == {"both": "1"}
