"""kill -9 at seeded moments, while Applications are made, changed, thinned out, moved and deleted all together: of the
hub, and where members have agents, of one of these as often.

12 moments in CI; ATOLL_MOMENTS=100 for more, ATOLL_SEED for others.
"""

import asyncio
import os
import random

import pytest

from atoll.kube.resources import CONFIGMAPS
from tests.fleet.faults.hubs import Trial
from tests.fleet.hub.world import configmap, deployment

MOMENTS = int(os.environ.get("ATOLL_MOMENTS", "12"))
SEED = int(os.environ.get("ATOLL_SEED", "1"))
LOST = (
    "",
    "deliver.apply.after=error@2",
    "deliver.delete.after=error@1",
    "deliver.applyset.after=error@1",
    "hub.status.after=error@1",
    "hub.finalizer.after=error@1",
    "hub.release.before=error@1",
)
"""Answers that never come: the write was done, and the hub hears of an error."""
EACH = 6
"""Moments in one life of a namespace."""


class Users:
    """They want something else all the time."""

    def __init__(self, trial: Trial, chance: random.Random) -> None:
        self.trial = trial
        self.chance = chance
        self.apps: set[str] = set()
        self.said: list[str] = []

    async def act(self) -> None:
        """One change on the hub."""
        leaving = {app["metadata"]["name"] for app in await self.trial.applications()} - self.apps
        free = [name for name in ("red", "green", "blue", "grey") if name not in leaving]
        if not free:
            return
        name = self.chance.choice(free)
        if name in self.apps and self.chance.random() < 0.25:
            self.said.append(f"delete {name}")
            self.apps.discard(name)
            await self.trial.delete(name)
            return
        which = self.chance.sample(("one", "two", "three", "four"), self.chance.randint(1, 4))
        value = str(self.chance.randint(1, 1000))
        manifests = [configmap(f"{name}-{n}", v=value) for n in sorted(which)]
        if self.chance.random() < 0.5:
            manifests.append(deployment(f"{name}-web", replicas=0, V=value))
        clusters = self.chance.choice([[*self.trial.members], [self.trial.members[0]], [self.trial.members[1]]])
        self.said.append(f"{name}: {', '.join(sorted(which))} = {value} on {', '.join(clusters)}")
        self.apps.add(name)
        await self.trial.deploy(name, manifests, clusters)

    async def meddle(self) -> None:
        """Somebody edits, or deletes, what was delivered to a member."""
        member = self.chance.choice(self.trial.members)
        client = self.trial.clients[member]
        found = [o for o in (await client.list(CONFIGMAPS, self.trial.namespace)).items if "-" in o.name and o.labels]
        if not found:
            return
        victim = self.chance.choice(sorted(found, key=lambda o: o.name))
        if self.chance.random() < 0.5:
            self.said.append(f"{member}: {victim.name} is edited")
            await client.patch(
                CONFIGMAPS, victim.name, victim.namespace, {"data": {"v": "meddled"}}, manager="somebody"
            )
        else:
            self.said.append(f"{member}: {victim.name} is deleted")
            await client.delete(CONFIGMAPS, victim.name, victim.namespace)

    async def deletions_done(self) -> bool:
        return {app["metadata"]["name"] for app in await self.trial.applications()} <= self.apps


@pytest.mark.parametrize("life", range((MOMENTS + EACH - 1) // EACH))
async def test_killed_at_random(trial: Trial, life: int) -> None:
    chance = random.Random(SEED * 1000 + life)
    users = Users(trial, chance)
    for _ in range(min(EACH, MOMENTS - life * EACH)):
        try:
            await one_moment(trial, users, chance)
        except AssertionError as error:
            raise AssertionError("\n".join([f"seed {SEED}, life {life}:", *users.said, str(error)])) from error


async def one_moment(trial: Trial, users: Users, chance: random.Random) -> None:
    """One of the processes dies at some write, or at some time; things go on without it; another comes."""
    agents = list(trial.reached.agents.values())
    victim = chance.choice(agents) if agents and chance.random() < 0.5 else trial.machine
    for process in (trial.machine, victim):
        process.kill()
    at_a_write = chance.random() < 0.6
    number = chance.randint(1, 40)
    lost = chance.choice(LOST)
    victim.start(failpoints="; ".join(filter(None, (f"*=kill@{number}" if at_a_write else "", lost))))
    if victim is not trial.machine:
        trial.machine.start()
    for _ in range(chance.randint(1, 4)):
        await users.act()
        await asyncio.sleep(chance.choice((0.0, 0.01, 0.05, 0.3)))
    await asyncio.sleep(chance.choice((0.0, 0.02, 0.1, 0.4)))
    users.said.append(f"{victim.name}: " + (f"killed at write {number}" if not victim.alive else "killed"))
    victim.kill()
    if chance.random() < 0.5:
        await users.meddle()
    if chance.random() < 0.3:
        await users.act()
    victim.start()
    await trial.eventually(users.deletions_done, 30)
    for name in sorted(users.apps):
        await trial.ready(name)
    await trial.all_right()
