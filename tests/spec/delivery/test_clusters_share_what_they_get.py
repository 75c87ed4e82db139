"""What an application comes to on the wire is kept once, however many clusters get it."""

import asyncio
import gc
from typing import Any

import msgspec

from atoll.api.delivery import Delivery
from atoll.api.intent import Revision
from atoll.api.objects import Key, Manifest, manifest
from atoll.deliver.compiled import Compiler
from atoll.deliver.stamp import Stamper

KEY = Key("demo", "shop")


def objects(count: int) -> tuple[Manifest, ...]:
    def body(number: int) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}", "namespace": "demo"}}

    return tuple(manifest(body(number)) for number in range(count))


def delivery(cluster: str, made_of: tuple[Manifest, ...], sequence: int = 1, **more: Any) -> Delivery:
    return Delivery(KEY, "u1", cluster, Revision(1, "u1", sequence), made_of, **more)


async def test_clusters_with_the_same_objects_share_one_copy() -> None:
    compiler, made_of = Compiler(Stamper("h1")), objects(250)
    first, second = await asyncio.gather(*(compiler.compile(delivery(name, made_of)) for name in ("c1", "c2")))
    assert first is second, "even when both asked before either was done"
    assert list(first.items) == [m.id for m in made_of]
    assert await compiler.compile(delivery("c3", made_of, sequence=2)) is first, "the revision is not in it"


async def test_what_differs_is_not_shared() -> None:
    compiler, made_of = Compiler(Stamper("h1")), objects(2)
    plain = await compiler.compile(delivery("c1", made_of))
    own = await compiler.compile(delivery("hub", made_of, protected=frozenset({made_of[0].id})))
    assert list(own.items) == [made_of[1].id]
    assert await compiler.compile(delivery("c2", objects(2))) is not plain
    assert list((await compiler.compile(delivery("c2", made_of))).items) == [m.id for m in made_of]


async def test_nothing_is_remembered_that_nobody_uses() -> None:
    compiler = Compiler(Stamper("h1"))
    kept = await compiler.compile(delivery("c1", objects(1)))
    await compiler.compile(msgspec.structs.replace(delivery("c1", objects(1)), uid="u2"))
    gc.collect()
    assert list(compiler._known.values()) == [kept]
