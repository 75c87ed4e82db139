"""What a preview says is what then happens: hundreds of random changes, the members' objects read back after each."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from atoll.api.application import Retain
from atoll.api.delivery import Delivery, Removal
from atoll.api.differences import Difference, ImageRule, Target
from atoll.api.intent import Intent, Revision
from atoll.api.objects import Key, ObjectId, identify, manifest
from atoll.api.placement import Placement
from atoll.api.replicas import Replicas
from atoll.inquire.comparing import Comparison, bare
from atoll.kube.client import Client
from atoll.kube.errors import NotFound
from atoll.kube.resources import CONFIGMAPS, DEPLOYMENTS, SECRETS, SERVICES
from atoll.plan.model import Snapshot
from atoll.plan.planner import plan
from atoll.pull.protocol import Change
from atoll.testing.fakeapi import FakeApi
from atoll.testing.worlds import cluster
from tests.delivering import Site, configmap, deployment, eventually

Json = dict[str, Any]
Dump = dict[ObjectId, Json]

NAMESPACE = "demo"
MEMBERS = ("a", "b", "c")
KINDS = (CONFIGMAPS, SECRETS, SERVICES, DEPLOYMENTS)
UID = "uid-of-shop"
SHOP = Key(NAMESPACE, "shop")
ENDED = frozenset({"Applied", "Conflict", "Failed"})
CHANGES = 50


class World:
    """Three members, and one application that changes."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.sites: dict[str, Site] = {}
        self.placed: dict[str, int | None] = {}
        self.sequence = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for name in MEMBERS:
                api = await stack.enter_async_context(FakeApi())
                client = await stack.enter_async_context(Client(api.config))
                site = self.sites[name] = Site(name, client, await stack.enter_async_context(Client(api.config)))
                site.alive.add(UID)
                await site.plain.create(CONFIGMAPS, configmap("foreign", "default", v="mine"))
                await stack.enter_async_context(site.engaged())
            yield

    def intent(self) -> Intent:
        """What a user might write next."""
        dice, objects = self.dice, []
        for name in dice.sample(["one", "two", "three", "four"], dice.randint(1, 4)):
            notes = {"atoll.dev/prune": "false"} if name == "four" and dice.random() < 0.5 else None
            values = {key: str(dice.randint(1, 3)) for key in dice.sample("abc", dice.randint(1, 3))}
            objects.append(configmap(name, NAMESPACE, notes, **values))
        if dice.random() < 0.7:
            web = deployment("web", NAMESPACE, dice.choice([None, 1, 3]), f"nginx:{dice.randint(1, 3)}")
            if dice.random() < 0.3:
                web["spec"]["template"]["spec"]["containers"][0].pop("ports")
            objects.append(web)
        if dice.random() < 0.5:
            objects.append(self.named("Secret", "key", stringData={"k": str(dice.randint(1, 2))}))
        if dice.random() < 0.5:
            ports = [{"port": dice.choice([80, 81]), "name": "http"}]
            objects.append(self.named("Service", "web", spec={"selector": {"app": "web"}, "ports": ports}))
        self.sequence += 1
        return Intent(
            SHOP,
            UID,
            Revision(1, UID, self.sequence),
            tuple(manifest(body) for body in objects),
            Placement(clusters=tuple(dice.sample(MEMBERS, dice.randint(1, 3)))),
            replicas=dice.choice([None, Replicas(each=2), Replicas(total=5)]),
            differences=self.differences(),
            orphan=dice.random() < 0.2,
            suspend=False,
            retain=(Retain(Target(kind="ConfigMap", name="one"), "/data/a"),) if dice.random() < 0.3 else (),
        )

    @staticmethod
    def named(kind: str, name: str, **fields: Any) -> Json:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}

    def differences(self) -> tuple[Difference, ...]:
        pool = [
            Difference(clusters=("b",), images=(ImageRule(from_="nginx", to="quay.io/nginx"),)),
            Difference(clusters=("a", "c"), env={"web": {"LEVEL": "debug"}}),
            Difference(all=True, labels={"team": "shop"}),
        ]
        return tuple(self.dice.sample(pool, self.dice.randint(0, 3)))

    async def meddle(self) -> None:
        """Somebody else changes, makes or deletes objects on a member."""
        site, name = self.sites[self.dice.choice(MEMBERS)], self.dice.choice(["one", "two", "five"])
        body = configmap(name, NAMESPACE, x="theirs")
        with suppress(NotFound):  # the namespace comes with the first delivery
            await site.plain.apply(CONFIGMAPS, body, name=name, namespace=NAMESPACE, manager="other", force=True)

    async def dump(self, name: str) -> Dump:
        found: Dump = {}
        for resource in KINDS:
            for live in (await self.sites[name].plain.list(resource)).items:
                if live.namespace != "atoll-system":
                    found[live.id] = bare(live.body())
        return found

    async def change(self) -> int:
        """One change: foreseen, made, and compared. How many objects it concerned."""
        intent = self.intent()
        fleet = Snapshot({n: cluster(n) for n in MEMBERS}, previous={SHOP: self.placed})
        planned = plan(intent, fleet)
        removals = [Removal(SHOP, UID, n, intent.orphan, intent.revision) for n in self.placed]
        leaving = [r for r in removals if r.cluster not in planned.deliveries]
        expected = {}
        concerned = 0
        for name, delivery in planned.deliveries.items():
            changes = await self.compare(delivery).changes()
            expected[name] = foreseen(await self.dump(name), changes)
            concerned += len(changes)
        for removal in leaving:
            nothing = Delivery(SHOP, UID, removal.cluster, intent.revision, ())
            changes = await self.compare(nothing).removed(orphan=intent.orphan)
            expected[removal.cluster] = foreseen(await self.dump(removal.cluster), changes)
            concerned += len(changes)
        for name, delivery in planned.deliveries.items():
            self.sites[name].deliverer.submit(delivery)
        for removal in leaving:
            self.sites[removal.cluster].deliverer.remove(removal)
        await eventually(lambda: self.settled(intent.revision, set(planned.deliveries), {r.cluster for r in leaving}))
        self.placed = {name: share.common for name, share in planned.shares.items()}
        for name, wanted in expected.items():
            assert await self.dump(name) == wanted, f"{name}, change {self.sequence}"
        return concerned

    def compare(self, delivery: Delivery) -> Comparison:
        site = self.sites[delivery.cluster]
        delivery = msgspec.structs.replace(delivery, revision=delivery.revision._replace(epoch=2))
        return Comparison(site.plain, delivery.cluster, delivery, site.hub.id, site.alive)

    def settled(self, revision: Revision, stay: set[str], leave: set[str]) -> bool:
        outcomes = {name: self.sites[name].outcomes.get(UID) for name in (*stay, *leave)}
        there = [o for n in stay if (o := outcomes[n]) is not None and o.revision == revision and o.state in ENDED]
        gone = [o for n in leave if (o := outcomes[n]) is not None and o.gone]
        return len(there) == len(stay) and len(gone) == len(leave)


def foreseen(before: Dump, changes: list[Change]) -> Dump:
    """What a member is to have after `changes`."""
    after = dict(before)
    for change in changes:
        if change.trouble:
            continue
        if change.after is None:
            del after[change.id]
        else:
            after[change.id] = bare(change.after)
            assert identify(change.after) == change.id
    return after


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_foreseen_is_what_happens(seed: int) -> None:
    world, concerned = World(seed), 0
    async with world.open():
        for _ in range(CHANGES):
            if world.dice.random() < 0.2:
                await world.meddle()
            concerned += await world.change()
    assert concerned > CHANGES, "the changes changed something"
