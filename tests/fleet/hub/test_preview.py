"""What `atoll app preview` says of a change is what the members have afterwards; what-if and explain say why."""

import json
import random
from collections import Counter
from typing import Any

from atoll.cli.application.foreseeing import Forecast, foresee, foresee_end
from atoll.cli.application.rendering import render_body
from atoll.cli.session import Options, Session
from atoll.inquire.comparing import bare
from atoll.kube.objects import Resource
from atoll.kube.resources import APPLICATIONS, CONFIGMAPS, DEPLOYMENTS, NAMESPACES, SECRETS, SERVICES
from tests.fleet.hub.test_the_command_line import atoll
from tests.fleet.hub.world import World, configmap, deployment
from tests.machines.effort import EFFORT

Json = dict[str, Any]

QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")
KINDS = {"ConfigMap": CONFIGMAPS, "Deployment": DEPLOYMENTS, "Secret": SECRETS, "Service": SERVICES}
ROUNDS = 24 * EFFORT
ENDED = frozenset({"Applied", "Conflict", "Failed"})
Dump = dict[str, Json]


def service(port: int) -> Json:
    spec = {"selector": {"app": "web"}, "ports": [{"port": port, "name": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}


def secret(value: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"k": value}}


class Changes:
    """An application that changes at random, what is foreseen of each change, and what came of it."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.dice = random.Random(seed)
        self.session = Session(Options(str(world.fleet.kubeconfig), "hub", world.namespace))
        self.counts: Counter[str] = Counter()

    def application(self) -> Json:
        dice, members = self.dice, list(self.world.members)
        manifests = [
            configmap("settings", level=dice.choice(["info", "debug"])),
            *([deployment("web", f"nginx:1.2{dice.randint(6, 9)}", V=str(dice.randint(1, 3)))] * (dice.random() < 0.8)),
            *([service(dice.choice([80, 81]))] * (dice.random() < 0.5)),
            *([configmap("more", **{dice.choice("abc"): "1"})] * (dice.random() < 0.6)),
            *([secret(dice.choice("xyz"))] * (dice.random() < 0.4)),
        ]
        placement = dice.choice(
            [
                {"clusters": dice.sample(members, dice.randint(1, 3))},
                {"where": f"cluster.name != '{dice.choice(members)}'"},
                {"all": True, "spread": [{"by": "cluster", "max": dice.randint(1, 3)}]},
            ]
        )
        weights = {members[0]: dice.randint(0, 3), "*": dice.randint(1, 2)}
        spec: Json = {
            "manifests": manifests,
            "placement": placement,
            "replicas": dice.choice([{"each": 1}, {"total": dice.randint(2, 5)}, {"total": 4, "weights": weights}]),
            "differences": dice.sample(
                [
                    {"clusters": [members[0]], "images": [{"from": "nginx", "to": "quay.io/nginx"}]},
                    {"all": True, "labels": {"team": dice.choice(["shop", "shore"])}},
                    {"where": f"cluster.name == '{members[1]}'", "annotations": {"note": "second"}},
                ],
                dice.randint(0, 3),
            ),
            "rollout": {"maxUnavailable": "100%"},
            **({"deletion": "orphan"} if dice.random() < 0.2 else {}),
            **({"adopt": True} if dice.random() < 0.6 else {}),
        }
        metadata = {"name": "shop", "namespace": self.world.namespace}
        return {"apiVersion": "atoll.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}

    async def meddle(self) -> None:
        """Somebody else writes an object on a member, or a field beside ours."""
        member, name = self.dice.choice(self.world.members), self.dice.choice(["settings", "more"])
        if await self.world.find(member, NAMESPACES, self.world.namespace) is None:
            await self.world.namespace_on(member)
        body = configmap(name, theirs=self.dice.choice("12"))
        await self.world.clients[member].apply(
            CONFIGMAPS, body, name=name, namespace=self.world.namespace, manager="other", force=True
        )
        self.counts["meddled"] += 1

    async def once(self) -> None:
        """One change: foreseen, made, compared."""
        world, hub = self.world, self.world.hub
        if self.dice.random() < 0.2:
            await self.meddle()
        live = next((a for a in (await hub.list(APPLICATIONS, world.namespace)).items if a.name == "shop"), None)
        if live is not None and self.dice.random() < 0.1:
            orphan = live.body()["spec"].get("deletion") == "orphan"
            forecast = await foresee_end(self.session, hub, live, orphan=orphan)
            expected = await self.expected(forecast)
            await world.delete("shop")
            await world.eventually(world.no_applications, 30)
            self.counts["deleted"] += 1
        else:
            body = self.application()
            forecast = await foresee(self.session, hub, await render_body(hub, body))
            expected = await self.expected(forecast)
            await hub.apply(APPLICATIONS, body, name="shop", namespace=world.namespace, manager="test", force=True)
            await self.settled()
        await self.came(expected)

    async def expected(self, forecast: Forecast) -> dict[str, Dump]:
        """What each member is to have, by the forecast."""
        assert not forecast.held
        found = {name: await held(self.world, name) for name in self.world.members}
        for cluster in forecast.clusters:
            assert not cluster.unknown, cluster
            for change in cluster.changes:
                name = f"{change.id.kind}/{change.id.name}"
                self.counts["refused" if change.trouble else "gone" if change.after is None else "changed"] += 1
                if change.trouble:
                    continue
                if change.after is None:
                    del found[cluster.cluster][name]
                else:
                    found[cluster.cluster][name] = comparable(change.after)
        return found

    async def settled(self) -> None:
        """All that there is to write is written, or refused."""

        async def check() -> bool:
            status = await self.world.status("shop")
            rows = status.get("clusters") or ()
            return bool(rows) and all(row.get("state", "Pending") in ENDED for row in rows)

        try:
            await self.world.eventually(check, 30)
        except AssertionError:
            raise AssertionError(f"not settled: {await self.world.status('shop')}") from None

    async def came(self, expected: dict[str, Dump]) -> None:
        async def as_foreseen() -> bool:
            return all([await held(self.world, member) == wanted for member, wanted in expected.items()])

        try:
            await self.world.eventually(as_foreseen, 10)
        except AssertionError:
            for member, wanted in expected.items():
                assert await held(self.world, member) == wanted, member


async def held(world: World, member: str) -> Dump:
    """What the member has in the test's namespace, by kind and name, without what servers write."""
    found = {}
    for kind, resource in KINDS.items():
        for live in (await world.clients[member].list(resource, world.namespace)).items:
            if live.name != "kube-root-ca.crt" and not live.deleting:
                found[f"{kind}/{live.name}"] = comparable(live.body())
    return found


def comparable(body: Json) -> Json:
    """Without addresses, which each creation allocates anew, what controllers note, and what a Secret says."""
    plain = bare(body)
    plain["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    if not plain["metadata"].get("annotations", True):
        del plain["metadata"]["annotations"]
    if plain["kind"] == "Service":
        plain["spec"] = {k: v for k, v in plain["spec"].items() if k not in {"clusterIP", "clusterIPs", "ipFamilies"}}
    if plain["kind"] == "Secret":
        plain["data"] = sorted(plain["data"])
    return plain


async def test_random_changes_come_as_previewed(world: World) -> None:
    changes = Changes(world, 7)
    for number in range(ROUNDS):
        try:
            await changes.once()
        except AssertionError as error:
            raise AssertionError(f"change {number}: {error}") from None
    assert min(changes.counts[what] for what in ("changed", "gone", "deleted", "meddled")) > 0, changes.counts


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
