"""What Atoll's own KubeFed front end propagates becomes Applications, and goes back, while it works."""

from typing import Any

import pytest

from atoll.api.kubefed.names import LABEL_MANAGED
from atoll.api.kubefed.types import ENABLED
from atoll.api.names import LABEL_APP
from atoll.cli.migration.report import Report
from atoll.cli.migration.running import Run
from atoll.cli.session import Options, Session
from atoll.kube.kubefed_resources import REPLICASCHEDULINGPREFERENCES
from atoll.kube.resources import APPLICATIONS, DEPLOYMENTS, NAMESPACES, PODS
from tests.fleet.conftest import Fleet
from tests.fleet.hub.world import deployment
from tests.fleet.kubefed.world import BOTH, CONTROL_PLANE, HOST, MEMBER, NAMESPACE_TYPE, FederatedWorld, apply, on

TYPES = {target.kind: target for target in ENABLED}
NAMES = ("web", "api")


@pytest.fixture
async def apart(world: FederatedWorld) -> Any:
    """A federated namespace of the test's own: migrating takes all that is in one."""
    own = FederatedWorld(world.process, world.clients, world.name)
    own.namespace = world.name
    await apply(own.host, NAMESPACES, own.namespace, "")
    await own.federate(NAMESPACE_TYPE, own.namespace, placement=on(*BOTH))
    await own.propagated(NAMESPACE_TYPE, own.namespace)
    yield own
    for app in (await own.host.list(APPLICATIONS, own.namespace)).items:
        await own.host.delete(APPLICATIONS, app.name, own.namespace)
    await own.close()
    await own.host.delete(NAMESPACES, own.namespace)


async def standing(world: FederatedWorld) -> dict[tuple[str, str], Any]:
    """What must not change on the members."""
    found: dict[tuple[str, str], Any] = {}
    for cluster in BOTH:
        for item in (await world.clients[cluster].list(DEPLOYMENTS, world.namespace)).items:
            found[cluster, item.name] = item.uid, item.body()["spec"]
        for pod in (await world.clients[cluster].list(PODS, world.namespace)).items:
            found[cluster, pod.name] = pod.uid
    return found


def states(report: Report) -> list[str]:
    assert not report.failed, report.failed
    return sorted(row.state for row in report.objects)


async def test_there_and_back_while_the_front_end_works(apart: FederatedWorld, fleet: Fleet) -> None:
    world = apart
    run = Run(
        Session(Options(str(fleet.kubeconfig), HOST)), world.host, control_namespace=CONTROL_PLANE, home="",
        namespaces=(world.namespace,), timeout=20.0, say=lambda _: None,
    )  # fmt: skip
    for name in NAMES:
        change = {"path": "/spec/template/spec/containers/0/image", "value": "nginx:1.29"}
        await world.federate(
            TYPES["Deployment"],
            name,
            template={"spec": deployment(name, replicas=1, KEEP="1", OLD="1")["spec"]},
            placement=on(*BOTH),
            overrides=[{"clusterName": MEMBER, "clusterOverrides": [change]}],
        )
    for name in NAMES:
        await world.propagated(TYPES["Deployment"], name, 30)

    wish = {"targetKind": "FederatedDeployment", "totalReplicas": 3, "clusters": {"*": {"weight": 1}}}
    await apply(world.host, REPLICASCHEDULINGPREFERENCES, "api", world.namespace, spec=wish)

    async def settled() -> bool:
        found = await standing(world)
        return len(found) == 2 * len(BOTH) + 2 + 3 and sum(found[c, "api"][1]["replicas"] for c in BOTH) == 3

    await world.eventually(settled, 30)
    before = await standing(world)

    assert states(await run.there(apply=True, accept=False)) == ["migrated"] * 3
    assert await standing(world) == before
    api = (await world.host.get(APPLICATIONS, "deployment-api", world.namespace)).body()["spec"]
    assert api["replicas"] == {"total": 3, "divide": "kubefed", "weights": {"*": 1}}
    for cluster in BOTH:
        for item in (await world.clients[cluster].list(DEPLOYMENTS, world.namespace)).items:
            assert LABEL_MANAGED not in item.labels
            assert item.annotations["atoll.dev/application"] == f"{world.namespace}/deployment-{item.name}"

    assert states(await run.back(apply=True, discard=False)) == ["back"] * 3
    for name in NAMES:
        await world.propagated(TYPES["Deployment"], name, 30)
    assert await standing(world) == before
    for cluster in BOTH:
        for item in (await world.clients[cluster].list(DEPLOYMENTS, world.namespace)).items:
            assert item.labels[LABEL_MANAGED] == "true"
            assert item.labels[LABEL_APP] == (await world.live(TYPES["Deployment"], item.name))["metadata"]["uid"]

    assert states(await run.there(apply=True, accept=False)) == ["migrated"] * 3
    assert await standing(world) == before
    manifest = deployment("web", replicas=1, KEEP="1")
    manifest["metadata"]["namespace"] = world.namespace
    await world.host.patch(APPLICATIONS, "deployment-web", world.namespace, {"spec": {"manifests": [manifest]}})

    async def without_old() -> bool:
        for cluster in BOTH:
            body = await world.member(cluster, TYPES["Deployment"], "web")
            (container,) = body["spec"]["template"]["spec"]["containers"]
            if [entry["name"] for entry in container["env"]] != ["KEEP"]:
                return False
        return True

    await world.eventually(without_old, 20)
