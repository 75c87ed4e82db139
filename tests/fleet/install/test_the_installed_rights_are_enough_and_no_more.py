"""The hub under its installed ServiceAccount: everything works, nothing is refused, and nothing more is allowed."""

import asyncio
import base64
import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from atoll.api.manifests import load
from atoll.api.names import LABEL_FEDERATION, SYSTEM_NAMESPACE, tombstones
from atoll.fleet.grants import granted
from atoll.hub.birth import NAME as POLICY
from atoll.hub.shared_webhook import SECRET
from atoll.hub.webhook import NAME as WEBHOOK
from atoll.install.layout import FEDERATION_V1
from atoll.install.rights import AGENTS_CLUSTER_RULES, AGENTS_SYSTEM_RULES, CLUSTER_RULES, SYSTEM_RULES
from atoll.intake.federation_v1 import ANNOTATION_STATUS
from atoll.kube.client import Client
from atoll.kube.errors import ApiError, Forbidden
from atoll.kube.resources import (
    APPLICATIONS,
    CLUSTERPROFILES,
    CLUSTERS,
    CONFIGMAPS,
    DEPLOYMENTS,
    MUTATINGPOLICIES,
    NAMESPACES,
    ROLEBINDINGS,
    SECRETS,
    VALIDATINGWEBHOOKS,
)
from tests.delivering import eventually
from tests.fleet.install.installed import (
    FORBIDDEN,
    Installed,
    deploy,
    exists,
    make_namespace,
    ready,
    wait,
)

EXAMPLE = Path(__file__).parents[3] / "examples/01-first-application/app.yaml"
CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}


@pytest.fixture(scope="module")
def hub(installed: Installed) -> Iterator[Installed]:
    """Installed, with two processes, one member, and a namespace `rights`."""
    hosts = (f"--agents-host=127.0.0.1:{port}" for port in installed.agents)
    installed.install(*hosts)
    installed.start(2)
    installed.join()
    yield installed
    installed.stop()


async def test_the_example_is_ready_on_a_joined_member(hub: Installed) -> None:
    namespace, application = load(EXAMPLE.read_text())
    async with hub.client() as client, hub.client("member1") as member:
        await make_namespace(client, namespace["metadata"]["name"])
        spec = application["spec"]
        spec["placement"] = {"clusters": ["member1"]}
        spec["replicas"] = {"each": 2}
        spec.pop("differences", None)
        await deploy(client, "demo", "shop", **spec)
        await ready(client, "demo", "shop")
        assert await exists(member, DEPLOYMENTS, "web", "demo")


async def test_selected_objects_reach_the_member(hub: Installed) -> None:
    async with hub.client() as client, hub.client("member1") as member:
        await make_namespace(client, "rights")
        await client.apply(CONFIGMAPS, CONFIGMAP, name="settings", namespace="rights", manager="test", force=True)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": "v"}}
        await client.apply(SECRETS, secret, name="key", namespace="rights", manager="test", force=True)
        named = (("ConfigMap", "settings"), ("Secret", "key"))
        select = [{"apiVersion": "v1", "kind": kind, "name": name} for kind, name in named]
        await deploy(client, "rights", "selecting", select=select)
        await ready(client, "rights", "selecting")
        assert (await member.get(SECRETS, "key", "rights")).body()["data"] == {"k": base64.b64encode(b"v").decode()}
        await client.patch(CONFIGMAPS, "settings", "rights", {"data": {"a": "2"}}, type="merge")

        async def arrived() -> bool:
            return bool((await member.get(CONFIGMAPS, "settings", "rights")).body()["data"] == {"a": "2"})

        await eventually(arrived, 15)


