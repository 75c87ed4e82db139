"""What `atoll app preview` says of a change is what the members have afterwards; what-if and explain say why."""

import json
import random
from typing import Any

from atoll.inquire.comparing import bare
from atoll.kube.objects import Resource
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, DEPLOYMENTS, SECRETS, SERVICES
from tests.fleet.hub.test_the_command_line import atoll
from tests.fleet.hub.world import World, configmap, deployment

Json = dict[str, Any]

QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")
KINDS = {"ConfigMap": CONFIGMAPS, "Deployment": DEPLOYMENTS, "Service": SERVICES}
ROUNDS = 8


def service(port: int) -> Json:
    spec = {"selector": {"app": "web"}, "ports": [{"port": port, "name": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def application(world: World, dice: random.Random) -> Json:
    manifests = [
        configmap("settings", level=dice.choice(["info", "debug"])),
        deployment("web", f"nginx:1.2{dice.randint(6, 9)}", V=str(dice.randint(1, 3))),
        *([service(dice.choice([80, 81]))] if dice.random() < 0.6 else []),
        *([configmap("more", a="1")] if dice.random() < 0.5 else []),
    ]
    spec = {
        "manifests": manifests,
        "placement": {"clusters": dice.sample(list(world.members), dice.randint(1, 3))},
        "replicas": dice.choice([{"each": 1}, {"total": 4}]),
        "rollout": {"maxUnavailable": "100%"},
    }
    metadata = {"name": "shop", "namespace": world.namespace}
    return {"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}


async def held(world: World, member: str) -> dict[str, Json]:
    """What the member has in the test's namespace, by kind and name, without what servers write."""
    found = {}
    for kind, resource in KINDS.items():
        for live in (await world.clients[member].list(resource, world.namespace)).items:
            if live.name != "kube-root-ca.crt":
                found[f"{kind}/{live.name}"] = comparable(live.body())
    return found


def comparable(body: Json) -> Json:
    """Without addresses, which each creation allocates anew, and what controllers note."""
    plain = bare(body)
    plain["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    if not plain["metadata"].get("annotations", True):
        del plain["metadata"]["annotations"]
    if plain["kind"] == "Service":
        plain["spec"] = {k: v for k, v in plain["spec"].items() if k not in {"clusterIP", "clusterIPs", "ipFamilies"}}
    return plain


async def test_random_changes_come_as_previewed(world: World) -> None:
    dice = random.Random(7)
    for _ in range(ROUNDS):
        body = application(world, dice)
        forecast = json.loads(world.atoll("app", "preview", "-f", "-", "-o", "json", text=json.dumps(body)))
        expected = {c["cluster"]: await held(world, c["cluster"]) for c in forecast["clusters"]}
        for cluster in forecast["clusters"]:
            for change in cluster["changes"]:
                assert not change["trouble"], change
                name = f"{change['id']['kind']}/{change['id']['name']}"
                if change["after"] is None:
                    del expected[cluster["cluster"]][name]
                else:
                    expected[cluster["cluster"]][name] = comparable(change["after"])
        world.atoll("app", "deploy", "-f", "-", "--wait", "--timeout", "60s", text=json.dumps(body))

        async def as_foreseen(expected: dict[str, dict[str, Json]] = expected) -> bool:
            return all([await held(world, member) == wanted for member, wanted in expected.items()])

        try:
            await world.eventually(as_foreseen, 20)
        except AssertionError:
            for member, wanted in expected.items():
                assert await held(world, member) == wanted, member


async def test_a_preview_names_fates_and_masks_secrets_and_asks_admission(world: World) -> None:
    one, two, _ = world.members
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": "hush"}}
    await world.deploy("shop", [secret, configmap("settings", a="1")], [one])
    await world.ready("shop")
    await world.namespace_on(two)
    quota: Json = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    quota["metadata"]["namespace"] = world.namespace
    await world.clients[two].create(QUOTAS, quota | {"spec": {"hard": {"count/configmaps": "0"}}})

    async def counted() -> bool:
        live = (await world.clients[two].get(QUOTAS, "none", world.namespace)).body()
        return bool((live.get("status") or {}).get("hard"))

    await world.eventually(counted, 20)
    body = (await world.hub.get(APPLICATIONS, "shop", world.namespace)).body()
    body["spec"]["placement"] = {"clusters": [two]}
    changed = secret | {"stringData": {"k": "hush hush"}}
    body["spec"]["manifests"] = [changed, configmap("settings", a="2")]
    code, told, _ = atoll(world, "app", "preview", "-f", "-", text=json.dumps(body))
    assert code == 3, told
    assert "hush" not in told
    assert "***" in told
    rows = {line.split()[0]: line.split()[1] for line in told.splitlines() if line.split()[:1] and "member" in line[:8]}
    assert (rows[one], rows[two]) == ("leaves", "new")
    assert "exceeded quota" in told
    assert "2 objects are deleted" in told
    assert (await world.find(one, CONFIGMAPS, "settings") or {})["data"] == {"a": "1"}, "nothing was written"
    assert await world.find(two, SECRETS, "key") is None
    dry = atoll(world, "app", "deploy", "-f", "-", "--dry-run=server", "--force-conflicts", text=json.dumps(body))
    assert "exceeded quota" in dry.out
    gone = atoll(world, "app", "delete", "shop", "--dry-run=server").out
    assert "would be deleted" in gone
    assert "2 deleted" in gone


async def test_what_if_a_cluster_is_lost_or_comes_and_explain(world: World) -> None:
    one, two, three = world.members
    web = deployment("web", "nginx:1.28")
    await world.deploy("shop", [web], replicas={"total": 6})
    await world.ready("shop", 60)
    said = world.atoll("what-if", "--lose-cluster", three)
    moves = {line.split()[1]: line.split()[2:4] for line in said.splitlines() if world.namespace in line}
    assert moves == {one: ["2", "3"], two: ["2", "3"], three: ["2", "-"]}
    assert "1 of 1 applications change" in said
    await world.patch("shop", {"placement": {"clusters": [three]}})
    await world.ready("shop", 60)
    code, _, err = atoll(world, "what-if", "--lose-cluster", three)
    assert (code, "it would be on no cluster" in err) == (3, True)
    explained = world.atoll("app", "explain", "shop")
    assert f"{one}: not here: not named." in explained
    assert f"{three}: chosen: named; 6 replicas" in explained
