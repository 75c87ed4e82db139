"""The examples, followed as their READMEs say, and whole applications by one command; each goes without a trace."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from atoll.kube.errors import NotFound
from atoll.kube.resources import APPLICATIONS, NAMESPACES
from atoll.testing.binaries import Binaries
from tests.fleet.hub.dumps import Dump, changes, dump
from tests.fleet.hub.world import CONFIGMAPS, DEPLOYMENTS, World, condition_of, configmap, deployment

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
"""Where `atoll` is."""
EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if (folder / "README.md").exists())
MANIFESTS = re.compile(r"examples/[\w/.-]+\.yaml")


@asynccontextmanager
async def without_trace(world: World, namespace: str) -> AsyncIterator[None]:
    """Afterwards each member is as it was before, but for the empty namespace, which goes then."""
    before = {member: await dump(world.clients[member]) for member in world.members}
    yield
    await asyncio.gather(*(as_before(world, member, was) for member, was in before.items()))
    for client in world.clients.values():
        with suppress(NotFound):
            await client.delete(NAMESPACES, namespace)


async def as_before(world: World, member: str, before: Dump) -> None:
    left: list[str] = []

    async def clean() -> bool:
        left[:] = changes(before, await dump(world.clients[member]))
        return not left

    try:
        await world.eventually(clean, 60)  # Pods and ReplicaSets go after their Deployment
    except AssertionError:
        raise AssertionError(f"{member}: {left}") from None


def follow(world: World, folder: Path, tools: Path) -> str:
    """Run the README's commands with the fleet's kubeconfig, as a person would; what they print."""
    kubectl = tools / "kubectl"
    if not kubectl.exists():
        kubectl.symlink_to(Binaries().find("kubectl"))
    blocks = re.findall(r"^```sh\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    environment = os.environ | {
        "KUBECONFIG": str(world.fleet.kubeconfig),
        "PATH": f"{tools}:{PROGRAMS}:{os.environ['PATH']}",
    }
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"KUBECONFIG": str(world.fleet.kubeconfig), "PATH": path}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
async def test_an_example_does_what_its_readme_says(world: World, folder: Path, tmp_path: Path) -> None:
    namespaces = re.findall(r"kind: Namespace\nmetadata:\s*\{?\s*name: (\w+)", (folder / "app.yaml").read_text())
    namespace = namespaces[0]
    async with without_trace(world, namespace):
        printed = follow(world, folder, tmp_path)
        [app] = (await world.hub.list(APPLICATIONS, namespace)).items

        async def ready() -> bool:
            live = await world.hub.get(APPLICATIONS, app.name, namespace)
            return condition_of(live.body().get("status") or {}, "Ready").get("status") == "True"

        await world.eventually(ready, 60)
        await CLAIMS.get(folder.name, nothing_more)(world, printed)
        for path in MANIFESTS.findall((folder / "README.md").read_text()):
            context = "member3" if path.endswith("there-already.yaml") else "hub"
            arguments = ("delete", "--ignore-not-found", "--timeout=90s", "-f", str(ROOT / path))
            if context == "hub":
                world.kubectl(context, *arguments, namespace="")
        assert not (await world.hub.list(APPLICATIONS, namespace)).items


async def nothing_more(_world: World, _printed: str) -> None:
    """The commands say it all."""


async def of(world: World, member: str, namespace: str, name: str) -> Json:
    found: Json = (await world.clients[member].get(DEPLOYMENTS, name, namespace)).body()["spec"]
    return found


async def first_application(world: World, printed: str) -> None:
    assert "registry.example.com/mirror/nginx:1.29" in printed
    assert '"value":"debug"' in printed
    assert [(await of(world, m, "demo", "web"))["replicas"] for m in world.members] == [4, 3, 2]


async def custom_resources(_world: World, printed: str) -> None:
    assert "boskoop" in printed


async def objects_on_the_hub(world: World, _printed: str) -> None:
    async def follows() -> bool:
        specs = [await of(world, member, "notes", "notes") for member in world.members[:2]]
        return all(spec["template"]["spec"]["containers"][0]["image"] == "nginx:1.29" for spec in specs)

    await world.eventually(follows, 20)


async def adopt_what_runs(world: World, printed: str) -> None:
    assert "adopt: true" in printed
    legacy = (await world.clients["member3"].get(CONFIGMAPS, "legacy", "legacy")).body()
    assert legacy["data"]["colour"] == "green"


async def state_goes_along(_world: World, printed: str) -> None:
    assert "SAVED came along from member1" in printed


async def autoscaled(world: World, _printed: str) -> None:
    assert (await of(world, "member1", "waves", "web"))["replicas"] == 5


async def spread_and_failover(world: World, printed: str) -> None:
    assert "drained" in printed
    first, second = [(await of(world, member, "reef", "web"))["replicas"] for member in world.members[:2]]
    assert first + second == 6  # what left stays where it went: by capacity nothing is evened out
    assert await absent(world, "member3")


async def absent(world: World, member: str) -> bool:
    try:
        await of(world, member, "reef", "web")
    except NotFound:
        return True
    return False


async def staged_rollout(world: World, printed: str) -> None:
    assert "stage prod" in printed
    assert "nginx:1.30" in printed.rsplit("REVISION", maxsplit=1)[-1]
    images = [
        (await of(world, m, "staged", "api"))["template"]["spec"]["containers"][0]["image"] for m in world.members
    ]
    assert images == ["nginx:1.30"] * 3


CLAIMS = {
    "01-first-application": first_application,
    "02-custom-resources": custom_resources,
    "03-objects-on-the-hub": objects_on_the_hub,
    "04-adopt-what-runs": adopt_what_runs,
    "05-autoscaled": autoscaled,
    "06-spread-and-failover": spread_and_failover,
    "07-staged-rollout": staged_rollout,
    "08-state-goes-along": state_goes_along,
}


def small_shop(folder: Path) -> Path:
    """An application of several objects, as people write them: one file, no namespace, no replicas."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "frontend"},
        "spec": {"selector": {"app": "frontend"}, "ports": [{"port": 80}]},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "frontend"}}
    frontend = deployment("frontend", image="registry.example.org/shop/frontend:v1")
    frontend["spec"]["template"]["spec"]["serviceAccountName"] = "frontend"
    objects = [frontend, service, account, deployment("carts", image="redis:alpine"), configmap("shop", v="1")]
    path = folder / "small-shop.yaml"
    path.write_text("".join(f"---\n{json.dumps(body, indent=2)}\n" for body in objects))
    return path