async def test_federation_v1_takes_one_binding_in_its_namespace(hub: Installed) -> None:
    async with hub.client() as client, hub.client("member1") as member:
        await make_namespace(client, "federated")
        who = {"kind": "ServiceAccount", "name": "atoll-hub", "namespace": SYSTEM_NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": FEDERATION_V1}
        binding = {"metadata": {"name": FEDERATION_V1, "namespace": "federated"}, "roleRef": role, "subjects": [who]}
        await client.create(ROLEBINDINGS, binding)
        await client.patch(NAMESPACES, "federated", "", {"metadata": {"labels": {LABEL_FEDERATION: "v1"}}})
        chosen = {"name": "settings", "annotations": {"federation.alpha.kubernetes.io/cluster-selector": "[]"}}
        body = {**CONFIGMAP, "metadata": chosen}
        await client.apply(CONFIGMAPS, body, name="settings", namespace="federated", manager="test", force=True)

        async def told() -> bool:
            live = await client.get(CONFIGMAPS, "settings", "federated")
            return '"Applied"' in live.annotations.get(ANNOTATION_STATUS, "")

        await eventually(lambda: exists(member, CONFIGMAPS, "settings", "federated"), 20)
        await eventually(told, 10)
        await client.delete(CONFIGMAPS, "settings", "federated")

        async def gone() -> bool:
            there = [await exists(where, CONFIGMAPS, "settings", "federated") for where in (client, member)]
            return not any(there)

        await eventually(gone, 20)


@pytest.mark.parametrize("which", ["leader", "standby"])
async def test_the_webhook_is_reached_through_the_service_whoever_answers(hub: Installed, which: str) -> None:
    await hub.reach(getattr(hub, which))
    async with hub.client() as client:
        await make_namespace(client, "rights")
        with pytest.raises(ApiError, match=r"applications\.atoll\.dev"):
            await deploy(client, "rights", f"twice-{which}", manifests=[CONFIGMAP, CONFIGMAP])
        await deploy(client, "rights", f"once-{which}", manifests=[{**CONFIGMAP, "metadata": {"name": which}}])
        await ready(client, "rights", f"once-{which}")
    await hub.reach(*hub.running)


async def test_a_new_certificate_is_trusted_before_it_is_served(hub: Installed) -> None:
    """What the API server trusts, and what lies in the Secret, belong together; the hub may mend both."""
    async with hub.client() as client:
        secret = (await client.get(SECRETS, SECRET, SYSTEM_NAMESPACE)).body()
        config = (await client.get(VALIDATINGWEBHOOKS, WEBHOOK)).body()["webhooks"][0]
        assert config["clientConfig"]["caBundle"] == secret["data"]["ca.crt"]
        assert config["clientConfig"]["service"] == {
            "namespace": SYSTEM_NAMESPACE,
            "name": "atoll-hub",
            "path": "/validate",
            "port": 443,
        }
        assert config["failurePolicy"] == "Ignore"


async def test_one_of_two_processes_leads_and_the_other_takes_over(hub: Installed) -> None:
    leader, standby = hub.leader, hub.standby
    assert await hub.holder() == leader.name
    assert standby.get("/readyz?standby=ok")[0] == 200
    leader.end(signal.SIGKILL)
    began = time.monotonic()
    wait(lambda: standby.works, 40)
    assert time.monotonic() - began < 30  # the Lease's duration, and a start
    assert await hub.holder() == standby.name
    async with hub.client() as client:
        await deploy(client, "rights", "after", manifests=[{**CONFIGMAP, "metadata": {"name": "after"}}])
        await ready(client, "rights", "after")


async def test_a_credential_is_renewed(hub: Installed) -> None:
    async with hub.client() as client:
        before = await client.get(SECRETS, "member1", SYSTEM_NAMESPACE)
        past = {"atoll.dev/issued": "2020-01-01T00:00:00Z", "atoll.dev/expires": "2020-01-08T00:00:00Z"}
        aged = await client.patch(
            SECRETS, "member1", SYSTEM_NAMESPACE, {"metadata": {"annotations": past}}, type="merge"
        )
        assert aged.uid == before.uid

        async def renewed() -> bool:
            live = await client.get(SECRETS, "member1", SYSTEM_NAMESPACE)
            return live.annotations["atoll.dev/issued"] != past["atoll.dev/issued"]

        await eventually(renewed, 20)


async def test_the_last_ten_revisions_are_kept(hub: Installed) -> None:
    async with hub.client() as client:
        for number in range(13):
            body = {**CONFIGMAP, "metadata": {"name": "often"}, "data": {"a": str(number)}}
            await deploy(client, "rights", "often", manifests=[body])
            await ready(client, "rights", "often")

        async def ten() -> bool:
            found = (await client.list(SECRETS, "rights")).items
            return len([s for s in found if s.body()["type"] == "atoll.dev/revision"]) == 10

        await eventually(ten, 30)


async def test_an_application_ends_while_its_member_is_away(hub: Installed) -> None:
    """A tombstone is written, and lifted when the member is back."""
    async with hub.client() as client, hub.client("member1") as member:
        await deploy(client, "rights", "left", manifests=[{**CONFIGMAP, "metadata": {"name": "left"}}])
        await ready(client, "rights", "left")
        good = (await client.get(SECRETS, "member1", SYSTEM_NAMESPACE)).body()["data"]["kubeconfig"]
        broken = base64.b64encode(b"no kubeconfig").decode()
        await client.patch(SECRETS, "member1", SYSTEM_NAMESPACE, {"data": {"kubeconfig": broken}}, type="merge")

        async def away() -> bool:
            body = (await client.get(CLUSTERS, "member1")).body()
            return any(c["type"] == "Reachable" and c["status"] != "True" for c in body["status"]["conditions"])

        await eventually(away, 20)
        await client.delete(APPLICATIONS, "left", "rights")

        async def stone() -> bool:
            return await exists(client, CONFIGMAPS, tombstones("member1"), SYSTEM_NAMESPACE)

        await eventually(stone, 20)
        await client.patch(SECRETS, "member1", SYSTEM_NAMESPACE, {"data": {"kubeconfig": good}}, type="merge")

        async def gone() -> bool:
            return not await exists(member, CONFIGMAPS, "left", "rights")

        await eventually(gone, 30)


SECRET_X = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
TOKEN_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "kubernetes.io/service-account-token",
    "metadata": {"name": "agent-x", "annotations": {"kubernetes.io/service-account.name": "atoll-members"}},
}
"""Named as what the hub may make, and something else."""
TOKEN_REQUEST = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
REFUSED: list[tuple[str, str, Any]] = [
    ("GET", "/api/v1/namespaces/kube-system/secrets/any", None),
    ("GET", "/api/v1/namespaces/kube-system/configmaps/any", None),
    ("GET", "/api/v1/nodes/any/proxy/pods", None),
    ("GET", "/api/v1/namespaces/rights/pods/any/exec", None),
    ("GET", "/api/v1/namespaces/rights/pods/any/log", None),
    ("POST", "/api/v1/namespaces/rights/configmaps", CONFIGMAP),
    ("POST", "/api/v1/namespaces/rights/secrets", SECRET_X),
    ("POST", "/api/v1/namespaces/atoll-system/secrets", SECRET_X),
    ("POST", "/api/v1/namespaces/atoll-system/secrets", TOKEN_SECRET),
    ("POST", "/api/v1/namespaces/atoll-system/serviceaccounts/atoll-members/token", TOKEN_REQUEST),
    ("POST", "/api/v1/namespaces/atoll-system/serviceaccounts/atoll-hub/token", TOKEN_REQUEST),
    ("DELETE", "/apis/atoll.dev/v1alpha1/clusters/member1", None),
    ("DELETE", "/apis/atoll.dev/v1alpha1/namespaces/rights/applications/selecting", None),
    ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/atoll", None),
    ("GET", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/other", None),
    ("GET", "/apis/coordination.k8s.io/v1/namespaces/atoll-system/leases/other", None),
    ("DELETE", "/api/v1/namespaces/rights", None),
    ("DELETE", "/apis/apps/v1/namespaces/atoll-system/deployments/atoll-hub", None),
]


@pytest.mark.parametrize(("method", "path", "body"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
async def test_what_it_needs_not_is_refused(hub: Installed, method: str, path: str, body: Any) -> None:
    async with hub.as_hub() as trespasser:
        with pytest.raises(Forbidden):
            await trespasser.request(method, path, body=body)


async def test_a_cluster_leaves(hub: Installed) -> None:
    async with hub.client() as client:
        for app in (await client.list(APPLICATIONS)).items:
            await client.delete(APPLICATIONS, app.name, app.namespace)
        await eventually(lambda: _none(client), 30)
        hub.atoll("cluster", "leave", "member1", "--timeout", "60s")
        assert not await exists(client, SECRETS, "member1", SYSTEM_NAMESPACE)
        assert not await exists(client, CLUSTERPROFILES, "member1", SYSTEM_NAMESPACE)


@pytest.mark.parametrize("mode", ["tunnel", "pull"])
async def test_an_agent_comes_in_at_one_process_and_is_reached_through_each(
    hub: Installed, mode: str, tmp_path: Path
) -> None:
    """Of two processes one leads; the agent knows the other one's address only, when it begins."""
    if len(hub.running) < 2:
        await asyncio.to_thread(hub.start, 1)
    door = f"127.0.0.1:{hub.standby.agents}"
    command = shlex.split(hub.atoll("cluster", "register", "member1", "--mode", mode, "--hub-address", door))
    agent = hub.agent(command, tmp_path)
    try:
        async with hub.client() as client:
            await make_namespace(client, "rights")
            await eventually(lambda: _reached(client), 30)
            await deploy(client, "rights", mode, manifests=[{**CONFIGMAP, "metadata": {"name": mode}}])
            await ready(client, "rights", mode)
            if mode == "tunnel":
                async with granted(client, "member1") as way:
                    path = urlsplit(way.server).path
                    for replica in hub.running:
                        through = msgspec.structs.replace(way, server=f"https://127.0.0.1:{replica.agents}{path}")
                        async with Client(through) as member:
                            assert (await member.get(CONFIGMAPS, mode, "rights")).body()["data"] == {"a": "1"}
            described = hub.atoll("cluster", "describe", "member1")
            assert re.search(r"Connected: +yes", described)
            assert re.search(r"Mode: +" + mode, described)
            await client.delete(APPLICATIONS, mode, "rights")
            await eventually(lambda: _none(client), 30)
            hub.atoll("cluster", "leave", "member1", "--timeout", "60s")
    finally:
        agent.terminate()
        agent.wait(timeout=20)


async def _reached(client: Client) -> bool:
    status = (await client.get(CLUSTERS, "member1")).body().get("status") or {}
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))


async def _none(client: Any) -> bool:
    return not (await client.list(APPLICATIONS)).items


async def test_nothing_was_refused(hub: Installed) -> None:
    """After everything above."""
    refused = [e for e in hub.requests() if e["responseStatus"]["code"] == 403]
    assert not refused, [(e["verb"], e["requestURI"]) for e in refused]
    assert not FORBIDDEN.search(hub.log())


async def test_every_right_was_used(hub: Installed) -> None:
    """A rule that nothing needs is one too many. The admission policy comes late, and goes with the last hub."""
    async with hub.client() as client:
        await eventually(lambda: client.get(MUTATINGPOLICIES, POLICY), 30)
    hub.stop()
    used = {_need(e) for e in hub.requests() if e.get("objectRef")}
    everywhere, own = CLUSTER_RULES + AGENTS_CLUSTER_RULES, SYSTEM_RULES + AGENTS_SYSTEM_RULES
    for rules, namespace in ((everywhere, ""), (own, SYSTEM_NAMESPACE)):
        for rule in rules:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    names = rule.get("resourceNames") or [""]
                    for name in names:
                        assert any(_covers(need, rule, resource, verb, name, namespace) for need in used) or (
                            verb == "create" and "patch" in rule["verbs"]  # an apply creates; the audit says patch
                        ), (namespace, resource, verb, name)


def _need(event: dict[str, Any]) -> tuple[str, str, str, str, str]:
    ref = event["objectRef"]
    resource = ref["resource"] + (f"/{ref['subresource']}" if ref.get("subresource") else "")
    return event["verb"], ref.get("apiGroup", ""), resource, ref.get("namespace", ""), ref.get("name", "")


def _covers(
    need: tuple[str, str, str, str, str], rule: dict[str, Any], resource: str, verb: str, name: str, namespace: str
) -> bool:
    used_verb, group, used, where, what = need
    return (
        (used_verb, used) == (verb, resource)
        and group in rule["apiGroups"]
        and name in {"", what}
        and (not namespace or where == namespace)
    )


def test_the_audit_says_who_it_was(hub: Installed) -> None:
    """So that the two tests before have looked at something."""
    assert len(hub.requests()) > 100
    assert msgspec.json.decode(msgspec.json.encode(hub.requests()[0]))["user"]["username"].endswith(":atoll-hub")
