"""`atoll` as its users run it: a process, against a running hub, its exit code and what it prints where."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, DEPLOYMENTS, SECRETS
from tests.fleet.hub.agents import MODE
from tests.fleet.hub.world import World, configmap, deployment


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def atoll(world: World, *arguments: str, text: str = "", namespace: str = "") -> Ran:
    done = subprocess.run(
        [
            sys.executable, "-m", "atoll", "--kubeconfig", str(world.fleet.kubeconfig), "--context", "hub",
            *arguments, "-n", namespace or world.namespace,
        ],
        input=text, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def application(name: str, *manifests: dict[str, Any], **spec: Any) -> str:
    body = {
        "apiVersion": "atoll.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {"placement": {"all": True}, "manifests": list(manifests), **spec},
    }
    return json.dumps(body)


async def test_one_command_makes_an_application_and_waits_for_it(world: World) -> None:
    one, two, _ = world.members
    ran = atoll(
        world, "app", "create", "web", "--image", "nginx:1.29", "--clusters", f"{one},{two}", "--total", "3",
        "--weights", f"{one}=2,{two}=1", "--port", "80:8080", "--env-on", f"{two}:web:LEVEL=debug", "--wait",
    )  # fmt: skip
    assert ran.code == 0, ran
    assert ran.out == "application/web created\napplication/web is ready\n"
    found = await world.find(two, DEPLOYMENTS, "web")
    assert found is not None
    assert found["spec"]["replicas"] == 1
    assert found["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "LEVEL", "value": "debug"}]

    listed = atoll(world, "app", "list")
    assert listed.out.splitlines()[0].split() == ["NAME", "CLUSTERS", "APPLIED", "HEALTHY", "READY", "STATE", "AGE"]
    assert listed.out.splitlines()[1].split()[:6] == ["web", "2", "2", "2", "3/3", "Ready"]
    assert atoll(world, "app", "list", "-A", "--no-headers").out.split()[:2] != []
    assert atoll(world, "app", "list", "-o", "name").out == "application.atoll.dev/web\n"
    ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    assert atoll(world, "app", "list", "-o", f"jsonpath={ready}").out == "True"

    tree = atoll(world, "app", "tree", "web").out
    assert f"├── {one}\n" in tree
    assert "Deployment/web  Healthy 2/2" in tree
    assert tree.count("Pod/web-") == 3
    assert "Service/web" in tree
    events = atoll(world, "app", "events", "web")
    assert "SuccessfulCreate" in events.out
    assert "(hub)" in events.out
    described = atoll(world, "app", "describe", "web").out
    assert f"3 in all, by weight {one}=2, {two}=1" in described
    assert "weight" in described.split("Placement:")[1]
    assert "web" in atoll(world, "cluster", "describe", one).out


async def test_logs_of_all_clusters_come_together_and_say_where_from(world: World) -> None:
    atoll(world, "app", "create", "web", "--image", "nginx:1.29", "--all-clusters", "--wait")
    lines = atoll(world, "app", "logs", "web", "--tail", "2").out.splitlines()
    assert len(lines) == 6
    assert {line.split("/")[0] for line in lines} == {f"[{member}" for member in world.members}
    alone = atoll(world, "app", "logs", "web", "--tail", "1", "-c", world.members[0])
    assert not alone.out.startswith("[")


async def test_what_a_delivery_would_do_is_shown_before_it_is_done(world: World) -> None:
    text = application(
        "app", configmap("one", v="1"), differences=[{"clusters": ["member2"], "labels": {"tier": "gold"}}]
    )
    rendered = atoll(world, "app", "render", "-f", "-", "-c", "member2", text=text)
    assert rendered.code == 0, rendered
    assert "tier: gold" in rendered.out
    before = atoll(world, "app", "diff", "-f", "-", text=text)
    assert before.code == 1
    assert before.out.count("+kind: ConfigMap") == 3
    dry = atoll(world, "app", "deploy", "-f", "-", "--dry-run", "server", text=text)
    assert dry.out.startswith("application/app created (server dry run)\napplication/app: would be created\n")
    assert not (await world.hub.list(APPLICATIONS, world.namespace)).items

    assert atoll(world, "app", "deploy", "-f", "-", "--wait", text=text).code == 0
    assert atoll(world, "app", "deploy", "-f", "-", text=text).out == "application/app unchanged\n"
    same = atoll(world, "app", "diff", "app")
    assert (same.code, same.out) == (0, "")
    changed = atoll(world, "app", "diff", "-f", "-", text=application("app", configmap("two", v="1")))
    assert changed.code == 1
    assert "-  name: one" in changed.out
    assert "+  name: two" in changed.out


async def test_drift_shows_while_it_is_not_repaired(world: World) -> None:
    atoll(world, "app", "deploy", "-f", "-", "--wait", text=application("app", configmap("one", v="1")))
    assert atoll(world, "app", "suspend", "app").out == "application/app suspended\n"
    assert atoll(world, "app", "suspend", "app").out == "application/app already suspended\n"
    await world.row_becomes("app", "member1", state="Suspended")
    await world.clients["member1"].patch(CONFIGMAPS, "one", world.namespace, {"data": {"v": "2"}})
    ran = atoll(world, "app", "diff", "app")
    assert ran.code == 1
    assert "-  v: '2'" in ran.out or '-  v: "2"' in ran.out
    assert "member2" not in ran.out
    assert atoll(world, "app", "resume", "app").code == 0
    await world.ready("app")
    await world.eventually(lambda: _no_difference(world))


async def _no_difference(world: World) -> bool:
    return atoll(world, "app", "diff", "app").code == 0


async def test_a_diff_never_shows_what_is_in_a_secret(world: World) -> None:
    def secret(value: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": value}}

    atoll(world, "app", "deploy", "-f", "-", "--wait", text=application("app", secret("hunter2")))
    assert await world.find("member1", SECRETS, "s") is not None
    ran = atoll(world, "app", "diff", "-f", "-", text=application("app", secret("correct-horse")))
    assert ran.code == 1
    assert "-  password: '*** (" in ran.out
    assert "+  password: '*** (" in ran.out
    for hidden in ("hunter2", "correct-horse", "aHVudGVyMg==", "Y29ycmVjdC1ob3JzZQ=="):
        assert hidden not in ran.out


async def test_somebody_elses_object_is_named_not_shown_as_a_change(world: World) -> None:
    await world.namespace_on("member1")
    await world.clients["member1"].create(
        CONFIGMAPS, {**configmap("one", v="0"), "metadata": {"name": "one", "namespace": world.namespace}}
    )
    ran = atoll(world, "app", "diff", "-f", "-", "-c", "member1", text=application("app", configmap("one", v="1")))
    assert ran.code == 1
    assert "adopt: true" in ran.out


async def test_fields_that_were_set_by_other_means_are_not_overwritten_silently(world: World) -> None:
    text = application("app", configmap("one", v="1"), suspend=True)
    atoll(world, "app", "deploy", "-f", "-", text=text)
    patch = '{"spec":{"suspend":false}}'
    world.kubectl("hub", "patch", "atapp", "app", "--type", "merge", "-p", patch)

    refused = atoll(world, "app", "deploy", "-f", "-", text=text)
    assert refused.code == 1
    assert "kubectl" in refused.err
    assert ".spec.suspend" in refused.err
    assert "--force-conflicts" in refused.err
    forced = atoll(world, "app", "deploy", "-f", "-", "--force-conflicts", text=text)
    assert forced.out == "application/app configured\n"


async def test_manifests_of_a_folder_become_one_application(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "a.yaml").write_text(json.dumps(configmap("one", v="1")))
    (folder / "b.json").write_text(json.dumps(deployment("web", "gcr.io/shop/web:1")))
    (folder / "notes.txt").write_text("not a manifest")
    ran = atoll(
        world, "app", "deploy", "-f", str(folder), "--all-clusters", "--image-registry", "member2=registry.example",
        "--replicas", "member1:web=3", "--wait",
    )  # fmt: skip
    assert ran.code == 0, ran
    found = {member: await world.find(member, DEPLOYMENTS, "web") for member in world.members}
    shown = {
        member: (body["spec"].get("replicas"), body["spec"]["template"]["spec"]["containers"][0]["image"])
        for member, body in found.items()
        if body is not None
    }
    assert shown == {
        "member1": (3, "gcr.io/shop/web:1"),
        "member2": (1, "registry.example/shop/web:1"),
        "member3": (1, "gcr.io/shop/web:1"),
    }
    gone = atoll(world, "app", "delete", "shop")
    assert gone.code == 0, gone
    assert not (await world.hub.list(APPLICATIONS, world.namespace)).items
    assert await world.find("member1", DEPLOYMENTS, "web") is None


async def test_deleted_as_an_orphan_its_objects_stay(world: World) -> None:
    atoll(world, "app", "deploy", "-f", "-", "--wait", text=application("app", configmap("one", v="1")))
    ran = atoll(world, "app", "delete", "app", "--orphan")
    assert ran.code == 0, ran
    for member in world.members:
        assert await world.find(member, CONFIGMAPS, "one") is not None
    missing = atoll(world, "app", "delete", "app")
    assert missing.code == 1
    assert "not found" in missing.err
    assert atoll(world, "app", "delete", "app", "--ignore-not-found").code == 0


async def test_ready_on_some_clusters_only_has_an_exit_code_of_its_own(world: World) -> None:
    ran = atoll(
        world, "app", "create", "bad", "--image", "x/does-not-exist:1", "--clusters", "member1,member2",
        "--image-on", "member2:x/does-not-exist=docker.io/ok", "--wait", "--timeout", "8s",
    )  # fmt: skip
    assert ran.code == 3, ran
    assert "ErrImagePull" in ran.err or "ImagePullBackOff" in ran.err
    status = atoll(world, "app", "status", "bad")
    assert status.code == 0
    assert "Degraded" in status.out
    atoll(world, "app", "create", "bad", "--image", "nginx:1", "--clusters", "member1,member2")
    watched = atoll(world, "app", "status", "bad", "-w", "--timeout", "60s")
    assert watched.code == 0, watched
    assert watched.out.rstrip().split("\n\nName:")[-1].count("Healthy") >= 2


async def test_what_is_wrong_is_said_with_its_path_and_changes_nothing(world: World) -> None:
    twice = application("app", configmap("one"), configmap("one"))
    ran = atoll(world, "app", "deploy", "-f", "-", text=twice)
    assert ran.code == 1
    assert "spec.manifests[1]" in ran.err
    assert "Traceback" not in ran.err
    nowhere = atoll(world, "app", "status", "nothing-of-that-name")
    assert nowhere.code == 1
    assert "not found" in nowhere.err
    assert not (await world.hub.list(APPLICATIONS, world.namespace)).items


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{a: [", "standard input"),
        ("- 1", "standard input"),
        ("", "no object in -"),
        ('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}', "--name"),
    ],
)
async def test_input_that_is_no_application_is_refused(world: World, text: str, said: str) -> None:
    ran = atoll(world, "app", "deploy", "-f", "-", "--all-clusters", text=text)
    assert ran.code in {1, 2}
    assert said in ran.err


async def test_a_namespace_that_is_missing_is_made_only_when_asked(world: World) -> None:
    other = f"{world.namespace}-new"
    ran = atoll(
        world, "app", "create", "web", "--image", "nginx:1", "--all-clusters", "--dry-run", "server", namespace=other
    )
    assert ran.code == 1
    assert f"namespace {other} does not exist" in ran.err
    assert "--create-namespace" in ran.err


async def test_clusters_are_listed_and_described_with_a_heartbeat_of_now(world: World) -> None:
    listed = atoll(world, "cluster", "list").out.splitlines()
    assert listed[0].split() == ["NAME", "STATUS", "MODE", "VERSION", "PROVIDER", "REGION", "NODES", "AGE"]
    assert [line.split()[0:3:2] for line in listed[1:]] == [[name, MODE] for name in world.members]
    described = atoll(world, "cluster", "describe", "member1").out
    assert "Answers:  yes" in described
    credentials = {"direct": "managed, until", "tunnel": "in the hub's memory only", "pull": "none on the hub"}
    assert credentials[MODE] in described
    assert ("Connected:" in described) is (MODE != "direct")
    assert "Allocatable".upper() in described
    missing = atoll(world, "cluster", "describe", "nope")
    assert missing.code == 1
    assert "not found" in missing.err


async def test_results_go_to_stdout_and_everything_else_to_stderr(world: World) -> None:
    empty = atoll(world, "app", "list")
    assert (empty.code, empty.out) == (0, "")
    assert "no applications" in empty.err