FOUND = [path for parent in ROOT.parents for path in parent.glob("shared/data/online-boutique.yaml")][:1]


@pytest.mark.parametrize("given", [None, *FOUND], ids=lambda path: path.stem if path else "small-shop")
async def test_an_application_that_others_wrote_by_one_command(
    world: World, given: Path | None, tmp_path: Path
) -> None:
    one, two, three = world.members
    path = given or small_shop(tmp_path)
    async with without_trace(world, world.namespace):
        printed = world.atoll(
            "app", "deploy", "-f", str(path), "--name", "shop", "--clusters", ",".join(world.members),
            "--image-registry", f"{two}=mirror.example.com", "--replicas", f"{one}:frontend=3", "--wait",
        )  # fmt: skip
        assert "application/shop is ready" in printed
        status = await world.status("shop")
        assert {row["name"]: (row["state"], row["health"]) for row in status["clusters"]} == dict.fromkeys(
            world.members, ("Applied", "Healthy")
        )
        for member, replicas in ((one, 3), (two, 1), (three, 1)):
            frontend = await world.find(member, DEPLOYMENTS, "frontend")
            assert frontend is not None
            assert frontend["spec"]["replicas"] == replicas
            assert frontend["status"]["readyReplicas"] == replicas
            deployments = (await world.clients[member].list(DEPLOYMENTS, world.namespace)).items
            images = {c["image"] for d in deployments for c in d.body()["spec"]["template"]["spec"]["containers"]}
            mirrored = {image for image in images if image.startswith("mirror.example.com/")}
            assert mirrored == (images if member == two else set())
        world.atoll("app", "delete", "shop")
