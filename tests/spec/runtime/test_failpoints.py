"""Failpoints: off they are not there; on they are counted, and do what they are told; what isn't one is refused."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.kube.errors import KubeError
from atoll.runtime import failpoints
from atoll.runtime.failpoints import HITS, VARIABLE, arm, around

written: list[int] = []


@around("test.write")
async def write(number: int) -> int:
    """Writes."""
    written.append(number)
    return number


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    written.clear()
    yield
    arm({})


async def test_off_a_write_is_a_write() -> None:
    assert await write(1) == 1
    assert written == [1]
    assert write.__doc__ == "Writes."


async def test_before_and_after(tmp_path: Path) -> None:
    file = tmp_path / "hits"
    arm({VARIABLE: "test.write.before=error@2; test.write.after=error@2", HITS: str(file)})
    await write(1)
    with pytest.raises(KubeError, match=r"test\.write\.before"):
        await write(2)
    with pytest.raises(KubeError, match=r"test\.write\.after"):
        await write(3)
    assert written == [1, 3]
    assert file.read_text().split() == [
        *("test.write.before", "test.write.after"),
        "test.write.before",
        *("test.write.before", "test.write.after"),
    ]


async def test_hits_are_counted_without_any_action(tmp_path: Path) -> None:
    arm({HITS: str(tmp_path / "hits")})
    await write(1)
    assert (tmp_path / "hits").read_text().count("test.write") == 2


async def test_any_place_counts_them_all() -> None:
    arm({VARIABLE: "*=error@4"})
    await write(1)
    with pytest.raises(KubeError, match=r"test\.write\.after"):
        await write(2)


async def test_sleep_lets_others_go_on() -> None:
    arm({VARIABLE: "test.write.before=sleep 0.05"})
    task = asyncio.create_task(write(1))
    await asyncio.sleep(0.01)
    assert written == []
    await task
    assert written == [1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no.such.place=kill", "there is no no.such.place"),
        ("test.write.before=explode", "the action is"),
        ("test.write.before=sleep", "the action is"),
        ("test.write.before=kill 3", "the action is"),
        ("test.write.before=kill@soon", "soon"),
        ("test.write.before", "the action is"),
    ],
)
def test_mistakes_are_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        arm({VARIABLE: text})
    assert asyncio.run(write(1)) == 1


def test_kill_is_sigkill() -> None:
    code = (
        "import asyncio, os\nfrom atoll.runtime.failpoints import arm, around\n"
        "@around('x')\nasync def f(): pass\n"
        "arm(os.environ)\nasyncio.run(f())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, VARIABLE: "x.after=kill"}, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL


def test_the_hub_knows_each_kind_of_write() -> None:
    import atoll.hub.main

    assert atoll.hub.main
    kinds = {name.rpartition(".")[0] for name in failpoints.names()} - {"test.write"}
    kinds = {kind for kind in kinds if not kind.startswith("agent.")}  # the agent's, when another test has loaded it
    assert kinds == {
        *("deliver.applyset", "deliver.namespace", "deliver.apply", "deliver.delete", "deliver.unmark"),
        *("deliver.create", "deliver.replace"),
        *("hub.finalizer", "hub.status", "hub.tombstone", "hub.release", "hub.clean", "hub.leave"),
        *("hub.revision", "hub.rollback", "hub.versionrecord"),
    }
