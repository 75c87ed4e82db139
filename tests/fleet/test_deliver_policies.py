"""Members with policies of their own: those that deny, and those that change what is sent."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from atoll.kube.errors import KubeError, NotFound
from atoll.kube.objects import Resource
from atoll.kube.resources import CONFIGMAPS, SECRETS
from tests.delivering import Json, Site, configmap, eventually, sites

GROUP = "admissionregistration.k8s.io"


@pytest.fixture
async def site(fleet: Any) -> AsyncIterator[Site]:
    async with sites(fleet) as site, site.engaged():
        yield site


@asynccontextmanager
async def policy(site: Site, kind: str, namespace: str, spec: Json, **binding: Any) -> AsyncIterator[None]:
    """A policy on ConfigMaps of one namespace, in force."""
    name = f"p-{secrets.token_hex(5)}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    match = {"resourceRules": [rule], "namespaceSelector": here}
    policies = Resource(GROUP, "v1", kind, f"{kind.lower()[:-1]}ies", namespaced=False)
    bindings = Resource(GROUP, "v1", f"{kind}Binding", f"{kind.lower()}bindings", namespaced=False)
    api = f"{GROUP}/v1"
    body = {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": {"matchConstraints": match, **spec}}
    bound = {
        "apiVersion": api,
        "kind": f"{kind}Binding",
        "metadata": {"name": name},
        "spec": {"policyName": name, **binding},
    }
    await site.plain.create(policies, body)
    await site.plain.create(bindings, bound)
    try:
        yield
    finally:
        for resource in (bindings, policies):
            with suppress(NotFound):
                await site.plain.delete(resource, name)


async def in_force(site: Site, namespace: str) -> bool:
    """Whether the denying policy has come into force: it takes the server a moment."""
    try:
        await site.plain.create(CONFIGMAPS, configmap("probe", namespace, size="large"), dry_run=True)
    except KubeError:
        return True
    return False


async def test_a_policy_that_denies_is_quoted_and_a_correction_goes_at_once(site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    validation = {"expression": "!has(object.data) || object.data.size != 'large'", "message": "too large for us"}
    deny = {"failurePolicy": "Fail", "validations": [validation]}
    async with policy(site, "ValidatingAdmissionPolicy", ns, deny, validationActions=["Deny"]):
        await eventually(lambda: in_force(site, ns))
        await app.deliver(configmap("one", ns, size="large"), configmap("two", ns, size="s"), state="Failed")
        trouble = app.trouble("one")
        assert trouble
        assert trouble.reason == "AdmissionDenied"
        assert "too large for us" in trouble.message
        assert await site.exists(CONFIGMAPS, "two", ns)
        before = site.requests()
        await asyncio.sleep(1.0)
        assert site.requests() == before  # no hot loop
        await app.deliver(configmap("one", ns, size="s"), configmap("two", ns, size="s"), seconds=2)


async def test_what_a_policy_changes_is_accepted_and_other_changes_are_still_drift(site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    mutation = {
        "patchType": "JSONPatch",
        "jsonPatch": {"expression": "[JSONPatch{op: 'replace', path: '/data/size', value: 'small'}]"},
    }
    spec = {"failurePolicy": "Fail", "reinvocationPolicy": "Never", "mutations": [mutation]}
    async with policy(site, "MutatingAdmissionPolicy", ns, spec):

        async def changed() -> bool:
            probe = await site.plain.create(CONFIGMAPS, configmap("probe", ns, size="large"), dry_run=True)
            return bool(probe.body()["data"]["size"] == "small")

        await eventually(changed)
        await app.deliver(configmap("one", ns, size="large", a="1"))
        before = site.requests()
        await site.plain.patch(CONFIGMAPS, "one", ns, {"metadata": {"labels": {"theirs": "x"}}})
        await asyncio.sleep(0.3)
        assert site.requests() == before
        await site.plain.patch(CONFIGMAPS, "one", ns, {"data": {"a": "2"}})

        async def right() -> bool:
            data = (await site.live(CONFIGMAPS, "one", ns)).body()["data"]
            return bool(data == {"size": "small", "a": "1"})

        await eventually(right)
        assert site.requests()["apply"] - before["apply"] == 1


async def test_a_quota_that_is_full_is_named_and_tried_again(site: Site) -> None:
    app = site.app(ns := await site.made_namespace())
    quotas = Resource("", "v1", "ResourceQuota", "resourcequotas")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": ns},
        "spec": {"hard": {"secrets": "0"}},
    }
    await site.plain.create(quotas, quota)
    await eventually(lambda: _counted(site, quotas, ns), 20)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": ns},
        "stringData": {"a": "b"},
    }
    await app.deliver(secret, configmap("one", ns), state="Failed")
    trouble = app.trouble("s")
    assert trouble
    assert trouble.reason == "QuotaExceeded"
    await site.plain.delete(quotas, "q", ns)
    await app.outcome("Applied", seconds=20)
    assert await site.exists(SECRETS, "s", ns)


async def _counted(site: Site, quotas: Resource, namespace: str) -> bool:
    live = await site.plain.get(quotas, "q", namespace)
    return "hard" in live.body().get("status", {})
