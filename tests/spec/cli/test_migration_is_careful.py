"""`atoll migrate kubefed` on a hub in memory: what it must not do, and what it leaves when it is cut off."""

from collections.abc import AsyncIterator

import pytest

from atoll.api.crds import crds
from atoll.api.kubefed.manifests import definitions
from atoll.api.kubefed.names import ANNOTATION_ORPHAN
from atoll.api.kubefed.types import ENABLED, body_of, federated_type, type_config
from atoll.api.names import SYSTEM_NAMESPACE
from atoll.api.objects import Json
from atoll.cli.migration.going import Going
from atoll.cli.migration.judging import Judged
from atoll.cli.migration.originals import kept
from atoll.cli.migration.reading import Found, State, read_state
from atoll.cli.migration.report import Report, Row
from atoll.cli.migration.returning import Returning
from atoll.cli.migration.running import Run
from atoll.cli.session import Options, Session
from atoll.intake.kubefed.migration import translate
from atoll.kube.client import Client
from atoll.kube.errors import KubeError
from atoll.kube.kubefed_resources import FEDERATEDTYPECONFIGS, KUBEFEDCLUSTERS, KUBEFEDCONFIGS
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, CRDS, NAMESPACES
from atoll.testing.fakeapi import FakeApi, Refuse, Rule

PLANE = "kfs"
EU = {"clusters": [{"name": "eu"}]}
TYPES = {target.kind: federated_type(target) for target in ENABLED}


def federated(kind: str) -> Resource:
    made = TYPES[kind]
    return Resource(made.group, made.version, made.kind, made.plural, namespaced=made.namespaced)


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as api:
        yield api


@pytest.fixture
async def hub(api: FakeApi) -> AsyncIterator[Client]:
    """KubeFed's objects, and nobody who looks after them: a ConfigMap `web` on cluster `eu`."""
    async with Client(api.config) as client:
        for name in (SYSTEM_NAMESPACE, PLANE, "demo"):
            await client.create(NAMESPACES, {"metadata": {"name": name}})
        for crd in (*crds(), *definitions()):
            await client.create(CRDS, crd)
        identity = {"metadata": {"name": "hub", "namespace": SYSTEM_NAMESPACE}, "data": {"id": "1a2b", "epoch": "1"}}
        await client.create(CONFIGMAPS, identity)
        await client.create(
            KUBEFEDCONFIGS, {"metadata": {"name": "kubefed", "namespace": PLANE}, "spec": {"scope": "Cluster"}}
        )
        for target in ENABLED:
            await client.create(FEDERATEDTYPECONFIGS, body_of(type_config(target, namespace=PLANE)))
        spec = {"apiEndpoint": "127.0.0.1:1", "secretRef": {"name": "eu"}}
        await client.create(KUBEFEDCLUSTERS, {"metadata": {"name": "eu", "namespace": PLANE}, "spec": spec})
        for kind, name in (("Namespace", "demo"), ("ConfigMap", "web")):
            body: Json = {"metadata": {"name": name, "namespace": "demo"}, "spec": {"template": {}, "placement": EU}}
            await client.create(federated(kind), body)
        yield client


async def state_of(hub: Client) -> tuple[State, Found]:
    state = await read_state(hub, PLANE, "")
    [web] = [found for found in state.objects if found.federated.metadata.name == "web"]
    return state, web


async def go(hub: Client) -> None:
    state, web = await state_of(hub)
    application = translate(web.config, web.federated, None, state.control).application
    await Going(hub, lambda _: None, timeout=0.1, patience=0.1).go(Judged(web, application))


async def test_a_mark_that_it_was_cut_off_behind_is_nobodys_wish(hub: Client, api: FakeApi) -> None:
    api.faults.rules.append(Rule(Refuse(403, "Forbidden"), verb="delete", plural="federatedconfigmaps"))
    with pytest.raises(KubeError):
        await go(hub)
    marked = await hub.get(federated("ConfigMap"), "web", "demo")
    assert marked.annotations[ANNOTATION_ORPHAN] == "true"
    state, web = await state_of(hub)
    application = translate(web.config, web.federated, None, state.control).application
    assert application is not None
    assert "deletion" not in application["spec"]
    with pytest.raises(KubeError):
        await go(hub)  # begun again, and cut off again
    [(_, original)] = await kept(hub)
    assert "annotations" not in original.federated["metadata"]
    await Returning(hub, lambda _: None, timeout=0.1).make_namespace(original)  # back: it is there still
    assert not (await hub.get(federated("ConfigMap"), "web", "demo")).annotations


async def test_what_is_on_a_cluster_that_cannot_join_is_left_out(hub: Client) -> None:
    session = Session(Options())
    run = Run(session, hub, control_namespace=PLANE, home="", namespaces=(), timeout=1.0, say=lambda _: None)
    report = await run.there(apply=False, accept=False)
    assert [row.state for row in report.clusters] == ["left out"]  # its Secret is missing
    [web] = [row for row in report.objects if row.object == "FederatedConfigMap demo/web"]
    assert web.state == "left out"
    assert any(finding.field == "cluster eu" and finding.refuses for finding in web.findings)


async def test_one_cluster_that_no_cluster_can_be_stops_no_other(hub: Client) -> None:
    spec = {"apiEndpoint": "127.0.0.1:1", "secretRef": {"name": "eu"}}
    await hub.create(KUBEFEDCLUSTERS, {"metadata": {"name": "eu.example", "namespace": PLANE}, "spec": spec})
    session = Session(Options())
    run = Run(session, hub, control_namespace=PLANE, home="", namespaces=(), timeout=1.0, say=lambda _: None)
    report = await run.there(apply=False, accept=False)
    [odd] = [row for row in report.clusters if row.object == "KubeFedCluster eu.example"]
    assert [finding.field for finding in odd.findings if finding.refuses] == ["metadata.name"]


def test_a_report_shows_no_secrets_values() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dG9w"}}
    patch = {"target": {"kind": "Secret", "name": "s"}, "op": "add", "path": "/data/k", "value": "c2VjcmV0"}
    application = {"metadata": {"name": "s"}, "spec": {"manifests": [secret], "differences": [{"patches": [patch]}]}}
    told = str(Report((Row("FederatedSecret demo/s", "ready", application=application),)).as_json())
    assert "dG9w" not in told
    assert "c2VjcmV0" not in told
    assert "/data/k" in told
