"""What `deploy/` holds is what the code makes, and what it makes gives nothing away."""

import re
from pathlib import Path
from typing import Any

import pytest

from atoll.api.manifests import load
from atoll.install.layout import Layout
from atoll.install.manifests import files, main, objects
from atoll.install.requirements import runtime_requirements

ROOT = Path(__file__).parents[3]
Json = dict[str, Any]


def kinds(layout: Layout, kind: str) -> list[Json]:
    return [body for body in objects(layout) if body["kind"] == kind]


def test_the_files_are_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["--check"]) == 0


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "hub.yaml").write_text("kind: Other\n")
    assert main([str(tmp_path), "--check"]) == 1
    assert "hub.yaml is stale" in capsys.readouterr().err


def test_the_file_is_what_is_applied() -> None:
    text = files((ROOT / "requirements.lock").read_text())["hub.yaml"]
    assert load(text) == list(objects(Layout()))


def test_no_rule_has_every_verb_nor_writes_kinds_of_others() -> None:
    for body in kinds(Layout(), "ClusterRole") + kinds(Layout(), "Role"):
        for rule in body["rules"]:
            assert "*" not in rule["verbs"]
            assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(rule["verbs"])
            if "*" in rule["resources"]:
                assert set(rule["verbs"]) == {"list", "watch"}  # `get` would be nodes/proxy and pods/exec, too


@pytest.mark.parametrize(("select", "bound"), [(True, ["atoll-hub", "atoll-select"]), (False, ["atoll-hub"])])
def test_select_is_a_binding_of_its_own(select: bool, bound: list[str]) -> None:
    layout = Layout(select=select)
    assert [b["metadata"]["name"] for b in kinds(layout, "ClusterRoleBinding")] == bound
    assert "atoll-select" in [r["metadata"]["name"] for r in kinds(layout, "ClusterRole")]  # to be bound in a namespace


def test_pods_fit_the_restricted_standard() -> None:
    [deployment] = kinds(Layout(), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert deployment["spec"]["replicas"] == 2
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"]
    assert container["resources"]["limits"]["memory"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"].startswith("/readyz")


def test_agents_are_let_in_where_that_is_asked_for() -> None:
    names = {(b["kind"], b["metadata"]["name"]) for b in objects(Layout())}
    assert ("Service", "atoll-agents") not in names
    layout = Layout(agents=("hub.example:443", "10.0.0.1"), network_policy=True)
    [deployment] = kinds(layout, "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert [a for a in container["args"] if "agents" in a] == [
        "--agents-address=:8443",
        "--agents-host=hub.example:443",
        "--agents-host=10.0.0.1",
    ]
    assert [p["containerPort"] for p in container["ports"] if p["name"] == "agents"] == [8443]
    [policy] = kinds(layout, "NetworkPolicy")
    assert {"protocol": "TCP", "port": "agents"} in policy["spec"]["ingress"][0]["ports"]
    assert {b["metadata"]["name"] for b in kinds(layout, "Service")} == {"atoll-hub", "atoll-agents"}


def test_pods_may_run_in_another_namespace_than_what_they_keep() -> None:
    layout = Layout(namespace="platform")
    assert [n["metadata"]["name"] for n in kinds(layout, "Namespace")] == ["atoll-system", "platform"]
    [deployment], [role] = kinds(layout, "Deployment"), kinds(layout, "Role")
    assert deployment["metadata"]["namespace"] == "platform"
    assert role["metadata"]["namespace"] == "atoll-system"
    for binding in kinds(layout, "ClusterRoleBinding") + kinds(layout, "RoleBinding"):
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "atoll-hub", "namespace": "platform"}]
    assert "--webhook-service=platform/atoll-hub" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def test_the_image_holds_what_runs_and_nothing_of_development() -> None:
    text = runtime_requirements((ROOT / "requirements.lock").read_text())
    names = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    assert {"aiohttp", "msgspec", "cryptography", "pyyaml", "cffi", "multidict"} <= names
    assert not {"pytest", "ruff", "mypy", "sphinx", "hypothesis", "import-linter"} & names
    for block in re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block


def test_the_containerfile_takes_hashes_only_and_is_nobody() -> None:
    text = (ROOT / "deploy" / "Containerfile").read_text()
    assert "--require-hashes" in text
    assert "--only-binary=:all:" in text
    assert "USER 65532:65532" in text
    assert len(re.findall(r"^FROM \$\{BASE\}", text, re.MULTILINE)) == 2


def test_a_kubefed_control_planes_place_is_taken_only_when_that_is_chosen() -> None:
    layout = Layout(kubefed="fed")
    more = [body for body in objects(layout) if body not in objects(Layout())]
    assert [(b["kind"], b["metadata"]["name"], b["metadata"].get("namespace", "")) for b in more] == [
        ("ValidatingAdmissionPolicy", "atoll-revisions", ""),
        ("ClusterRole", "atoll-kubefed", ""),
        ("ClusterRoleBinding", "atoll-kubefed", ""),
        ("Role", "atoll-kubefed", "atoll-system"),
        ("RoleBinding", "atoll-kubefed", "atoll-system"),
        ("Role", "atoll-kubefed", "fed"),
        ("RoleBinding", "atoll-kubefed", "fed"),
        ("Deployment", "atoll-hub", "atoll-system"),
    ]
    [container] = more[-1]["spec"]["template"]["spec"]["containers"]
    assert "--kubefed=fed" in container["args"]


def test_in_a_control_planes_place_the_hub_still_gets_no_token_of_a_service_account() -> None:
    [policy] = kinds(Layout(kubefed="fed"), "ValidatingAdmissionPolicy")
    [rule] = policy["spec"]["validations"]
    assert "object.type == 'Opaque'" in rule["expression"]
    for body in kinds(Layout(kubefed="fed"), "ClusterRole") + kinds(Layout(kubefed="fed"), "Role"):
        for row in body["rules"]:
            assert "*" not in row["verbs"]
