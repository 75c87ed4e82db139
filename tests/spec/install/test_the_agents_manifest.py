"""What `atoll agent manifest` prints: rights for what the agent does in its mode, and a Pod that needs nothing else."""

from typing import Any

import pytest

from atoll.api.manifests import load
from atoll.fleet.rights import Rights
from atoll.install.agent import LABEL_AGENT_OF, AgentLayout, manifest

Json = dict[str, Any]
TOKEN = "0a1b2c3d." + "t" * 43


def made(mode: str, rights: Rights = Rights(), **more: str) -> list[Json]:  # noqa: B008  # frozen
    layout = AgentLayout("eu-1", mode, "https://hub:8443", TOKEN, "sha256:ab", "cafe0123", rights, **more)
    return load(manifest(layout))


def of(found: list[Json], kind: str, name: str) -> Json:
    [body] = [b for b in found if b["kind"] == kind and b["metadata"]["name"] == name]
    return body


def rules_of(found: list[Json], account: str) -> list[Json]:
    """All rules that bindings give to the ServiceAccount `account`."""
    bound = {
        (b["roleRef"]["kind"], b["roleRef"]["name"], b["metadata"].get("namespace", ""))
        for b in found
        if b["kind"].endswith("Binding") and b["subjects"][0]["name"] == account
    }
    roles = [b for b in found if (b["kind"], b["metadata"]["name"], b["metadata"].get("namespace", "")) in bound]
    return [rule for role in roles for rule in role["rules"]]


@pytest.mark.parametrize("rights", [Rights(), Rights(("shop",))])
def test_in_tunnel_mode_the_agent_itself_may_do_next_to_nothing(rights: Rights) -> None:
    found = made("tunnel", rights)
    assert of(found, "Deployment", "atoll-agent")["spec"]["template"]["spec"]["serviceAccountName"] == "atoll-agent"
    assert rules_of(found, "atoll-agent") == [
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": ["atoll-hub-cafe0123"],
            "verbs": ["create"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["atoll-agent"], "verbs": ["get", "patch"]},
    ]
    of(found, "ServiceAccount", "atoll-hub-cafe0123")
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    assert everything in rules_of(found, "atoll-hub-cafe0123")
    everywhere = [rule for b in found if b["kind"] == "ClusterRole" for rule in b["rules"]]
    assert (everything in everywhere) is rights.admin


def test_in_pull_mode_it_has_what_it_delivers_with() -> None:
    found = made("pull", Rights(("shop",)))
    account = of(found, "Deployment", "atoll-agent")["spec"]["template"]["spec"]["serviceAccountName"]
    assert [b["metadata"]["name"] for b in found if b["kind"] == "ServiceAccount"] == [account]
    everywhere = [b for b in found if b["kind"] == "ClusterRole"]
    assert not any("*" in rule.get("resources", ()) for role in everywhere for rule in role["rules"])
    own = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["atoll-agent"], "verbs": ["get", "patch"]}
    assert own in rules_of(found, account)


@pytest.mark.parametrize("mode", ["tunnel", "pull"])
def test_the_pod_fits_the_restricted_standard(mode: str) -> None:
    deployment = of(made(mode), "Deployment", "atoll-agent")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    written = {m["mountPath"] for m in container["volumeMounts"]}
    assert written == {"/run/atoll", "/tmp"}
    assert all(v["emptyDir"]["medium"] == "Memory" for v in pod["volumes"])


def test_the_token_is_in_a_secret_only_and_the_agents_own_secret_is_left_to_it() -> None:
    found = made("tunnel")
    assert [b["metadata"]["name"] for b in found if TOKEN in str(b)] == ["atoll-agent-join"]
    assert "data" not in of(found, "Secret", "atoll-agent")
    assert "stringData" not in of(found, "Secret", "atoll-agent")


def test_what_it_brings_can_be_taken_away_by_its_label_without_the_namespace() -> None:
    found = made("pull")
    unmarked = [b["kind"] for b in found if b["metadata"].get("labels", {}).get(LABEL_AGENT_OF) != "cafe0123"]
    assert unmarked == ["Namespace"]
    assert "kubectl delete" in manifest(AgentLayout("a", "pull", "https://hub", TOKEN, "sha256:ab", "cafe0123"))


def test_a_proxy_is_for_the_hub_alone() -> None:
    [container] = of(made("pull", proxy="http://proxy:3128"), "Deployment", "atoll-agent")["spec"]["template"]["spec"][
        "containers"
    ]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert (env["HTTPS_PROXY"], env["NO_PROXY"]) == ("http://proxy:3128", "$(KUBERNETES_SERVICE_HOST)")
