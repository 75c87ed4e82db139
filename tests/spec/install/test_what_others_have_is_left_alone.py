"""Installing and removing, on a server in memory: what is not Atoll's stays, and what is goes."""

from collections.abc import AsyncIterator

import pytest

from atoll.api.crds import crds
from atoll.api.names import FINALIZER, SYSTEM_NAMESPACE
from atoll.install.applying import install
from atoll.install.kinds import InstallError
from atoll.install.layout import HUB, KUBEFED, Layout
from atoll.install.removal import uninstall
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import (
    CLUSTERPROFILES,
    CLUSTERROLES,
    CLUSTERS,
    CONFIGMAPS,
    CRDS,
    DEPLOYMENTS,
    MUTATINGWEBHOOKS,
    NAMESPACES,
    SECRETS,
    VALIDATINGWEBHOOKS,
)
from atoll.testing.fakeapi import FakeApi
from atoll.testing.fakeapi.kinds import Kind

ADMISSION = "admissionregistration.k8s.io"
OTHERS = [
    (ADMISSION, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False),
    (ADMISSION, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False),
    (ADMISSION, "MutatingAdmissionPolicy", "mutatingadmissionpolicies", False),
    (ADMISSION, "MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", False),
    ("policy", "PodDisruptionBudget", "poddisruptionbudgets", True),
    ("networking.k8s.io", "NetworkPolicy", "networkpolicies", True),
]


@pytest.fixture
async def host() -> AsyncIterator[Client]:
    async with FakeApi() as api, Client(api.config) as client:
        for group, kind, plural, namespaced in OTHERS:
            api.cluster.kinds.add(Kind(Resource(group, "v1", kind, plural, namespaced, CONFIGMAPS.verbs)))
        api.cluster.kinds.add(Kind(VALIDATINGWEBHOOKS))
        api.cluster.kinds.add(Kind(MUTATINGWEBHOOKS))
        yield client


def silent(kind: str, name: str, what: str) -> None:
    del kind, name, what


async def test_a_namespace_that_others_use_keeps_its_own_rules(host: Client) -> None:
    await host.create(NAMESPACES, {"metadata": {"name": "ops", "labels": {"team": "ops"}}})
    await install(host, Layout(namespace="ops"), silent)
    assert (await host.get(NAMESPACES, "ops")).labels == {"team": "ops"}
    assert (await host.get(DEPLOYMENTS, HUB, "ops")).name == HUB


async def test_without_kubefed_its_rights_and_webhooks_go(host: Client) -> None:
    await install(host, Layout(kubefed="kfs"), silent)
    webhooks = ((VALIDATINGWEBHOOKS, "validations.core.kubefed.io"), (MUTATINGWEBHOOKS, "mutation.core.kubefed.io"))
    for resource, name in webhooks:
        hook = {"clientConfig": {"service": {"name": HUB, "namespace": SYSTEM_NAMESPACE}}}
        await host.create(resource, {"metadata": {"name": name}, "webhooks": [hook]})
    await install(host, Layout(), silent)
    for resource, name in (*webhooks, (CLUSTERROLES, KUBEFED)):
        with pytest.raises(NotFound):
            await host.get(resource, name)


async def test_what_was_annotated_for_federation_v1_can_be_deleted_afterwards(host: Client) -> None:
    await install(host, Layout(), silent)
    await host.create(NAMESPACES, {"metadata": {"name": "shop"}})
    held = {"name": "web", "namespace": "shop", "finalizers": ["example.io/theirs", FINALIZER]}
    await host.create(DEPLOYMENTS, {"metadata": held})
    await uninstall(host, "all", silent, patience=1.0)
    assert (await host.get(DEPLOYMENTS, "web", "shop")).finalizers == ("example.io/theirs",)


async def test_no_members_token_is_left(host: Client) -> None:
    await install(host, Layout(kubefed="kfs"), silent)
    metadata = {"name": "kubefed-eu", "namespace": SYSTEM_NAMESPACE, "labels": {"atoll.dev/kubefed": "kfs"}}
    await host.create(SECRETS, {"metadata": metadata, "data": {"kubeconfig": "dA=="}})
    await host.create(CLUSTERS, {"metadata": {"name": "eu", "labels": {"atoll.dev/kubefed": "kfs"}}, "spec": {}})
    await uninstall(host, "force", silent, patience=1.0)
    with pytest.raises(NotFound):
        await host.get(SECRETS, "kubefed-eu", SYSTEM_NAMESPACE)


async def test_who_looks_for_clusters_in_the_kind_that_others_brought_finds_none_of_ours(host: Client) -> None:
    [theirs] = [crd for crd in crds() if crd["spec"]["names"]["kind"] == "ClusterProfile"]
    await host.create(CRDS, theirs)
    await install(host, Layout(), silent)
    for name, manager in (("eu", "atoll"), ("theirs", "another")):
        metadata = {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {"x-k8s.io/cluster-manager": manager}}
        await host.create(CLUSTERPROFILES, {"metadata": metadata})
    await uninstall(host, "all", silent, patience=1.0)
    assert [profile.name for profile in (await host.list(CLUSTERPROFILES)).items] == ["theirs"]


async def test_whose_field_stands_in_the_way_is_said_with_its_object(host: Client) -> None:
    await install(host, Layout(), silent)
    scaled = {"spec": {"replicas": 3}}
    await host.apply(DEPLOYMENTS, scaled, name=HUB, namespace=SYSTEM_NAMESPACE, manager="scaler", force=True)
    with pytest.raises(InstallError, match=r"Deployment/atoll-hub: fields belong to scaler: \.spec\.replicas"):
        await install(host, Layout(), silent)
    await install(host, Layout(), silent, force=True)
