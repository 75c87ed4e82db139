"""Known bugs are put in, and the fake fleet objects."""

from collections.abc import Callable
from typing import Any

import pytest

from atoll.deliver import prune
from atoll.hub.tombstones import Tombstones
from atoll.kube.client import Client
from atoll.testing.fakefleet import run

MOST = 150
"""Seeds that a bug may hide from."""


async def nothing(*_: object) -> None:
    """Instead of what should be done."""


def deletes_without_proof(patch: pytest.MonkeyPatch) -> None:
    delete = Client.delete

    async def careless(self: Client, *about: Any, uid: str = "", resource_version: str = "", **rest: Any) -> Any:
        return await delete(self, *about, **rest)

    patch.setattr(Client, "delete", careless)


def writes_whatever_is_there(patch: pytest.MonkeyPatch) -> None:
    apply = Client.apply

    async def careless(self: Client, *about: Any, resource_version: str = "", **rest: Any) -> Any:
        return await apply(self, *about, **rest)

    patch.setattr(Client, "apply", careless)


def forgets_who_was_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tombstones, "lay", nothing)


def never_prunes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(prune.Pruning, "_take", nothing)


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        (deletes_without_proof, "with the preconditions []"),
        (writes_whatever_is_there, "without saying which version"),
        (forgets_who_was_away, "should not be"),
        (never_prunes, "should not be"),
    ],
)
def test_it_objects_to(bug: Callable[[pytest.MonkeyPatch], None], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    assert any(words in text for seed in range(MOST) for text in run(seed).complaints)
