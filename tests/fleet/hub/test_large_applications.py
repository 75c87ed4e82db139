"""Five thousand objects: too many to write into one object, but not too many to select."""

import asyncio
import time

from atoll.kube.resources import APPLICATIONS
from tests.fleet.hub.world import CONFIGMAPS, World, configmap

MANY = 5000
AT_ONCE = 32


def cpu_seconds(world: World) -> float:
    """What the hub's process has used so far."""
    lines = world.process.get("/metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total"))


async def test_five_thousand_objects_by_select(world: World) -> None:
    first = world.members[0]
    limit = asyncio.Semaphore(AT_ONCE)

    async def create(number: int) -> None:
        body = configmap(f"c{number}", v=str(number))
        body["metadata"] |= {"namespace": world.namespace, "labels": {"app": "many"}}
        async with limit:
            await world.hub.create(CONFIGMAPS, body)

    await asyncio.gather(*(create(number) for number in range(MANY)))
    select = [{"apiVersion": "v1", "kind": "ConfigMap", "labelSelector": {"matchLabels": {"app": "many"}}}]
    began, cpu = time.monotonic(), cpu_seconds(world)
    await world.deploy("many", [], [first], select=select)
    await world.ready("many", 120)
    delivered, cpu = time.monotonic() - began, cpu_seconds(world) - cpu
    found = await world.clients[first].list(CONFIGMAPS, world.namespace, labels="app=many")
    assert {o.name for o in found.items} == {f"c{n}" for n in range(MANY)}
    app = await world.hub.get(APPLICATIONS, "many", world.namespace)
    assert len(app.raw) < 16_384, "nothing on the hub grows with the objects"
    # one of them changes: one write
    body = configmap("c7", v="seven")
    body["metadata"] |= {"namespace": world.namespace, "labels": {"app": "many"}}
    began = time.monotonic()
    await world.hub.apply(CONFIGMAPS, body, name="c7", namespace=world.namespace, manager="test", force=True)

    async def changed() -> bool:
        seven = await world.find(first, CONFIGMAPS, "c7")
        return seven is not None and seven["data"] == {"v": "seven"}

    await world.eventually(changed, 20)
    one = time.monotonic() - began
    before = {o.name: o.resource_version for o in found.items}
    after = (await world.clients[first].list(CONFIGMAPS, world.namespace, labels="app=many")).items
    assert [o.name for o in after if before[o.name] != o.resource_version] == ["c7"]
    began = time.monotonic()
    await world.delete("many")
    await world.eventually(world.no_applications, 120)
    removed = time.monotonic() - began
    assert not (await world.clients[first].list(CONFIGMAPS, world.namespace, labels="app=many")).items
    figures = (
        f"delivered in {delivered:.1f} s with {cpu:.1f} s of CPU, one change {one:.2f} s, removed in {removed:.1f} s"
    )
    assert cpu < 0.004 * MANY, figures
    assert one < 10, figures
