"""What may happen in a run: what users do, what others do to members, and what goes wrong.

Each action is a coroutine function `(world, random)` that answers with what it did, "" when there was nothing to do it
to. Its `random` depends on the seed and the step's number alone, so that leaving out a step changes no other's dice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from atoll.api.names import ANNOTATION_PRUNE, ANNOTATION_WAVE, LABEL_APP, LABEL_HUB
from atoll.api.objects import Json, ObjectId, identify
from atoll.fleet.leave import ANNOTATION_LEAVE
from atoll.kube.resources import APPLICATIONS, CLUSTERS, CONFIGMAPS
from atoll.testing.fakeapi.faults import (
    BreakWatch,
    Delay,
    EndWatch,
    Fault,
    Gone,
    HangWatch,
    Refuse,
    Repeat,
    Reset,
    Rule,
    SlowBody,
)
from atoll.testing.fakefleet.history import SLOWEST
from atoll.testing.fakefleet.manners import LABEL as WHOLE
from atoll.testing.fakefleet.processes import HubProcess
from atoll.testing.fakefleet.servers import Server
from atoll.testing.fakefleet.world import NAMESPACE, RIVAL, World

Action = Callable[[World, Random], Awaitable[str]]

NAMES = ("a", "b", "c")
VALUES = ("1", "2", "3")


def manifests(random: Random) -> list[Json]:
    """A few objects of a pool that Applications share: two that want the same one is a case like any other."""
    found: list[Json] = []
    for name in random.sample(("c0", "c1", "c2", "c3", "c4", "c5"), random.randint(1, 4)):
        metadata: Json = {"name": name}
        notes = {}
        if name == "c4":
            notes[ANNOTATION_WAVE] = "1"
        if name == "c3" and random.random() < 0.3:
            notes[ANNOTATION_PRUNE] = "false"
        if name == "c5":
            metadata["namespace"] = "annex"
        if notes:
            metadata["annotations"] = notes
        data = {"v": random.choice(VALUES)}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if random.random() < 0.4:
        found.append(deployment(random))
    return found


def deployment(random: Random) -> Json:
    image = f"registry.example/web:{random.choice(VALUES)}"
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def placement(world: World, random: Random) -> Json:
    chance = random.random()
    if chance < 0.4:
        return {"all": True}
    if chance < 0.6:
        return {"selector": {"matchLabels": {"env": random.choice(("prod", "test"))}}}
    names = sorted(world.members)
    return {"clusters": sorted(random.sample(names, random.randint(1, len(names))))}


def spec(world: World, random: Random) -> Json:
    made: Json = {"manifests": manifests(random), "placement": placement(world, random)}
    if random.random() < 0.3:
        made["adopt"] = True
    if random.random() < 0.3:
        made["allowEmpty"] = True
    if random.random() < 0.2:
        made["deletion"] = "orphan"
    if random.random() < 0.4:
        made["differences"] = differences(world, random, made["manifests"])
    if random.random() < 0.3:
        made["replicas"] = random.choice(({"each": 3}, {"total": 5}, {"total": 7, "weights": {"m1": 2, "*": 1}}))
    return made


def differences(world: World, random: Random, bodies: list[Json]) -> list[Json]:
    where = {"clusters": [random.choice(sorted(world.members))]} if random.random() < 0.7 else {"all": True}
    if random.random() < 0.5:
        return [{**where, "labels": {"differs": random.choice(VALUES)}}]
    first = identify(bodies[0])
    patch = {
        "target": {"kind": first.kind, "name": first.name},
        "op": "add",
        "path": "/metadata/labels",
        "value": {"x": "y"},
    }
    return [{**where, "patches": [patch]}]


# Users


async def create(world: World, random: Random) -> str:
    name = random.choice(NAMES)
    if world.hub.cluster.store.get(APPLICATIONS.group_kind, (NAMESPACE, name)):
        return ""
    made = spec(world, random)
    labels = {WHOLE: "yes"} if random.random() < 0.3 else None
    world.put(world.hub, APPLICATIONS, name, NAMESPACE, labels=labels, spec=made)
    world.counts["whole"] += labels is not None
    return f"{name} is created{', of whole objects' if labels else ''}: {_told(made)}"


def some_application(world: World, random: Random) -> Json | None:
    alive = [a for a in world.applications() if "deletionTimestamp" not in a["metadata"]]
    return random.choice(sorted(alive, key=lambda a: str(a["metadata"]["name"]))) if alive else None


def write_spec(world: World, app: Json, made: Json) -> None:
    name = app["metadata"]["name"]
    body = {**app, "spec": made}
    world.hub.cluster.update(world.kind(world.hub, APPLICATIONS), NAMESPACE, name, body, manager="user")


async def change(world: World, random: Random) -> str:
    app = some_application(world, random)
    if app is None:
        return await create(world, random)
    made = app["spec"]
    match random.choice(("all", "manifests", "placement", "placement", "flags", "differences")):
        case "all":
            made = spec(world, random)
        case "manifests":
            made = {**made, "manifests": manifests(random)}
            made.pop("differences", None)
        case "placement":
            made = {**made, "placement": placement(world, random)}
        case "differences":
            made = {**made, "differences": differences(world, random, made["manifests"])}
        case _:
            made = {**made, **{flag: random.random() < 0.5 for flag in ("adopt", "allowEmpty")}}
    write_spec(world, app, made)
    return f"{app['metadata']['name']} becomes {_told(made)}"


async def suspend(world: World, random: Random) -> str:
    app = some_application(world, random)
    if app is None:
        return ""
    on = not app["spec"].get("suspend", False)
    write_spec(world, app, {**app["spec"], "suspend": on})
    return f"{app['metadata']['name']} is {'suspended' if on else 'resumed'}"


async def delete(world: World, random: Random) -> str:
    app = some_application(world, random)
    if app is None:
        return ""
    name = app["metadata"]["name"]
    world.hub.cluster.delete(world.kind(world.hub, APPLICATIONS), NAMESPACE, name)
    return f"{name} is deleted"


async def leave(world: World, random: Random) -> str:
    staying = [c for c in world.clusters() if "deletionTimestamp" not in c["metadata"]]
    if len(staying) < 2:
        return ""
    name = str(random.choice(staying)["metadata"]["name"])
    how = random.choice(("orphan", "orphan", "delete", "force"))
    kind = world.kind(world.hub, CLUSTERS)
    world.hub.cluster.patch(kind, "", name, {"metadata": {"annotations": {ANNOTATION_LEAVE: how}}}, manager="user")
    world.hub.cluster.delete(kind, "", name)
    if how == "force":
        world.abandoned.add(name)
    return f"cluster {name} leaves: {how}"


async def come_back(world: World, random: Random) -> str:
    gone = sorted(world.members.keys() - {c["metadata"]["name"] for c in world.clusters()})
    if not gone:
        return ""
    name = random.choice(gone)
    world.add_cluster(name)
    return f"cluster {name} returns"


async def relabel(world: World, random: Random) -> str:
    staying = [c for c in world.clusters() if "deletionTimestamp" not in c["metadata"]]
    cluster = random.choice(staying) if staying else None
    if cluster is None:
        return ""
    name, env = cluster["metadata"]["name"], random.choice(("prod", "test"))
    patch = {"metadata": {"labels": {"env": env}}}
    world.hub.cluster.patch(world.kind(world.hub, CLUSTERS), "", name, patch, manager="user")
    return f"cluster {name} is labelled {env}"


# Others, on members


def some_object(world: World, random: Random) -> tuple[str, ObjectId, Json] | None:
    member = random.choice(sorted(world.members))
    ours = world.ours(member)
    if not ours:
        return None
    body = random.choice(ours)
    return member, identify(body), body


async def edit(world: World, random: Random) -> str:
    found = some_object(world, random)
    return f"{found[1]} on {found[0]} is edited" if found and world.meddle(found[0], found[1]) else ""


async def remove(world: World, random: Random) -> str:
    found = some_object(world, random)
    done = found and world.meddle(found[0], found[1], delete=True)
    return f"{found[1]} on {found[0]} is deleted by others" if found and done else ""


async def unmark(world: World, random: Random) -> str:
    found = some_object(world, random)
    if found is None:
        return ""
    member, about, body = found
    server = world.members[member]
    nothing = {"metadata": {"labels": {LABEL_HUB: None, LABEL_APP: None}}}
    kind = server.cluster.kinds.of(about.group_kind)
    if kind is None or body["metadata"].get("deletionTimestamp"):
        return ""
    world.watchman.unmarked.add(body["metadata"]["uid"])
    server.cluster.patch(kind, about.namespace, about.name, nothing, manager=RIVAL)
    return f"{about} on {member} loses its labels"


async def foreign(world: World, random: Random) -> str:
    """Somebody makes an object of a name that an Application may want."""
    member, name = random.choice(sorted(world.members)), random.choice(("c0", "c1", "c2", "c3"))
    server = world.members[member]
    if server.cluster.store.get(CONFIGMAPS.group_kind, (NAMESPACE, name)):
        return ""
    world.put(server, CONFIGMAPS, name, NAMESPACE, data={"v": "foreign"})
    return f"somebody makes {name} on {member}"


async def bystander(world: World, random: Random) -> str:
    member = random.choice(sorted(world.members))
    world.add_bystander(member, NAMESPACE)
    return f"another bystander on {member}"


async def fight(world: World, random: Random) -> str:
    found = some_object(world, random)
    if found is None or (found[0], found[1]) in world.watchman.fights:
        return ""
    seconds = random.choice((20.0, 100.0))
    world.begin_fight(found[0], found[1], seconds)
    return f"somebody fights over {found[1]} on {found[0]} for {seconds:g} s"


# What goes wrong

FAULTS: tuple[tuple[str, Fault, float], ...] = (
    ("429", Refuse(429, "TooManyRequests"), 0.7),
    ("429 with Retry-After", Refuse(429, "TooManyRequests", 2), 0.7),
    ("500", Refuse(500, "InternalError"), 0.5),
    ("503", Refuse(503, "ServiceUnavailable"), 0.5),
    ("409", Refuse(409, "Conflict"), 0.3),
    ("cut before", Reset(), 0.4),
    ("cut after", Reset(after=True), 0.5),
    ("delay", Delay(5.0), 0.4),
    ("long delay", Delay(60.0), 0.2),
    ("slow answer", SlowBody(100, 0.05), 0.4),
    ("torn answer", SlowBody(100, 0.05, cut=True), 0.4),
    ("watch breaks", BreakWatch(1), 0.7),
    ("watch torn", BreakWatch(0, torn=True), 0.7),
    ("watch ends", EndWatch(1), 0.7),
    ("watch hangs", HangWatch(0), 0.5),
    ("watch hangs later", HangWatch(2), 0.5),
    ("410 as status", Gone(as_status=True), 0.6),
    ("410 as event", Gone(events=1), 0.6),
    ("watch repeats", Repeat(3), 0.7),
)


def some_server(world: World, random: Random) -> Server:
    return random.choice((world.hub, *(world.members[name] for name in sorted(world.members))))


async def trouble(world: World, random: Random) -> str:
    server = some_server(world, random)
    name, fault, rate = random.choice(FAULTS)
    times = random.choice((None, 1, 3, 10))
    verb = random.choice(("", "", "apply", "delete", "patch", "list")) if not name.startswith(("watch", "410")) else ""
    server.faults.rules.append(Rule(fault, rate if times is None else 1.0, times, verb))
    if name.startswith(("watch", "410")) and random.random() < 0.7:
        server.cut()  # or nobody would open a watch
    world.counts[f"fault {name}"] += 1
    return f"{server.name}: {name} {verb} {'from now on' if times is None else times}"


async def siege(world: World, random: Random) -> str:
    member = random.choice(sorted(world.members))
    seconds, retry_after = random.choice((30.0, 60.0)), random.choice((None, 1))
    world.begin_siege(member, seconds, retry_after)
    return f"{member} answers 429 for {seconds:g} s"


async def heal(world: World, random: Random) -> str:
    server = some_server(world, random)
    if not server.faults.rules:
        return ""
    server.faults.heal()
    return f"{server.name} is healed"


async def lag(world: World, random: Random) -> str:
    server = some_server(world, random)
    server.lag = random.choice((0.0, 0.5, 3.0))
    return f"{server.name}: watches are {server.lag:g} s behind"


async def away(world: World, random: Random) -> str:
    server = some_server(world, random)
    if server.state != "up":
        return ""
    state: Any = random.choice(("refusing", "silent"))
    seconds = random.choice((0.5, 8.0, 30.0, 90.0))
    server.go(state)
    world.later(seconds, lambda: server.go("up"))
    return f"{server.name} is away for {seconds:g} s, {state}"


async def cut(world: World, random: Random) -> str:
    server = some_server(world, random)
    server.cut()
    return f"{server.name}: all connections break"


async def compact(world: World, random: Random) -> str:
    server = some_server(world, random)
    server.compact()
    return f"{server.name} forgets its history"


def some_hub(world: World, random: Random, *, frozen: bool) -> HubProcess | None:
    found = [process for process in world.processes if process.frozen is frozen]
    return random.choice(found) if found else None


async def kill(world: World, random: Random) -> str:
    process = some_hub(world, random, frozen=random.random() < 0.2)
    if process is None:
        return ""
    await world.kill_hub(process)
    pause = random.choice((0.0, 1.0, 20.0))
    world.later(pause, world.start_hub)
    return f"{process.name} is killed; another comes after {pause:g} s"


async def second(world: World, _: Random) -> str:
    if len(world.processes) > 1:
        return ""
    return f"{world.start_hub().name} starts, too"


async def freeze(world: World, random: Random) -> str:
    """Stopped, beyond its Lease or not; another is there to take over."""
    process = some_hub(world, random, frozen=False)
    if process is None:
        return ""
    if len(world.processes) < 2:
        world.start_hub()
    process.freeze()
    seconds = random.choice((1.0, 9.0, 14.0, 17.0, 40.0))

    def go_on() -> None:
        if process in world.processes and process.frozen:
            process.thaw()

    world.later(seconds, go_on)
    return f"{process.name} is stopped for {seconds:g} s"


async def backup(world: World, _: Random) -> str:
    world.snapshot = world.hub.cluster.store.snapshot()
    return f"the hub is backed up at {world.snapshot.revision}"


async def restore(world: World, _: Random) -> str:
    snapshot = world.snapshot
    if snapshot is None:
        return ""
    await world.restore(snapshot)
    return f"the hub is restored to {snapshot.revision}"


async def confirm(world: World, _: Random) -> str:
    if not world.restored:
        return ""
    await world.raise_epoch()
    return "the epoch is raised"


ACTIONS: dict[Action, int] = {
    create: 8,
    change: 16,
    suspend: 3,
    delete: 5,
    leave: 2,
    come_back: 4,
    relabel: 3,
    edit: 5,
    remove: 5,
    unmark: 2,
    foreign: 3,
    bystander: 1,
    fight: 2,
    trouble: 12,
    siege: 2,
    heal: 5,
    lag: 2,
    away: 4,
    cut: 2,
    compact: 3,
    kill: 4,
    second: 2,
    freeze: 2,
    backup: 2,
    restore: 1,
    confirm: 2,
}
"""What may happen, and how often."""
DISTURBING = frozenset({trouble, siege, lag, away, cut, compact, kill, second, freeze, restore, confirm})
"""After these a hub may be far behind."""
PAUSES = (0.0, 0.0, 0.005, 0.05, 0.3, 1.0, 3.0, 10.0)
"""Seconds until the next thing happens."""


async def step(world: World, seed: int, number: int) -> None:
    """Do what the dice of step `number` say."""
    random = Random(f"{seed}/{number}")
    action = random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
    if action in DISTURBING:
        world.history.slowest = SLOWEST
    told = await action(world, random)
    if told:
        world.counts[getattr(action, "__name__", "")] += 1
        world.log.append(f"{world.loop.time():9.3f}  {number:3}  {told}")
    await asyncio.sleep(random.choice(PAUSES))


def _told(made: Json) -> str:
    objects = ", ".join(f"{b['metadata']['name']}={(b.get('data') or {}).get('v', '')}" for b in made["manifests"])
    rest = {key: value for key, value in made.items() if key != "manifests"}
    return f"[{objects}] {rest}"
