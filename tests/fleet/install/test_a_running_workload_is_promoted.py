"""`atoll app promote`: what runs on a member becomes an Application, and its Pods don't notice."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.api.manifests import dump, load
from atoll.kube.client import Client
from atoll.kube.resources import (
    APPLICATIONS,
    CONFIGMAPS,
    DAEMONSETS,
    DEPLOYMENTS,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICEACCOUNTS,
    STATEFULSETS,
)
from atoll.testing.binaries import Binaries
from tests.delivering import eventually
from tests.fleet.install.installed import Installed, exists, make_namespace, ready

Json = dict[str, Any]
NAMESPACE = "running"
RUNNING = load(
    """
apiVersion: v1
kind: ServiceAccount
metadata: {name: shop}
imagePullSecrets: [{name: registry-of-account}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: info}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: files}
data: {nginx.conf: "events {}"}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {PASSWORD: correct-horse}
---
apiVersion: v1
kind: Secret
metadata: {name: registry}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths": {}}'}
---
apiVersion: v1
kind: Secret
metadata: {name: registry-of-account}
type: kubernetes.io/dockerconfigjson
stringData: {.dockerconfigjson: '{"auths": {}}'}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: running-data}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteMany]
  storageClassName: ""
  claimRef: {namespace: running, name: data}
  hostPath: {path: /data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: ""
  volumeName: running-data
  resources: {requests: {storage: 1Gi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: store}
spec: {clusterIP: None, selector: {app: store}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {team: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: shop
      imagePullSecrets: [{name: registry}]
      containers:
        - name: web
          image: nginx:1.28
          resources: {requests: {cpu: 100m}}
          envFrom: [{configMapRef: {name: settings}}, {configMapRef: {name: perhaps, optional: true}}]
          env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: PASSWORD}}}]
          volumeMounts: [{name: all, mountPath: /etc/all}, {name: data, mountPath: /data}]
      volumes:
        - {name: all, projected: {sources: [{configMap: {name: files}}, {secret: {name: database}}]}}
        - {name: data, persistentVolumeClaim: {claimName: data}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 2
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: "redis:8"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "busybox:1"}]}
"""
)


@pytest.fixture(scope="module")
def hub(installed: Installed) -> Iterator[Installed]:
    installed.install()
    installed.start()
    installed.join()
    yield installed
    for name in (app for app in installed.atoll("-n", NAMESPACE, "app", "list", "-o", "name").split()):
        installed.atoll("-n", NAMESPACE, "app", "delete", name.partition("/")[2], "--wait")
    for context in ("hub", "member1"):
        kubectl(installed, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s", context=context)
    kubectl(installed, "delete", "persistentvolume", "running-data", "--ignore-not-found")
    installed.stop()


def kubectl(hub: Installed, *arguments: str, text: str = "", context: str = "member1") -> str:
    command = [str(Binaries().find("kubectl")), "--kubeconfig", str(hub.local.kubeconfig), "--context", context]
    done = subprocess.run([*command, *arguments], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rolled_out(hub: Installed) -> None:
    for workload in ("deployment/web", "statefulset/store", "daemonset/agent"):
        kubectl(hub, "-n", NAMESPACE, "rollout", "status", workload, "--timeout=90s")


@pytest.fixture(scope="module")
def running(hub: Installed) -> Installed:
    """By `kubectl apply`, as people do; then by `kubectl rollout restart`, which leaves an annotation."""
    kubectl(hub, "create", "namespace", NAMESPACE)
    kubectl(hub, "-n", NAMESPACE, "apply", "-f", "-", text=dump(RUNNING))
    _rolled_out(hub)
    kubectl(hub, "-n", NAMESPACE, "rollout", "restart", "deployment/web")
    _rolled_out(hub)
    return hub


async def pods(member: Client, app: str) -> dict[str, str]:
    found = (await member.list(PODS, NAMESPACE, labels=f"app={app}")).items
    return {pod.name: pod.uid for pod in found if not pod.deleting}


async def test_a_dry_run_prints_it_and_writes_nothing(running: Installed) -> None:
    printed = running.atoll(
        "-n", NAMESPACE, "app", "promote", "deploy", "web", "--from", "member1", "--create-namespace",
        "--dry-run=client", "-o", "yaml",
    )  # fmt: skip
    [app] = load(printed)
    kinds = {(m["kind"], m["metadata"]["name"]) for m in app["spec"]["manifests"]}
    assert kinds == {
        ("Deployment", "web"),
        ("ConfigMap", "settings"),
        ("ConfigMap", "files"),
        ("ServiceAccount", "shop"),
    }
    assert {s["name"] for s in app["spec"]["select"]} == {"database", "registry", "registry-of-account"}
    assert app["spec"]["adopt"] is True
    assert app["spec"]["placement"] == {"clusters": ["member1"]}
    assert "correct-horse" not in printed
    assert "Y29ycmVjdC1ob3JzZQ" not in printed
    async with running.client() as client:
        assert not (await client.list(APPLICATIONS, NAMESPACE)).items
        assert not (await client.list(SECRETS, NAMESPACE)).items


async def test_pods_live_on_and_edits_arrive(running: Installed) -> None:
    async with running.client() as client, running.client("member1") as member:
        before = await pods(member, "web")
        sets = {s.uid for s in (await member.list(REPLICASETS, NAMESPACE)).items}
        spec_before = (await member.get(DEPLOYMENTS, "web", NAMESPACE)).body()["spec"]
        account = (await member.get(SERVICEACCOUNTS, "shop", NAMESPACE)).uid
        assert len(before) == 2
        running.atoll(
            "-n", NAMESPACE, "app", "promote", "deployment", "web", "--from", "member1", "--create-namespace", "--wait"
        )
        await ready(client, NAMESPACE, "web")
        live = await member.get(DEPLOYMENTS, "web", NAMESPACE)
        assert await pods(member, "web") == before
        assert {s.uid for s in (await member.list(REPLICASETS, NAMESPACE)).items} == sets
        assert live.body()["spec"] == spec_before
        assert live.annotations["team"] == "shop"
        app = await client.get(APPLICATIONS, "web", NAMESPACE)
        for resource, name in ((DEPLOYMENTS, "web"), (CONFIGMAPS, "settings"), (SECRETS, "database")):
            assert (await member.get(resource, name, NAMESPACE)).labels["atoll.dev/app"] == app.uid
        assert (await member.get(SERVICEACCOUNTS, "shop", NAMESPACE)).uid == account
        assert b"correct-horse" not in app.raw
        assert b"Y29ycmVjdC1ob3JzZQ" not in app.raw

        spec = app.body()["spec"]
        for manifest in spec["manifests"]:
            if manifest["metadata"]["name"] == "settings":
                manifest["data"]["LOG_LEVEL"] = "debug"
            if manifest["kind"] == "Deployment":
                manifest["spec"]["replicas"] = 3
                manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:1.29"
        await client.patch(APPLICATIONS, "web", NAMESPACE, {"spec": spec}, type="merge")
        await client.patch(SECRETS, "database", NAMESPACE, {"stringData": {"PASSWORD": "staple"}}, type="merge")
        await ready(client, NAMESPACE, "web")
        after = (await member.get(DEPLOYMENTS, "web", NAMESPACE)).body()["spec"]
        assert after["replicas"] == 3
        assert after["template"]["spec"]["containers"][0]["image"] == "nginx:1.29"
        assert (await member.get(CONFIGMAPS, "settings", NAMESPACE)).body()["data"] == {"LOG_LEVEL": "debug"}

        async def arrived() -> bool:
            return bool((await member.get(SECRETS, "database", NAMESPACE)).body()["data"]["PASSWORD"] == "c3RhcGxl")

        await eventually(arrived, 15)


@pytest.mark.parametrize(("kind", "name"), [("sts", "store"), ("daemonsets.apps", "agent")])
async def test_other_workloads_live_on_too(running: Installed, kind: str, name: str) -> None:
    resource = STATEFULSETS if name == "store" else DAEMONSETS
    async with running.client() as client, running.client("member1") as member:
        await make_namespace(client, NAMESPACE)
        before, spec = await pods(member, name), (await member.get(resource, name, NAMESPACE)).body()["spec"]
        running.atoll("-n", NAMESPACE, "app", "promote", kind, name, "--from", "member1", "--wait")
        await ready(client, NAMESPACE, name)
        assert await pods(member, name) == before != {}
        assert (await member.get(resource, name, NAMESPACE)).body()["spec"] == spec


async def test_the_rest_is_told(running: Installed) -> None:
    """What can't be promoted, and what isn't taken."""

    def refused(*arguments: str) -> str:
        return running.atoll("-n", NAMESPACE, "app", "promote", *arguments, "--from", "member1", code=1)

    async with running.client() as client, running.client("member1") as member:
        await make_namespace(client, NAMESPACE)
        pod = next(iter(await pods(member, "agent")))
        assert "bound to its node" in refused("pod", pod)
        replicaset = (await member.list(REPLICASETS, NAMESPACE)).items[0].name
        assert "promote deployment web" in refused("replicaset", replicaset)
        assert "there is no Deployment nothing" in refused("deployment", "nothing")
        assert "no kind gizmo" in refused("gizmo", "x")
        assert "belongs to Application" in refused("deployment", "web")
        assert "its content would lie in the Application" in refused("secret", "database")

        body = load(dump(RUNNING))[-1]
        body["metadata"]["name"] = "other"
        body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        volumes = [
            {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "lost", "configMap": {"name": "lost"}},
            {"name": "taken", "configMap": {"name": "settings"}},
            {"name": "hub", "secret": {"secretName": "clash"}},
        ]
        body["spec"]["template"]["spec"]["volumes"] = volumes
        clash = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "clash"}}
        await member.apply(DAEMONSETS, body, name="other", namespace=NAMESPACE, manager="test")
        for where, value in ((member, "a"), (client, "b")):
            secret = {**clash, "stringData": {"k": value}}
            await where.apply(SECRETS, secret, name="clash", namespace=NAMESPACE, manager="test")
        told = refused("daemonset", "other")
        assert "PersistentVolumeClaim/data is not taken" in told
        assert "ConfigMap/lost is named, and isn't there" in told
        assert "ConfigMap/settings is not taken: it belongs to Application running/web" in told
        assert "Secret running/clash exists on the hub, and holds something else" in told
        assert not await exists(client, APPLICATIONS, "other", NAMESPACE)
